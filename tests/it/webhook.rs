//! Reports from outside over real connections: whom to believe, what is one failure, what is refused, and that nothing hostile is kept.
use crate::support::{PATIENCE, Ran, World, eventually};
use futures::StreamExt;
use paramedic::signal::signature::Secrets;
use reqwest::Client;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

const SECRET: &str = "correct horse battery";
const PATH: &str = "/api/v1/ci-healing/webhook";

/// A server on a world's data; stopped at the end.
struct Served {
    child: Child,
    url: String,
}

impl Served {
    fn start(world: &World, environment: &[(&str, &str)]) -> Self {
        let mut command = world.command(&["serve", "--listen", "127.0.0.1:0", "--workers", "0"]);
        command.envs(environment.iter().copied()).stderr(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let url = lines.find_map(|it| it.strip_prefix("listening on ").map(str::to_owned)).unwrap();
        // The rest must be read, or the server would wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Who reports.
struct Sender {
    client: Client,
    url: String,
}

impl Sender {
    fn to(served: &Served) -> Self {
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { client, url: format!("{}{PATH}", served.url) }
    }

    async fn post(&self, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> (u16, Value) {
        let mut request = self.client.post(&self.url).body(body.into());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or_default())
    }

    async fn signed(&self, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
        let signature = Secrets::new([SECRET.to_owned()]).sign(body.as_bytes()).unwrap();
        let mut all = vec![("x-hub-signature-256", signature.as_str())];
        all.extend(headers);
        self.post(&all, body).await
    }
}

fn report(n: u32) -> Value {
    json!({
        "provider": "generic", "repository": "owner/repo", "branch": "main", "commitSha": format!("{n:040x}"),
        "errorLog": format!("FAIL: test_{n} (t.T.test_{n})\nAssertionError: {n} != 0\n"),
    })
}

fn total(world: &World) -> u64 {
    world.run(&["runs", "--json"]).json()["total"].as_u64().unwrap()
}

fn show(world: &World, id: &str) -> Value {
    world.run(&["show", id, "--json"]).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failure_is_one_run_however_often_it_is_reported() {
    let world = World::new();
    let served = Served::start(&world, &[]);
    let sender = Sender::to(&served);
    let mut first = report(1);
    first["pipelineUrl"] = "https://ci.example/1".into();
    let (status, answer) = sender.post(&[], first.to_string()).await;
    assert_eq!((status, &answer["status"], &answer["deduplicated"]), (202, &"queued".into(), &false.into()));
    let id = answer["runId"].as_str().unwrap().to_owned();
    // Another pipeline, another time, another folder: the same failure.
    let mut again = first.clone();
    again["pipelineUrl"] = "https://ci.example/2".into();
    again["errorLog"] = format!("2026-01-02T03:04:05.678Z {}", first["errorLog"].as_str().unwrap()).into();
    let (status, answer) = sender.post(&[], again.to_string()).await;
    assert_eq!((status, &answer), (202, &json!({ "runId": id, "status": "queued", "deduplicated": true })));
    // Another commit, another failure: other runs.
    let mut other = first.clone();
    other["commitSha"] = "abc123".into();
    assert_eq!(sender.post(&[], other.to_string()).await.1["deduplicated"], false);
    other["errorLog"] = "KeyError: 'a'".into();
    assert_eq!(sender.post(&[], other.to_string()).await.1["deduplicated"], false);
    assert_eq!(total(&world), 3);
    let run = show(&world, &id);
    assert_eq!((&run["source"], &run["provider"]), (&"webhook".into(), &"generic".into()));
    assert_eq!((&run["errorType"], &run["pipelineUrl"]), (&"AssertionError".into(), &"https://ci.example/1".into()));
    assert!(run["errorHash"].as_str().unwrap().starts_with("v1:"));
    let types: Vec<&str> = run["events"].as_array().unwrap().iter().map(|it| it["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["run.created", "run.queued"]);
    assert!(world.run(&["log", &id]).stdout.contains("AssertionError: 1 != 0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_comes_again_changes_nothing() {
    let world = World::new();
    let served = Served::start(&world, &[]);
    let sender = Sender::to(&served);
    let headers = [("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")];
    let (_, first) = sender.post(&headers, report(1).to_string()).await;
    let (status, again) = sender.post(&headers, report(2).to_string()).await;
    assert_eq!((status, &again["runId"], &again["deduplicated"]), (202, &first["runId"], &true.into()));
    assert_eq!(total(&world), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_knows_the_secret_is_believed() {
    let world = World::new();
    let both = [("CI_HEALING_WEBHOOK_SECRET", SECRET), ("CI_HEALING_WEBHOOK_SECRET_PREVIOUS", "the one before")];
    let served = Served::start(&world, &both);
    let sender = Sender::to(&served);
    let body = report(1).to_string();
    let right = Secrets::new([SECRET.to_owned()]).sign(body.as_bytes()).unwrap();
    let of_other = Secrets::new([SECRET.to_owned()]).sign(b"{}").unwrap();
    let by_other = Secrets::new(["wrong".to_owned()]).sign(body.as_bytes()).unwrap();
    for headers in [
        vec![],
        vec![("x-hub-signature-256", "")],
        vec![("x-hub-signature-256", of_other.as_str())],
        vec![("x-ci-signature", by_other.as_str())],
        vec![("x-ci-signature", &right["sha256=".len()..])],
        vec![("x-hub-signature-256", right.as_str()), ("x-ci-signature", by_other.as_str())],
        vec![("x-gitlab-token", SECRET)],
        vec![("x-gitlab-event", "Pipeline Hook"), ("x-gitlab-token", "wrong")],
        vec![("authorization", SECRET)],
    ] {
        let (status, answer) = sender.post(&headers, body.clone()).await;
        assert_eq!((status, &answer["error"]["code"]), (401, &"unsigned".into()), "{headers:?}");
    }
    assert_eq!(total(&world), 0);
    assert_eq!(sender.post(&[("x-ci-signature", &right)], body.clone()).await.0, 202);
    let before = Secrets::new(["the one before".to_owned()]).sign(body.as_bytes()).unwrap();
    assert_eq!(sender.post(&[("x-hub-signature-256", &before)], body).await.0, 202);
    let gitlab = [("x-gitlab-event", "Pipeline Hook"), ("x-gitlab-token", SECRET)];
    assert_eq!(sender.post(&gitlab, failed_pipeline().to_string()).await.1["deduplicated"], false);
    assert_eq!(total(&world), 2);
    let mut config = world.command(&["config", "show", "--json"]);
    let shown = crate::support::ran(config.envs(both)).stdout;
    assert!(shown.contains("\"secret\": \"***\"") && !shown.contains(SECRET), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_with_its_field() {
    let world = World::new();
    let served = Served::start(&world, &[]);
    let sender = Sender::to(&served);
    for (field, value) in [
        ("provider", json!("circle")),
        ("repository", json!("")),
        ("branch", json!("b".repeat(256))),
        ("commitSha", json!("-x")),
        ("pipelineUrl", json!("file:///etc/passwd")),
        ("errorType", json!("t".repeat(101))),
        ("errorLog", json!(" \n")),
        ("errorLog", json!("\0".repeat(5_000))),
        ("errorLog", json!("\u{1}\r\n\u{7f}\u{9b}")),
        ("surprise", json!(1)),
    ] {
        let mut body = report(1);
        body[field] = value;
        let (status, answer) = sender.post(&[], body.to_string()).await;
        assert_eq!((status, &answer["error"]["field"]), (400, &field.into()), "{answer}");
    }
    let deep = format!("{{\"errorLog\":{}1{}}}", "[".repeat(50_000), "]".repeat(50_000));
    for body in [&b"{\"errorLog\": \"\xff\"}"[..], b"", b"[]", b"{", br#"{"a":1,"a":2}"#, deep.as_bytes()] {
        let (status, answer) = sender.post(&[], body).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &"invalid".into()), "{answer}");
        let (status, _) = sender.post(&[("x-github-event", "workflow_run")], body).await;
        assert_eq!(status, 400);
    }
    assert_eq!(total(&world), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused() {
    let world = World::new();
    let served = Served::start(&world, &[("CI_HEALING_WEBHOOK_SECRET", SECRET)]);
    let sender = Sender::to(&served);
    let mut body = report(1);
    body["errorLog"] = "x".repeat(1 << 20).into();
    assert_eq!(sender.signed(&[], &body.to_string()).await.0, 413);
    // The senders of deliveries may send more than that.
    let mut delivery: Value = serde_json::from_str(include_str!("deliveries/github_workflow_job.json")).unwrap();
    delivery["padding"] = "x".repeat(2 << 20).into();
    let (status, answer) = sender.signed(&[("x-github-event", "workflow_job")], &delivery.to_string()).await;
    assert_eq!((status, &answer["deduplicated"]), (202, &false.into()));
    body["errorLog"] = "boom: it failed\n".repeat(60_000).into();
    assert_eq!(sender.signed(&[], &body.to_string()).await.0, 202);
    assert_eq!(total(&world), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_deliveries_of_one_red_build_are_one_run() {
    let world = World::new();
    let served = Served::start(&world, &[]);
    let sender = Sender::to(&served);
    let job: Value = serde_json::from_str(include_str!("deliveries/github_workflow_job.json")).unwrap();
    let (number, commit) = (&job["workflow_job"]["run_id"], &job["workflow_job"]["head_sha"]);
    let mut run: Value = serde_json::from_str(include_str!("deliveries/github_workflow_run.json")).unwrap();
    run["workflow_run"]["conclusion"] = "failure".into();
    run["workflow_run"]["id"] = number.clone();
    run["workflow_run"]["head_sha"] = commit.clone();
    run["repository"]["full_name"] = job["repository"]["full_name"].clone();
    let mut check: Value = serde_json::from_str(include_str!("deliveries/github_check_run.json")).unwrap();
    check["check_run"]["head_sha"] = commit.clone();
    check["check_run"]["details_url"] = format!("https://github.com/o/r/actions/runs/{number}/job/1").into();
    let mut ids = BTreeSet::new();
    for (event, delivery) in [("check_run", &check), ("workflow_job", &job), ("workflow_run", &run)] {
        let (status, answer) = sender.post(&[("x-github-event", event)], delivery.to_string()).await;
        assert_eq!(status, 202);
        ids.insert(answer["runId"].as_str().unwrap().to_owned());
    }
    assert_eq!((ids.len(), total(&world)), (1, 1));
    for (event, text) in [
        ("ping", include_str!("deliveries/github_ping.json")),
        ("issue_comment", include_str!("deliveries/github_issue_comment.json")),
        ("pull_request", include_str!("deliveries/github_pull_request_closed.json")),
    ] {
        let (status, answer) = sender.post(&[("x-github-event", event)], text).await;
        assert_eq!((status, &answer["ignored"]), (202, &true.into()));
        assert!(!answer["reason"].as_str().unwrap().is_empty());
    }
    assert_eq!(total(&world), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_hostile_or_secret_is_kept() {
    let world = World::new();
    let served = Served::start(&world, &[("DEPLOY_TOKEN", "hunter2hunter2")]);
    let sender = Sender::to(&served);
    let mut body = report(1);
    body["branch"] = "main\u{1b}]0;owned\u{7}\u{202e}".into();
    body["repository"] = "owner/\u{1b}[2Jrepo".into();
    body["errorType"] = "\u{1b}[31mBoom\0".into();
    body["errorLog"] = "\u{1b}[31mFAIL: test_a (t.T.a)\u{1b}[0m\u{0}\nAssertionError: hunter2hunter2 and gh\u{1b}[1mp_abcdefghijklmnopqrstuvwxyz0123456789\npassword=correct-horse-1\n\u{202e}evil\u{9b}2J\n".into();
    let (status, answer) = sender.post(&[], body.to_string()).await;
    assert_eq!(status, 202, "{answer}");
    let id = answer["runId"].as_str().unwrap();
    let shown = world.run(&["show", id, "--json"]).stdout;
    let log = world.run(&["log", id]).stdout;
    let raw = world.run(&["log", id, "--output", "reported.log", "--raw"]).stdout;
    assert!(log.contains("FAIL: test_a (t.T.a)") && log.contains("***"), "{log}");
    for (what, text) in [("run", &shown), ("log", &log), ("stored log", &raw)] {
        for secret in ["hunter2", "p_abcdefgh", "correct-horse"] {
            assert!(!text.contains(secret), "{what}: {text}");
        }
        let bad = text.chars().find(|it| (it.is_control() && *it != '\n') || "\u{202e}\u{9b}".contains(*it));
        assert_eq!(bad, None, "{what}");
        assert!(!text.contains("u001b") && !text.contains("[2J"), "{what}: {text}");
    }
    let files =
        ["paramedic.db", "paramedic.db-wal"].map(|it| std::fs::read(world.data_dir().join(it)).unwrap_or_default());
    for secret in ["hunter2hunter2", "correct-horse-1", "abcdefghijklmnopqrstuvwxyz0123456789"] {
        let is_there = files.iter().any(|it| it.windows(secret.len()).any(|it| it == secret.as_bytes()));
        assert!(!is_there, "{secret} is in the database");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_wrongly_again_and_again_is_held_up_and_nobody_else() {
    let world = World::new();
    let settings = world.dir.path().join("settings");
    std::fs::create_dir_all(settings.join("paramedic")).unwrap();
    std::fs::write(settings.join("paramedic/config.toml"), "[access]\nunsigned_per_minute_and_address = 3\n").unwrap();
    let both = [("CI_HEALING_WEBHOOK_SECRET", SECRET), ("XDG_CONFIG_HOME", settings.to_str().unwrap())];
    let served = Served::start(&world, &both);
    let sender = Sender::to(&served);
    let wrong = [("x-hub-signature-256", "sha256=00")];
    for expected in [401, 401, 401, 429] {
        let (status, answer) = sender.post(&wrong, report(1).to_string()).await;
        assert_eq!(status, expected, "{answer}");
    }
    let request = sender.client.post(&sender.url).body("{}");
    let refused = request.send().await.unwrap();
    assert_eq!(refused.status(), 429);
    let seconds: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    for n in 0..10 {
        assert_eq!(sender.signed(&[], &report(n % 5).to_string()).await.0, 202);
    }
    let metrics = sender.client.get(format!("{}/metrics", served.url)).send().await.unwrap().text().await.unwrap();
    for line in ["provider=\"generic\",deduplicated=\"false\"} 5", "provider=\"generic\",deduplicated=\"true\"} 5"] {
        assert!(metrics.contains(&format!("ci_healing_webhooks_total{{{line}\n")), "{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_make_exactly_the_right_runs() {
    const N: u32 = 600;
    let world = World::new();
    let served = Served::start(&world, &[("CI_HEALING_WEBHOOK_SECRET", SECRET)]);
    let sender = Sender::to(&served);
    // A fifth are repeats, right behind what they repeat, so that both are under way at once; each twentieth is signed with another secret.
    let post = |n: u32| {
        let failure = if n % 5 == 4 { n - 1 } else { n };
        let body = report(failure).to_string();
        let is_forged = n % 20 == 7;
        let secret = if is_forged { "forged" } else { SECRET };
        let signature = Secrets::new([secret.to_owned()]).sign(body.as_bytes()).unwrap();
        let sender = &sender;
        async move {
            let (status, answer) = sender.post(&[("x-hub-signature-256", &signature)], body).await;
            assert_eq!(status, if is_forged { 401 } else { 202 }, "{answer}");
            (!is_forged)
                .then(|| (failure, answer["runId"].as_str().unwrap().to_owned(), answer["deduplicated"] == false))
        }
    };
    let answers: Vec<_> = futures::stream::iter(0..N).map(post).buffer_unordered(64).collect().await;
    let taken: Vec<_> = answers.into_iter().flatten().collect();
    let pairs: BTreeSet<_> = taken.iter().map(|(failure, id, _)| (*failure, id.clone())).collect();
    let failures: BTreeSet<_> = taken.iter().map(|(failure, ..)| *failure).collect();
    assert_eq!(pairs.len(), failures.len(), "each failure has one run");
    assert_eq!(taken.iter().filter(|(.., is_new)| *is_new).count(), failures.len(), "each run was new once");
    assert_eq!(total(&world), failures.len() as u64);
    let audit = world.run(&["audit", "verify"]);
    assert_eq!(audit.code, 0, "{audit:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_log_does_not_hold_up_the_small_ones() {
    let world = World::new();
    let served = Served::start(&world, &[]);
    let sender = Sender::to(&served);
    let large = |n: u32| {
        let mut body = report(n);
        let lines: Vec<String> = (0..20_000).map(|it| format!("error {it}: {n} is not what {it} was")).collect();
        body["errorLog"] = lines.join("\n").into();
        body.to_string()
    };
    let (one, two, three) = (large(1), large(2), large(3));
    let all_large = async { tokio::join!(sender.post(&[], one), sender.post(&[], two), sender.post(&[], three)) };
    tokio::pin!(all_large);
    // Small ones are answered, one after the other, before the large ones are.
    let mut n_small = 0;
    let answers = loop {
        tokio::select! {
            answers = &mut all_large => break answers,
            (status, _) = sender.post(&[], report(100 + n_small).to_string()) => {
                assert_eq!(status, 202);
                n_small += 1;
            }
        }
    };
    assert_eq!([answers.0.0, answers.1.0, answers.2.0], [202; 3]);
    assert!(n_small >= 3, "{n_small}");
}

/// Sends bytes as they are, says that nothing more comes, and returns the answer.
fn raw(served: &Served, request: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(served.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn whoever_proves_nothing_is_not_listened_to() {
    let world = World::new();
    let served = Served::start(&world, &[("CI_HEALING_WEBHOOK_SECRET", SECRET)]);
    let form = format!("X-Hub-Signature-256: sha256={}\r\n", "0".repeat(64));
    let gitlab = "X-Gitlab-Event: Job Hook\r\nX-Gitlab-Token: wrong\r\n";
    // The body never comes: who is refused by the head is refused at once, who may be right is waited for.
    for (headers, length, status) in [
        ("", 1_000_000, 401),
        ("X-GitHub-Event: push\r\n", 24 << 20, 401),
        ("X-Hub-Signature-256: sha1=00\r\n", 1_000_000, 401),
        (gitlab, 24 << 20, 401),
        (&form, 1_000_000, 400),
        ("", 2_000_000, 413),
    ] {
        let head = format!("POST {PATH} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {length}\r\n\r\n");
        let answer = raw(&served, &head);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{headers}: {answer}");
    }
    assert_eq!(total(&world), 0);
}

#[test]
fn whoever_closes_their_side_still_gets_the_answer() {
    let world = World::new();
    let served = Served::start(&world, &[]);
    for n in 0..20 {
        let body = report(n).to_string();
        let head = format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
        let answer = raw(&served, &(head + &body));
        assert!(answer.starts_with("HTTP/1.1 202 ") && answer.contains("\"deduplicated\":false"), "{answer}");
    }
    assert_eq!(total(&world), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_on_one_database_make_one_run_of_a_failure() {
    let world = World::new();
    let (left, right) = (Served::start(&world, &[]), Served::start(&world, &[]));
    let senders = [Sender::to(&left), Sender::to(&right)];
    let posts = (0..80_u32).map(|n| senders[n as usize % 2].post(&[], report(n / 2).to_string()));
    let answers: Vec<_> = futures::stream::iter(posts).buffer_unordered(16).collect().await;
    assert!(answers.iter().all(|(status, _)| *status == 202), "{answers:?}");
    assert_eq!(answers.iter().filter(|(_, it)| it["deduplicated"] == false).count(), 40);
    assert_eq!(total(&world), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_switched_off_says_so() {
    let world = World::new();
    let served = Served::start(&world, &[("CI_HEALING_ENABLED", "false")]);
    let sender = Sender::to(&served);
    let answer = sender.client.post(&sender.url).body(report(1).to_string()).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (503, "300"));
    assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], "disabled");
    let mut command = world.command(&["ingest", "-"]);
    assert_eq!(crate::support::ran(command.env("CI_HEALING_ENABLED", "false")).code, 5);
    assert_eq!(total(&world), 0);
}

#[test]
fn who_may_be_anybody_is_warned_of() {
    let world = World::new();
    let mut command = world.command(&["serve", "--listen", "0.0.0.0:0", "--workers", "0"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let said: Vec<String> = lines.by_ref().take_while(|it| !it.starts_with("listening")).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(said.iter().any(|it| it.contains("WARNING") && it.contains("CI_HEALING_WEBHOOK_SECRET")), "{said:?}");
}

fn failed_pipeline() -> Value {
    let mut pipeline: Value = serde_json::from_str(include_str!("deliveries/gitlab_pipeline.json")).unwrap();
    pipeline["object_attributes"]["status"] = "failed".into();
    pipeline
}

fn ingest(world: &World, name: &str, body: &str, args: &[&str]) -> Ran {
    let path = world.dir.path().join(name);
    std::fs::write(&path, body).unwrap();
    let mut all = vec!["ingest", path.to_str().unwrap(), "--json"];
    all.extend(args);
    world.run(&all)
}

#[test]
fn ingest_takes_the_same_reports_from_a_file() {
    let world = World::new();
    let first = ingest(&world, "report.json", &report(1).to_string(), &[]);
    assert_eq!((first.code, &first.json()["deduplicated"]), (0, &false.into()), "{first:#?}");
    let piped = world.run_with_input(&["ingest", "-", "--json"], &report(1).to_string());
    assert_eq!(piped.json(), json!({ "runId": first.json()["runId"], "status": "queued", "deduplicated": true }));
    let job = include_str!("deliveries/github_workflow_job.json");
    assert_eq!(ingest(&world, "job.json", job, &["--event", "workflow_job"]).json()["deduplicated"], false);
    let pipeline = failed_pipeline().to_string();
    assert_eq!(ingest(&world, "p.json", &pipeline, &["--event", "Pipeline Hook"]).json()["deduplicated"], false);
    let jenkins = include_str!("deliveries/jenkins_notification.json").replace("SUCCESS", "FAILURE");
    assert_eq!(ingest(&world, "build.json", &jenkins, &[]).json()["deduplicated"], false);
    let pong = ingest(&world, "ping.json", include_str!("deliveries/github_ping.json"), &["--event", "ping"]);
    assert_eq!((pong.code, pong.json()), (0, json!({ "ignored": true, "reason": "pong" })));
    let mut odd = report(2);
    odd["errorLog"] = "".into();
    let odd = ingest(&world, "odd.json", &odd.to_string(), &[]);
    assert!(odd.code == 2 && odd.stderr.contains("errorLog") && odd.stdout.is_empty(), "{odd:#?}");
    assert_eq!(world.run(&["--read-only", "ingest", "report.json"]).code, 5);
    assert_eq!(world.run(&["ingest", "/nowhere"]).code, 2);
    assert_eq!(total(&world), 4);
    let run = show(&world, first.json()["runId"].as_str().unwrap());
    assert_eq!(run["maxAttempts"], 3);
}

/// A report whose repository is on this machine is healed like any other failure; what was reported stays what the run is known by.
#[test]
fn what_was_reported_stays_when_it_is_reproduced() {
    let world = World::with_repo(crate::support::BUGGY);
    let commit = world.git(&["rev-parse", "HEAD"]);
    let mut body = report(7);
    body["commitSha"] = commit.into();
    let id = ingest(&world, "report.json", &body.to_string(), &[]).json()["runId"].as_str().unwrap().to_owned();
    let hash = show(&world, &id)["errorHash"].clone();
    // Which copy of the repository a worker takes is not settled by the report.
    let database = world.data_dir().join("paramedic.db");
    let script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nc.execute(\"update runs set doc = json_set(doc, '$.order.repoPath', ?, '$.order.testCommand', 'python3 -m unittest')\", (sys.argv[2],))\nc.commit()\n";
    let file = world.dir.path().join("edit.py");
    std::fs::write(&file, script).unwrap();
    let mut python = std::process::Command::new("python3");
    assert!(python.arg(file).arg(database).arg(world.repo()).status().unwrap().success());
    world.run(&["worker", "--drain"]);
    let run = eventually("the run comes to rest", || Some(show(&world, &id)).filter(|it| it["status"] == "escalated"));
    assert_eq!(run["errorHash"], hash);
    assert_ne!(run["failure"]["hash"], hash);
    let events = run["events"].as_array().unwrap();
    let told = events.iter().filter_map(|it| it["message"].as_str()).find(|it| it.contains("not what was reported"));
    assert!(told.is_some_and(|it| it.contains("test_add") && it.contains("test_7")), "{events:#?}");
}
