//! A throw-away `PostgreSQL` server for the tests: the one `make test` started, or one of this process.
use sqlx::AssertSqlSafe;
use sqlx::Connection as _;
use sqlx::PgConnection;
use std::io::BufRead as _;
use std::io::BufReader;
use std::path::Path;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where the script tells the address of its server.
const ADDRESS: &str = "PARAMEDIC_TEST_POSTGRES";

/// A running server. It ends when this is dropped, or with this process, however that ends.
pub(crate) struct Server {
    /// Of a database that any role may connect to.
    url: String,
    /// Its folder; empty when somebody else started it.
    dir: PathBuf,
    /// Script and pipe; the script stops the server when the pipe closes.
    script: Option<(Child, Option<ChildStdin>)>,
}

impl Server {
    /// Starts a server of its own.
    pub(crate) fn start() -> Self {
        let mut script = script()
            .args(["with", "sh", "-c"])
            .arg("echo \"$PARAMEDIC_TEST_POSTGRES\"; echo \"$PARAMEDIC_TEST_POSTGRES_DIR\"; exec cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(script.stdout.take().unwrap()).lines();
        // Without a line the script has said on standard error why it failed.
        let mut line = || lines.next().unwrap().unwrap();
        let (url, dir) = (line(), PathBuf::from(line()));
        let pipe = script.stdin.take();
        Self { url, dir, script: Some((script, pipe)) }
    }

    /// Stops the server as an administrator does.
    pub(crate) fn stop(&self) {
        assert!(script().arg("stop").arg(&self.dir).status().unwrap().success());
    }

    pub(crate) fn start_again(&self) {
        assert!(script().arg("start").arg(&self.dir).status().unwrap().success());
    }

    /// Makes an empty database and returns its URL.
    pub(crate) async fn database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut conn = PgConnection::connect(&self.url).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
        self.url.replace("/postgres?", &format!("/{name}?"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((script, pipe)) = &mut self.script {
            drop(pipe.take());
            script.wait().unwrap();
        }
    }
}

fn script() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/postgres"))
}

/// Makes an empty database on the server that all tests share and returns its URL.
pub(crate) async fn database() -> String {
    static SHARED: OnceLock<Server> = OnceLock::new();
    let server = SHARED.get_or_init(|| match std::env::var(ADDRESS) {
        Ok(url) => Server { url, dir: PathBuf::new(), script: None },
        Err(_) => Server::start(),
    });
    server.database().await
}
