//! Orders in words: carried out here, over HTTP, or by the forge.
use crate::support::{BUGGY, RIGHT, World, eventually};
use paramedic::domain::{Digest, EventType, NewEvent, Operator, Role};
use paramedic::store::Operators as _;
use paramedic::store::sqlite::SqliteStore;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::thread::JoinHandle;

/// A program whose tests are green.
pub(crate) const GREEN: &[(&str, &str)] = &[
    ("calc.py", "def add(a, b):\n    return a + b\n"),
    (
        "test_calc.py",
        "import unittest\nimport calc\n\n\nclass T(unittest.TestCase):\n    def test_add(self):\n        self.assertEqual(calc.add(2, 3), 5)\n",
    ),
];

fn dispatch(world: &World, agent: &str, more: &[&str]) -> (i32, Value) {
    let repo = world.repo();
    let args = ["dispatch", "create", "a function that doubles", "--repo", repo.to_str().unwrap(), "--json"];
    let ran = world.run(&[&args[..], &["--agent-command", agent], more].concat());
    (ran.code, ran.json())
}

#[test]
fn an_order_is_carried_out_and_proved() {
    let world = World::with_repo(GREEN);
    let agent = "grep -q 'a function that doubles' && python3 - <<'END'\nimport json, os\n\
                 c = json.load(open(os.environ['PARAMEDIC_CONTEXT']))\n\
                 assert c['order'] == {'intent': 'create', 'text': 'a function that doubles', 'context': 'calc.py'}, c['order']\n\
                 open('calc.py', 'a').write('\\n\\ndef double(a):\\n    return a * 2\\n')\nEND";
    let (code, run) = dispatch(&world, agent, &["--context", "calc.py"]);
    assert_eq!((code, &run["status"], &run["attemptCount"]), (0, &"fixed".into(), &1.into()), "{run:#}");
    assert_eq!((&run["source"], &run["order"]["requestedBy"]), (&"dispatch".into(), &"tester".into()));
    assert_eq!(run["errorSummary"], "create: a function that doubles");
    let approved = world.run(&["approve", "latest"]);
    assert_eq!(approved.code, 0, "{approved:#?}");
    let branch = world.run(&["show", "latest", "--json"]).json()["healBranch"].as_str().unwrap().to_owned();
    assert_eq!(world.git(&["log", "-1", "--format=%s", &branch]), "Create: a function that doubles");
    world.assert_clean();
}

#[test]
fn repairs_go_on_from_the_change_and_every_patch_is_kept() {
    let world = World::with_repo(GREEN);
    // The first attempt breaks the tests; the next find it in place and make it worse in other ways.
    let agent = "echo \"n$PARAMEDIC_ATTEMPT = 1\" >> calc.py; sed -i 's/a + b/a - b/' calc.py";
    let (code, run) = dispatch(&world, agent, &[]);
    assert_eq!((code, &run["escalationReason"], &run["attemptCount"]), (1, &"exhausted".into(), &3.into()), "{run:#}");
    let diff = world.run(&["diff", "latest"]).stdout;
    for line in ["+n1 = 1", "+n2 = 1", "+n3 = 1"] {
        assert!(diff.contains(line), "{diff}");
    }
}

#[test]
fn a_red_start_is_told_and_green_in_the_end_is_proof() {
    let world = World::with_repo(BUGGY);
    let agent = format!("grep -q 'red already' || exit 9; {RIGHT}");
    let (code, run) = dispatch(&world, &agent, &[]);
    assert_eq!((code, &run["status"]), (0, &"fixed".into()), "{run:#}");
}

#[test]
fn without_tests_the_patch_is_kept_and_a_person_asked() {
    let world = World::with_repo(&[("readme.md", "hello\n")]);
    let (code, run) = dispatch(&world, "echo more >> readme.md", &[]);
    assert_eq!((code, &run["escalationReason"], &run["attemptCount"]), (1, &"no_tests".into(), &1.into()), "{run:#}");
    assert!(world.run(&["diff", "latest"]).stdout.contains("+more"));
}

