//! The generic webhook and the program: what they get, and that it is signed and clean.
use crate::notify::server::Server;
use crate::store_contract::fixtures::{at, new_run};
use crate::support::{PARAMEDIC, World};
use paramedic::domain::{Event, EventType};
use paramedic::notify::command::CommandHook;
use paramedic::notify::webhook::{DELIVERY, EVENT, SIGNATURE, Webhook, signature};
use paramedic::notify::{Channel, Notice, NotifyError};
use paramedic::process::{Launcher, LauncherOptions, SandboxChoice};
use serde_json::{Value, json};
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(1);

fn notice() -> Notice {
    let run = new_run(at(0));
    let event = Event {
        seq: 42,
        run_id: run.id,
        run_version: 3,
        kind: EventType::RunEscalated,
        actor: "system".to_owned(),
        message: "escalated (exhausted): $(touch /tmp/owned) `x`".to_owned(),
        payload: json!({ "reason": "exhausted" }),
        created_at: at(1),
        prev: Event::genesis(),
        digest: Event::genesis(),
    };
    Notice { event, run: Some(run), text: "🚨".to_owned() }
}

#[tokio::test]
async fn a_webhook_is_signed_and_numbered() {
    let server = Server::start([]).await;
    let webhook = Webhook::new(&server.url, Some("hush".to_owned())).unwrap();
    webhook.send(&notice(), LIMIT).await.unwrap();
    let posted = server.posted().remove(0);
    let header = |name: &str| posted.headers[name].to_str().unwrap().to_owned();
    assert_eq!((header(DELIVERY), header(EVENT)), ("42".to_owned(), "run.escalated".to_owned()));
    assert_eq!(header(SIGNATURE), signature(b"hush", &posted.body).unwrap());
    let json = posted.json();
    assert_eq!(json["event"]["seq"], 42);
    assert_eq!(json["event"]["type"], "run.escalated");
    assert_eq!(json["run"]["repository"], "acme/shop");
    assert_eq!(json["run"].get("order"), None, "what a worker needs is nobody else's business");
    let unsigned = Webhook::new(&server.url, None).unwrap();
    unsigned.send(&notice(), LIMIT).await.unwrap();
    assert_eq!(server.posted()[1].headers.get(SIGNATURE), None);
}

#[tokio::test]
async fn an_error_names_no_address() {
    let url = "http://127.0.0.1:1/services/s3cret";
    let webhook = Webhook::new(url, Some("hush-hush".to_owned())).unwrap();
    let error = webhook.send(&notice(), LIMIT).await.unwrap_err();
    let shown = format!("{error} {error:?} {webhook:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("hush"), "{shown}");
    assert!(!Webhook::new("http://[s3cret", None).unwrap_err().contains("s3cret"));
}

fn hook(argv: &[&str]) -> CommandHook {
    let environment = [("PATH", std::env::var("PATH").unwrap()), ("DEPLOY_TOKEN", "hunter2hunter2".to_owned())];
    let launcher = Launcher::new(LauncherOptions {
        supervisor: PARAMEDIC.into(),
        environment: environment.map(|(name, value)| (name.into(), value.into())).to_vec(),
        sandbox: SandboxChoice::Off,
        private: Vec::new(),
    });
    CommandHook::new(launcher, argv.iter().map(|it| (*it).to_owned()).collect())
}

#[tokio::test]
async fn a_program_gets_the_event_and_none_of_our_secrets() {
    let world = World::new();
    let seen = world.dir.path().join("seen");
    let script = world.dir.path().join("hook.sh");
    std::fs::write(&script, "cat > \"$1\"; env > \"$1.env\"\n").unwrap();
    let hook = hook(&["sh", script.to_str().unwrap(), seen.to_str().unwrap()]);
    hook.send(&notice(), LIMIT).await.unwrap();
    let json: Value = serde_json::from_slice(&std::fs::read(&seen).unwrap()).unwrap();
    assert_eq!(json["event"]["message"], "escalated (exhausted): $(touch /tmp/owned) `x`");
    let env = std::fs::read_to_string(seen.with_extension("env")).unwrap();
    assert!(env.contains("PARAMEDIC_EVENT=run.escalated") && env.contains("PARAMEDIC_DELIVERY=42"), "{env}");
    assert!(!env.contains("hunter2"), "{env}");
}

#[tokio::test]
async fn a_program_that_fails_is_tried_again_and_one_that_is_not_there_is_not() {
    let failed = hook(&["sh", "-c", "echo broken >&2; exit 3"]).send(&notice(), LIMIT).await.unwrap_err();
    assert_eq!(failed, NotifyError::Later { why: "it ended with 3: broken".to_owned(), after: None });
    let slow = hook(&["sleep", "60"]).send(&notice(), Duration::from_millis(100)).await.unwrap_err();
    assert!(matches!(slow, NotifyError::Later { .. }), "{slow:?}");
    let absent = hook(&["/nowhere/hook"]).send(&notice(), LIMIT).await.unwrap_err();
    assert!(matches!(absent, NotifyError::Never(_)), "{absent:?}");
}
