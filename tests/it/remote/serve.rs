//! A real `paramedic serve` on a world's backlog, and somebody elsewhere who asks it.
use crate::support::{Ran, World, ran};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// A server process; killed at the end.
pub(crate) struct Serve {
    child: Child,
    pub(crate) url: String,
}

impl Serve {
    /// Starts a server on a world's data folder and waits until it listens.
    pub(crate) fn start(world: &World, listen: &str, workers: &str) -> Self {
        Self::of(world.command(&["serve", "--listen", listen, "--workers", workers]))
    }

    /// Starts what `command` is and waits until it listens.
    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = lines.find_map(|it| it.unwrap().strip_prefix("listening on ").map(str::to_owned)).unwrap();
        // Whoever reads no more must not stop the server.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }

    /// Returns `HOST:PORT`.
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// Kills the server as a power cut would.
    pub(crate) fn kill(mut self) -> String {
        let address = self.address().to_owned();
        self.end();
        address
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        self.end();
    }
}

/// Adds an operator and returns their token.
pub(crate) fn operator(world: &World, name: &str, role: &str) -> String {
    let ran = world.run(&["operator", "add", name, "--role", role, "--json"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    ran.json()["token"].as_str().unwrap().to_owned()
}

/// Somebody at another machine, with a home of their own.
pub(crate) struct Elsewhere {
    pub(crate) world: World,
    pub(crate) url: String,
    pub(crate) token: String,
}

impl Elsewhere {
    pub(crate) fn new(url: &str, token: &str) -> Self {
        Self { world: World::new(), url: url.to_owned(), token: token.to_owned() }
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.world.command(args);
        command.env("PARAMEDIC_API", &self.url).env("PARAMEDIC_TOKEN", &self.token);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let ran = ran(&mut self.command(args));
        assert!(!format!("{ran:?}").contains(&self.token), "the token was printed");
        ran
    }
}