#[test]
fn a_change_that_takes_tests_away_is_no_proof() {
    let world = World::with_repo(
        &[GREEN, &[("test_more.py", "import unittest\nclass M(unittest.TestCase):\n    def test_m(self): pass\n")]]
            .concat(),
    );
    let (code, run) = dispatch(
        &world,
        "echo 'def load_tests(*a): return a[1]' >> calc.py; git mv test_more.py more.py 2>/dev/null || mv test_more.py more.py",
        &[],
    );
    assert_eq!(code, 1, "{run:#}");
    assert_ne!(run["attempts"][0]["status"], "succeeded");
}

#[test]
fn rules_without_words_decline_an_order() {
    let world = World::with_repo(GREEN);
    let repo = world.repo();
    let ran = world.run(&["dispatch", "fix", "it", "--repo", repo.to_str().unwrap(), "--json"]);
    assert_eq!((ran.code, &ran.json()["escalationReason"]), (1, &"agent_failed".into()));
    for args in [["dispatch", "fix", " "], ["dispatch", "fix", "\u{feff}\u{200b}\u{e0041}"], ["dispatch", "drop", "it"]]
    {
        assert_eq!(world.run(&args).code, 2);
    }
}

/// A server with one operator and one viewer.
pub(crate) struct Served {
    pub(crate) world: World,
    child: Child,
    address: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    pub(crate) fn new(world: World, settings: &str, env: &[(&str, &str)]) -> Self {
        fs::write(world.dir.path().join("config.toml"), settings).unwrap();
        fs::create_dir_all(world.data_dir()).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let store = SqliteStore::open(&world.data_dir().join("paramedic.db")).await.unwrap();
            for (name, role) in [("ann", Role::Operator), ("vic", Role::Viewer)] {
                let operator = Operator {
                    id: paramedic::domain::RunId::random().0,
                    name: name.to_owned(),
                    role,
                    token_digest: Some(Digest::of(format!("token-of-{name}"))),
                    password_hash: None,
                    created_at: jiff::Timestamp::UNIX_EPOCH,
                    revoked_at: None,
                };
                let fact = NewEvent::new(EventType::OperatorAdded, "system", name);
                store.add_operator(&operator, &fact).await.unwrap();
            }
        });
        let mut command =
            world.command(&["serve", "--listen", "127.0.0.1:0", "--workers", "1", "--config", "config.toml"]);
        command.envs(env.iter().copied()).stderr(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "the server ended before it listened");
            if let Some((_, address)) = line.trim().split_once("listening on http://") {
                break address.trim_end_matches('/').to_owned();
            }
        };
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Self { world, child, address }
    }

    /// Sends an order; returns status, head and answer.
    pub(crate) fn post(&self, token: Option<&str>, body: &Value) -> (u16, String, Value) {
        let body = body.to_string();
        let token = token.map(|it| format!("Authorization: Bearer {it}\r\n")).unwrap_or_default();
        let mut stream = std::net::TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST /v1/jarvis/dispatch HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n{token}\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_ascii_lowercase(), serde_json::from_str(body).unwrap_or(Value::Null))
    }
}

fn good() -> Value {
    json!({ "intent": "create", "instruction": "a function that doubles", "context": "calc.py" })
}

#[test]
fn an_order_over_http_becomes_a_run_of_our_own() {
    let world = World::with_repo(GREEN);
    let agent = "echo 'def double(a): return a * 2' >> calc.py";
    let settings = format!(
        "agents_by_default = [\"doubler\"]\n[dispatch]\nrepository = \"{}\"\n[agents.doubler]\ncommand = \"{agent}\"\n",
        world.repo().display()
    );
    let served = Served::new(world, &settings, &[]);
    let (status, head, answer) = served.post(None, &good());
    assert_eq!((status, &answer), (401, &json!({ "detail": "Not authenticated" })));
    assert!(head.contains("www-authenticate: bearer"), "{head}");
    let (status, head, answer) = served.post(Some("wrong"), &good());
    assert_eq!((status, &answer), (401, &json!({ "detail": "Could not validate credentials" })));
    assert!(head.contains("www-authenticate: bearer"), "{head}");
    assert_eq!(served.post(Some("token-of-vic"), &good()).0, 403);
    let (status, _, answer) = served.post(Some("token-of-ann"), &json!({ "intent": "drop" }));
    assert_eq!(status, 422, "{answer}");
    assert_eq!(answer["detail"][0]["loc"], json!(["body", "intent"]));
    assert_eq!(answer["detail"][1]["type"], "missing");
    let unseen = json!({ "intent": "fix", "instruction": "\u{200b} \u{feff}" });
    let (status, _, answer) = served.post(Some("token-of-ann"), &unseen);
    assert_eq!((status, &answer["detail"][0]["loc"]), (422, &json!(["body", "instruction"])), "{answer}");
    let (status, _, answer) = served.post(Some("token-of-ann"), &good());
    assert_eq!((status, &answer["success"]), (200, &true.into()), "{answer}");
    let id = answer["run_id"].as_str().unwrap();
    assert!(answer["workflow_url"].as_str().unwrap().ends_with(id), "{answer}");
    let run = eventually("the order is carried out", || {
        let run = served.world.run(&["show", id, "--json"]).json();
        (run["status"] != "queued" && run["status"] != "running").then_some(run)
    });
    assert_eq!((&run["status"], &run["order"]["requestedBy"]), (&"fixed".into(), &"ann".into()), "{run:#}");
}

