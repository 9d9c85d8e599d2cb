//! Who comes in at a real server: every write route, every kind of stranger, logins, limits, and the author of a patch.
use crate::access::assert_nowhere;
use crate::support::{BUGGY, PATIENCE, RIGHT, World, eventually, eventually_answered};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

const SECRET: &str = "a secret of thirty-two bytes or more";
const PASSWORD: &str = "correct horse battery";
const ACTIONS: [&str; 5] = ["approve", "deny", "abort", "retry", "human-fix"];

/// `paramedic serve` on a port of its own, ended with the test.
struct Served {
    child: Child,
    url: String,
    log: Arc<Mutex<String>>,
    client: reqwest::Client,
}

impl Served {
    fn start(world: &World, args: &[&str]) -> Self {
        let all = [&["serve", "--listen", "127.0.0.1:0"], args].concat();
        let mut command = world.command(&all);
        command.env("PARAMEDIC_TOKEN_SECRET", SECRET).stderr(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, copy) = (BufReader::new(child.stderr.take().unwrap()).lines(), log.clone());
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut log = copy.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let url = eventually("the server listens", || {
            let log = log.lock().unwrap();
            let at = log.find("http://127.0.0.1:")?;
            let url: String = log[at..].chars().take_while(|it| !it.is_whitespace() && *it != '"').collect();
            log[at..].contains('\n').then_some(url)
        });
        let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().unwrap();
        Self { child, url, log, client }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> (u16, Option<String>, Value) {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let header = |name: &str| Some(response.headers().get(name)?.to_str().unwrap().to_owned());
        let shown = header("retry-after").or_else(|| header("www-authenticate"));
        let text = response.text().await.unwrap();
        (status, shown, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    fn post(&self, path: &str, token: Option<&str>, body: &Value) -> reqwest::RequestBuilder {
        let request = self.client.post(format!("{}{path}", self.url)).json(body);
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    fn get(&self, path: &str, token: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}{path}", self.url)).bearer_auth(token)
    }

    fn login(&self, form: &[(&str, &str)]) -> reqwest::RequestBuilder {
        self.client.post(format!("{}/token", self.url)).form(form)
    }

    fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn operator(world: &World, name: &str, role: &str) -> String {
    let args = ["operator", "add", name, "--role", role, "--password-stdin", "--json"];
    let ran = world.run_with_input(&args, PASSWORD);
    assert_eq!(ran.code, 0, "{ran:#?}");
    ran.json()["token"].as_str().unwrap().to_owned()
}

fn facts(world: &World) -> Vec<Value> {
    let exported = world.run(&["audit", "export"]);
    assert_eq!(exported.code, 0, "{exported:#?}");
    exported.stdout.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
}

fn refusals(world: &World) -> Vec<Value> {
    facts(world).into_iter().filter(|it| it["type"] == "access.refused").collect()
}

/// Returns a ticket of an operator as the server would sign it, except for what `edit` does.
fn ticket(world: &World, name: &str, secret: &str, edit: impl Fn(&mut Value)) -> String {
    let added = facts(world).into_iter().rfind(|it| it["payload"]["operator"] == name).unwrap();
    let now = jiff_now();
    let mut claims = json!({ "sub": name, "oid": added["payload"]["operatorId"], "iat": now - 10, "exp": now + 600 });
    edit(&mut claims);
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

fn jiff_now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn fixed() -> (World, String) {
    let world = World::with_repo(BUGGY);
    let (code, run) = world.heal(RIGHT, &[]);
    assert_eq!(code, 0, "{run:#}");
    (world, run["id"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_decides_who_may_not() {
    let (world, run) = fixed();
    let viewer = operator(&world, "vic", "viewer");
    let gone = operator(&world, "gus", "admin");
    let gone_ticket = ticket(&world, "gus", SECRET, |_| ());
    assert_eq!(world.run(&["operator", "revoke", "gus"]).code, 0);
    operator(&world, "gus", "admin");
    operator(&world, "ann", "operator");
    let now = jiff_now();
    let expired = ticket(&world, "ann", SECRET, |it| it["exp"] = json!(now - 1));
    let good = ticket(&world, "ann", SECRET, |_| ());
    let [head, claims, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("{good}") };
    let root = ticket(&world, "gus", SECRET, |_| ());
    let root_claims = root.split('.').nth(1).unwrap();
    let none = jsonwebtoken::encode(
        &Header::default(),
        &json!({ "alg": "none", "typ": "JWT" }),
        &EncodingKey::from_secret(b"x"),
    );
    let none = none.unwrap().split('.').nth(1).unwrap().to_owned();
    let strangers = [
        ("none", String::new(), 401),
        ("viewer", viewer.clone(), 403),
        ("viewer's ticket", ticket(&world, "vic", SECRET, |_| ()), 403),
        ("expired", expired, 401),
        ("revoked", gone.clone(), 401),
        ("revoked ticket", gone_ticket, 401),
        ("unknown", format!("pmd_{}", "0".repeat(64)), 401),
        ("wrong key", ticket(&world, "ann", &"x".repeat(40), |_| ()), 401),
        ("no algorithm", format!("{none}.{claims}."), 401),
        ("somebody else's claims", format!("{head}.{root_claims}.{signature}"), 401),
        ("from the future", ticket(&world, "ann", SECRET, |it| it["iat"] = json!(now + 3_600)), 401),
    ];
    let served = Served::start(&world, &["--workers", "0"]);
    let before = world.run(&["show", &run, "--json"]).json();
    for (who, token, expected) in &strangers {
        let token = (!token.is_empty()).then_some(token.as_str());
        for action in ACTIONS {
            let path = format!("/api/v1/ci-healing/runs/{run}/actions/{action}");
            let (status, _, body) = served.send(served.post(&path, token, &json!({ "hint": "x" }))).await;
            assert_eq!(status, *expected, "{who} {action}: {body}");
            assert!(body["error"]["message"].is_string(), "{who}: {body}");
        }
        let alias = format!("/v1/ci-healing/runs/{run}/actions/approve");
        assert_eq!(served.send(served.post(&alias, token, &json!({}))).await.0, *expected, "{who}");
    }
    let after = world.run(&["show", &run, "--json"]).json();
    for key in ["status", "version", "approvedBy", "attempts"] {
        assert_eq!(before[key], after[key], "{key}");
    }
    // Somebody known was refused: all of that is in the chain, and nothing of strangers.
    let refusals = refusals(&world);
    let n_of = |name: &str, reason: &str| {
        let is_it = |it: &&Value| it["actor"] == format!("human:{name}") && it["payload"]["reason"] == reason;
        refusals.iter().filter(is_it).count()
    };
    assert_eq!(
        [
            n_of("vic", "their role is viewer, and this needs operator"),
            n_of("ann", "expired token"),
            n_of("gus", "revoked operator")
        ],
        [12, 6, 12]
    );
    assert_eq!(refusals.len(), 30);
    for action in ACTIONS {
        let is_it = |it: &Value| it["payload"]["action"] == action && it["runId"] == run.as_str();
        assert!(refusals.iter().any(is_it), "{action}");
    }
    // Whoever may decide does.
    let path = format!("/api/v1/ci-healing/runs/{run}/actions/approve");
    let (status, _, body) = served.send(served.post(&path, Some(&good), &json!({}))).await;
    assert_eq!((status, &body["run"]["approvedBy"]), (200, &json!(["ann"])), "{body}");
    let log = served.log();
    drop(served);
    assert_nowhere(&world.data_dir(), &[&viewer, &gone, PASSWORD, SECRET]);
    assert!(![&viewer, &gone, &good, SECRET].iter().any(|it| log.contains(*it)), "{log}");
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_author_does_not_approve_their_own_patch() {
    let world = World::with_repo(BUGGY);
    let (code, run) = world.heal("false", &["--max-attempts", "1"]);
    assert_eq!(code, 1, "{run:#}");
    let run = run["id"].as_str().unwrap().to_owned();
    let (ann, bob) = (operator(&world, "ann", "operator"), operator(&world, "bob", "operator"));
    let served = Served::start(&world, &["--workers", "1"]);
    let act = |action: &str| format!("/api/v1/ci-healing/runs/{run}/actions/{action}");
    let patch =
        "--- a/calc.py\n+++ b/calc.py\n@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a - b\n+    return b + a\n";
    let (status, _, body) = served.send(served.post(&act("human-fix"), Some(&ann), &json!({ "patch": patch }))).await;
    assert_eq!(status, 200, "{body}");
    let shown = || world.run(&["show", &run, "--json"]).json();
    eventually("the patch is proved", || (shown()["status"] == "fixed").then_some(()));
    let (status, _, body) = served.send(served.post(&act("approve"), Some(&ann), &json!({}))).await;
    assert_eq!(status, 403, "{body}");
    assert!(body["error"]["message"].as_str().unwrap().contains("another person"), "{body}");
    let kept = refusals(&world);
    assert_eq!(kept.len(), 1);
    let expected = ("human:ann", "approve", run.as_str());
    let fields = (&kept[0]["actor"], &kept[0]["payload"]["action"], &kept[0]["runId"]);
    assert_eq!(
        (fields.0.as_str(), fields.1.as_str(), fields.2.as_str()),
        (Some(expected.0), Some(expected.1), Some(expected.2))
    );
    let (status, _, body) = served.send(served.post(&act("approve"), Some(&bob), &json!({}))).await;
    assert_eq!((status, &body["run"]["status"]), (200, &json!("resolved")), "{body}");
    drop(served);
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_and_a_password_give_a_token_for_a_while() {
    let world = World::new();
    operator(&world, "ann lee", "viewer");
    let served = Served::start(&world, &["--workers", "0"]);
    let form = [("grant_type", "password"), ("username", "ann lee"), ("password", PASSWORD), ("scope", "")];
    let (status, _, answer) = served.send(served.login(&form)).await;
    assert_eq!((status, &answer["token_type"], &answer["expires_in"]), (200, &json!("bearer"), &json!(1_800)));
    let token = answer["access_token"].as_str().unwrap();
    let (status, _, me) = served.send(served.get("/api/v1/ci-healing/me", token)).await;
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!((status, me), (200, json!({ "name": "ann lee", "role": "viewer", "version": version })));

    let wrong = json!({ "detail": "Incorrect username or password" });
    for (name, password) in [("ann lee", "wrong"), ("nobody", PASSWORD), ("admin", "admin123")] {
        let answer = served.send(served.login(&[("username", name), ("password", password)])).await;
        assert_eq!(answer, (401, Some("Bearer".to_owned()), wrong.clone()), "{name}");
    }
    let missing =
        |name: &str| json!({ "type": "missing", "loc": ["body", name], "msg": "Field required", "input": null });
    let (status, _, body) = served.send(served.login(&[("username", "ann lee")])).await;
    assert_eq!((status, body), (422, json!({ "detail": [missing("password")] })));
    let (status, _, body) = served.send(served.post("/token", None, &json!({ "username": "ann lee" }))).await;
    assert_eq!((status, body), (422, json!({ "detail": [missing("username"), missing("password")] })));
    let huge = "x".repeat(100_000);
    let (status, _, body) = served.send(served.login(&[("username", "ann lee"), ("password", &huge)])).await;
    assert_eq!(status, 413, "{body}");
    assert!(body["detail"].is_string(), "{body}");
    // What is revoked is worth nothing at once, also to who is logged in.
    assert_eq!(world.run(&["operator", "revoke", "ann lee"]).code, 0);
    let (status, ..) = served.send(served.get("/api/v1/ci-healing/me", token)).await;
    assert_eq!(status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_is_slowed_down_and_holds_up_nobody_else() {
    let world = World::new();
    let (ann, _) = (operator(&world, "ann", "viewer"), operator(&world, "bob", "viewer"));
    let served = Served::start(&world, &["--workers", "0"]);
    let mut refused = None;
    for idx in 0..12 {
        // Who says to be somewhere else is still counted where they are.
        let address = format!("198.51.100.{idx}");
        let guess = served.login(&[("username", "ann"), ("password", "a guess")]);
        let (status, header, body) = served.send(guess.header("x-forwarded-for", address)).await;
        match status {
            401 => assert!(idx < 11, "{idx}"),
            429 => refused = Some((header, body)),
            other => panic!("{other}"),
        }
    }
    let (header, body) = refused.unwrap();
    let seconds: u64 = header.unwrap().parse().unwrap();
    assert!((1..=7).contains(&seconds) && body["detail"].is_string(), "{seconds} {body}");
    let (status, ..) = served.send(served.login(&[("username", "bob"), ("password", PASSWORD)])).await;
    assert_eq!(status, 200);

    let guess = format!("pmd_{}", "0".repeat(64));
    let mut n_slowed = 0;
    for _ in 0..80 {
        let (status, header, body) = served.send(served.get("/api/v1/ci-healing/runs", &guess)).await;
        assert!([401, 429].contains(&status), "{status}");
        if status == 429 {
            n_slowed += 1;
            assert!(header.is_some_and(|it| it.parse::<u64>().is_ok()) && body["error"]["code"].is_string(), "{body}");
        }
    }
    assert!((1..=20).contains(&n_slowed), "{n_slowed}");
    let (status, ..) = served.send(served.get("/api/v1/ci-healing/runs", &ann)).await;
    assert_eq!(status, 200, "a right token is let in whatever others guess");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_trusted_proxy_each_address_is_counted_for_itself() {
    let world = World::new();
    let settings = world.dir.path().join("settings.toml");
    let text = "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n[access]\nfailures_per_minute_and_address = 2\n";
    fs::write(&settings, text).unwrap();
    let served = Served::start(&world, &["--workers", "0", "--config", settings.to_str().unwrap()]);
    let guess = async |address: &str| {
        let request = served.get("/api/v1/ci-healing/runs", "a guess").header("x-forwarded-for", address);
        served.send(request).await.0
    };
    assert_eq!([guess("198.51.100.1").await, guess("198.51.100.1").await], [401, 401]);
    assert_eq!(guess("203.0.113.9, 198.51.100.1").await, 429, "what stands before it is the client's own word");
    assert_eq!(guess("198.51.100.2").await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_has_a_generous_rate_and_others_their_own() {
    let world = World::new();
    let (ann, bob) = (operator(&world, "ann", "viewer"), operator(&world, "bob", "viewer"));
    let settings = world.dir.path().join("settings.toml");
    fs::write(&settings, "[access]\nrequests_per_second = 1\nrequest_burst = 5\n").unwrap();
    let served = Served::start(&world, &["--workers", "0", "--config", settings.to_str().unwrap()]);
    let mut codes = Vec::new();
    for _ in 0..20 {
        codes.push(served.send(served.get("/api/v1/ci-healing/runs", &ann)).await.0);
    }
    let n_fine = codes.iter().filter(|it| **it == 200).count();
    assert!((5..15).contains(&n_fine) && codes.iter().all(|it| [200, 429].contains(it)), "{codes:?}");
    assert_eq!(served.send(served.get("/api/v1/ci-healing/runs", &bob)).await.0, 200);
    // Who asked too often is let in again.
    let again = async || (served.send(served.get("/api/v1/ci-healing/runs", &ann)).await.0 == 200).then_some(());
    eventually_answered(again).await;
}

#[test]
fn a_short_secret_is_no_secret() {
    let world = World::new();
    let ran = crate::support::ran(
        world.command(&["serve", "--listen", "127.0.0.1:0", "--workers", "0"]).env("PARAMEDIC_TOKEN_SECRET", "short"),
    );
    assert_ne!(ran.code, 0);
    assert!(ran.stderr.contains("at least 32") && !ran.stderr.contains("short "), "{}", ran.stderr);
}
