//! The running server as its keepers see it: metrics, health, log, notifications, and the socket of a service manager.
use crate::notify::server::Server as Hook;
use crate::support::{BUGGY, PARAMEDIC, RIGHT, World, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use paramedic::domain::{Digest, EventType, NewEvent, Operator, Role};
use paramedic::store::Operators;
use paramedic::store::sqlite::SqliteStore;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command};
use tokio::runtime::Runtime;

const TOKEN: &str = "pm_q7Xk2Lp9Zt4Rw8Ym3Nv6Bs1Dj5Fh0Gc2";

/// A running server; it is stopped at the end.
struct Served {
    child: Child,
    log: PathBuf,
    url: String,
    runtime: Runtime,
    client: Client,
}

impl Served {
    fn start(world: &World, args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0", "--workers", "0", "--log-format", "json"];
        all.extend(args);
        let mut command = world.command(&all);
        command.envs(env.iter().copied());
        Self::spawn(world, command)
    }

    fn spawn(world: &World, mut command: Command) -> Self {
        let log = world.dir.path().join("serve.log");
        let child = command.stderr(File::create(&log).unwrap()).spawn().unwrap();
        let url = eventually("the server listens", || {
            let text = fs::read_to_string(&log).unwrap();
            text.lines().find_map(|it| it.strip_prefix("listening on ")).map(str::to_owned)
        });
        Self { child, log, url, runtime: Runtime::new().unwrap(), client: Client::new() }
    }

    fn send(&self, request: impl FnOnce(&Client, &str) -> RequestBuilder) -> Response {
        self.runtime.block_on(request(&self.client, &self.url).send()).unwrap()
    }

    fn get(&self, path: &str) -> (u16, String) {
        let response = self.send(|client, url| client.get(format!("{url}{path}")));
        let status = response.status().as_u16();
        (status, self.runtime.block_on(response.text()).unwrap())
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        self.log().lines().filter_map(|it| serde_json::from_str(it).ok()).collect()
    }

    fn stop(&mut self) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGTERM).unwrap();
        assert!(self.child.wait().unwrap().success(), "{}", self.log());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Adds an operator whose token is [`TOKEN`].
fn add_operator(world: &World, role: Role) {
    let now = "2025-03-01T12:00:00Z".parse().unwrap();
    let operator = Operator {
        id: uuid::Uuid::new_v4(),
        name: "ann".to_owned(),
        role,
        token_digest: Some(Digest::of(TOKEN)),
        password_hash: None,
        created_at: now,
        revoked_at: None,
    };
    Runtime::new().unwrap().block_on(async {
        let store = SqliteStore::open(&world.data_dir().join("paramedic.db")).await.unwrap();
        let fact = NewEvent::new(EventType::OperatorAdded, "system", "added");
        store.add_operator(&operator, &fact).await.unwrap();
    });
}

#[test]
fn metrics_and_health_are_there_for_this_machine() {
    let world = World::with_repo(BUGGY);
    let mut served = Served::start(&world, &[], &[]);
    assert_eq!(served.get("/healthz"), (200, "ok\n".to_owned()));
    let (status, body) = served.get("/readyz");
    assert_eq!((status, serde_json::from_str::<Value>(&body).unwrap()["ready"].clone()), (200, Value::Bool(true)));
    // Work of another process is counted by this one.
    let (code, _) = world.heal(RIGHT, &[]);
    assert_eq!(code, 0);
    let text = eventually("the attempt is counted", || {
        let (status, text) = served.get("/metrics");
        assert_eq!(status, 200, "{text}");
        let attempt = "ci_healing_attempts_total{status=\"succeeded\",provider=\"local\"} 1";
        text.lines().any(|it| it == attempt).then_some(text)
    });
    for line in [
        "ci_healing_webhooks_total{provider=\"github\",deduplicated=\"false\"} 0",
        "ci_healing_run_status_transitions_total{status=\"fixed\",provider=\"local\"} 1",
        "ci_healing_container_validation_total{result=\"passed\"} 1",
        "ci_healing_pr_actions_total{action=\"opened\"} 0",
        "ci_healing_human_actions_total{action=\"approve\"} 0",
        "paramedic_http_requests_total{method=\"GET\",route=\"/healthz\",status=\"200\"} 1",
        "paramedic_database_up 1.0",
        "paramedic_queue_depth 0.0",
        "# EOF",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
    for part in [
        "process_resident_memory_bytes ",
        "paramedic_build_info{version=",
        "paramedic_attempt_duration_seconds_count 1",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    for path in ["/no/such/route", "/another", "/%2e%2e/etc/passwd"] {
        assert_eq!(served.get(path).0, 404);
    }
    let (_, text) = served.get("/metrics");
    assert!(text.contains("route=\"unmatched\",status=\"404\"} 3") && !text.contains("another"), "{text}");
    served.stop();
    world.assert_clean();
}

#[test]
fn metrics_are_not_for_whoever_comes_through_a_proxy() {
    let world = World::new();
    add_operator(&world, Role::Viewer);
    let served = Served::start(&world, &[], &[]);
    let proxied = |token: &str| {
        let response = served.send(|client, url| {
            client.get(format!("{url}/metrics")).header("x-forwarded-for", "203.0.113.7").bearer_auth(token)
        });
        response.status().as_u16()
    };
    assert_eq!((proxied("pm_wrong"), proxied(TOKEN)), (401, 200));
    drop(served);
    let config = world.dir.path().join("c.toml");
    fs::write(&config, "[log]\nmetrics = \"token\"\n").unwrap();
    let served = Served::start(&world, &["--config", config.to_str().unwrap()], &[]);
    assert_eq!(served.get("/metrics").0, 401);
}

#[test]
fn a_database_that_does_not_fit_is_told_by_readyz() {
    let world = World::new();
    let served = Served::start(&world, &[], &[]);
    served.runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(world.data_dir().join("paramedic.db"));
        let mut conn = sqlx::ConnectOptions::connect(&options).await.unwrap();
        let forward = "UPDATE _sqlx_migrations SET version = 99999999 WHERE version = (SELECT max(version) FROM _sqlx_migrations)";
        sqlx::query(forward).execute(&mut conn).await.unwrap();
    });
    let (status, body) = served.get("/readyz");
    let json: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &json["ready"]), (503, &Value::Bool(false)));
    assert!(json["reasons"][0].as_str().unwrap().contains("schema"), "{body}");
    assert_eq!(served.get("/healthz").0, 200, "it lives all the same");
}