#[test]
fn who_asks_too_often_is_told_when_to_come_back() {
    let served = Served::new(World::new(), "[access]\nfailures_per_minute_and_address = 1\n", &[]);
    assert_eq!(served.post(Some("wrong"), &good()).0, 401);
    let (status, head, answer) = served.post(Some("wrong"), &good());
    assert_eq!((status, answer["detail"].is_string()), (429, true), "{answer}");
    assert!(head.contains("retry-after: "), "{head}");
    let (status, _, answer) = served.post(Some("token-of-ann"), &json!({ "instruction": "x".repeat(2 << 20) }));
    assert_eq!((status, answer["detail"].is_string()), (413, true), "{answer}");
}

/// Answers one request with `status` and returns what was asked.
fn forge(status: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        let (mut asked, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = n.trim().parse().unwrap();
            }
            asked.push_str(&line);
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        asked.push_str(&String::from_utf8(body).unwrap());
        write!(reader.get_mut(), "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        asked
    });
    (url, asked)
}

#[test]
fn a_configured_forge_gets_the_order_and_only_204_is_success() {
    for (status, expected) in [("204 No Content", 200), ("200 OK", 500), ("404 Not Found", 500)] {
        let (url, asked) = forge(status);
        let settings = format!(
            "safe_mode = false\n[github]\nenabled = true\napi_url = \"{url}\"\n[dispatch]\nrepository = \"acme/shop\"\n"
        );
        let served = Served::new(World::new(), &settings, &[("GITHUB_TOKEN", "ghp_forsetting0nlyforsetting0nly")]);
        let (code, _, answer) = served.post(Some("token-of-ann"), &good());
        assert_eq!(code, expected, "{answer}");
        assert!(!answer.to_string().contains("ghp_"), "{answer}");
        if expected == 200 {
            let message = "Repository dispatch event 'jarvis_order' triggered successfully";
            assert_eq!(
                answer,
                json!({ "success": true, "message": message, "workflow_url": format!("{url}/acme/shop/actions") })
            );
        } else {
            assert!(answer["detail"].as_str().unwrap().contains(&status[..3]), "{answer}");
        }
        let asked = asked.join().unwrap();
        let (head, body) = asked.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /repos/acme/shop/dispatches ") && head.contains("Bearer ghp_"), "{head}");
        let payload = json!({ "intent": "create", "instruction": "a function that doubles", "context": "calc.py", "triggered_by": "ann" });
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body, json!({ "event_type": "jarvis_order", "client_payload": payload }));
        assert_eq!(served.world.run(&["runs", "--json"]).json()["total"], 0);
    }
}

#[test]
fn safe_mode_keeps_orders_here() {
    let settings =
        "[github]\nenabled = true\napi_url = \"http://127.0.0.1:9\"\n[dispatch]\nrepository = \"acme/shop\"\n";
    let served = Served::new(World::new(), settings, &[("GITHUB_TOKEN", "ghp_forsetting0nlyforsetting0nly")]);
    let (code, _, answer) = served.post(Some("token-of-ann"), &good());
    assert_eq!(code, 500);
    assert!(answer["detail"].as_str().unwrap().contains("[repositories.\"acme/shop\"]"), "{answer}");
}