/// Secrets come in by every door of a request, and none is in the log.
#[test]
fn no_secret_gets_into_the_log() {
    let world = World::with_repo(BUGGY);
    add_operator(&world, Role::Operator);
    world.heal(RIGHT, &[]);
    let environment = [
        ("CI_HEALING_WEBHOOK_SECRET", "s3cret-of-the-webhook"),
        ("GITHUB_TOKEN", "s3cret-of-github-token"),
        ("CI_HEALING_SLACK_WEBHOOK_URL", "http://127.0.0.1:1/s3cret-of-slack"),
    ];
    let mut served = Served::start(&world, &["--log-level", "trace"], &environment);
    let id = world.run(&["show", "latest", "--json"]).json()["id"].as_str().unwrap().to_owned();
    let run = format!("/api/v1/ci-healing/runs/{id}");
    let shown = served.send(|client, url| {
        client
            .get(format!("{url}{run}?access_token=s3cret-in-query"))
            .bearer_auth(TOKEN)
            .header("x-request-id", "req-42")
            .header("cookie", "session=s3cret-in-cookie")
    });
    assert!(shown.status().is_success() || shown.status().as_u16() == 400, "{shown:?}");
    for path in
        ["/s3cret-in-path", "/api/v1/ci-healing/runs/s3cret-in-id", "/api/v1/ci-healing/runs?status=s3cret-in-status"]
    {
        let (status, _) = served.get(path);
        assert!((400..500).contains(&status), "{path}: {status}");
    }
    for (token, body) in [("s3cret-as-token", "{}"), (TOKEN, "{\"note\": \"s3cret-in-body\", \"x\": 1}")] {
        let response = served.send(|client, url| {
            client
                .post(format!("{url}{run}/actions/deny"))
                .bearer_auth(token)
                .header("content-type", "application/json")
                .header("user-agent", "s3cret-in-agent")
                .body(body)
        });
        assert!((400..500).contains(&response.status().as_u16()), "{response:?}");
    }
    let aborted = served.send(|client, url| {
        client
            .post(format!("{url}{run}/actions/abort"))
            .bearer_auth(TOKEN)
            .header("content-type", "application/json")
            .body("{}")
    });
    assert_eq!(aborted.status().as_u16(), 200);
    eventually("Slack was given up or tried", || served.log().contains("not told yet").then_some(()));
    served.stop();
    let log = served.log();
    for secret in ["s3cret", TOKEN] {
        let line = log.lines().find(|it| it.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
    assert!(!log.contains('\u{1b}'));
    let lines = served.lines();
    let requests: Vec<&Value> = lines.iter().filter(|it| it["message"] == "request").collect();
    let first = requests.iter().find(|it| it["request_id"] == "req-42").unwrap();
    assert_eq!((&first["method"], &first["operator"]), (&Value::from("GET"), &Value::from("ann")));
    assert_eq!((&first["route"], &first["run_id"]), (&Value::from("/api/v1/ci-healing/runs/{id}"), &Value::from(id)));
    assert!(first["duration_ms"].is_u64() && first["status"].is_u64() && first["level"] == "INFO", "{first}");
    assert!(requests.iter().any(|it| it["route"] == "unmatched" && it["operator"] == "-"));
}

#[test]
fn a_server_tells_what_workers_elsewhere_do() {
    let world = World::with_repo(BUGGY);
    let runtime = Runtime::new().unwrap();
    let hook = runtime.block_on(Hook::start([]));
    let mut served = Served::start(&world, &[], &[("CI_HEALING_SLACK_WEBHOOK_URL", &hook.url)]);
    eventually("it tells", || served.log().contains("telling what happens").then_some(()));
    assert_eq!(world.heal(RIGHT, &[]).0, 0);
    eventually("the last text", || hook.texts().iter().any(|it| it.starts_with('✅')).then_some(()));
    served.stop();
    assert!(!served.log().contains("s3cretPartOfTheUrl"));
}

/// As a service manager does it: the socket is there before the server, and is number 3 in it (`sd_listen_fds`).
#[test]
fn a_socket_that_is_handed_over_is_served() {
    let world = World::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // The shell's redirection gives the socket its number, and its own number is what `exec` keeps.
    let inherited = listener.try_clone().unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&inherited);
    nix::fcntl::fcntl(&inherited, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
    let script = format!("exec 3<&{number}; LISTEN_FDS=1 LISTEN_PID=$$ exec {PARAMEDIC} serve --workers 0");
    let plain = world.command(&[]);
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(world.dir.path()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut served = Served::spawn(&world, command);
    assert_eq!(served.url, format!("http://{address}"));
    assert_eq!(served.get("/healthz"), (200, "ok\n".to_owned()));
    served.stop();
}
