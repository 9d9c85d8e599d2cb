//! What goes wrong: limits, faults and silence; never a storm, never a write twice.
use crate::support::eventually_answered;
use crate::support::github::{Fake, Fault, TOKEN};
use paramedic::clock::SystemClock;
use paramedic::forge::github::{Github, Setup, Timing};
use paramedic::forge::{ForgeError, Reads as _, Writes as _};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const SHOP: &str = "GET /repos/acme/shop";

#[tokio::test]
async fn a_read_that_breaks_is_asked_again_twice_and_no_more() {
    for fault in [Fault::Cut, Fault::status(502)] {
        let fake = Fake::start();
        let github = fake.client();
        fake.next(SHOP, fault.clone());
        fake.next(SHOP, fault.clone());
        github.repository("acme/shop").await.unwrap();
        assert_eq!(fake.seen(SHOP).len(), 3);
        fake.always(SHOP, fault.clone());
        let broken = github.repository("acme/shop").await.unwrap_err();
        assert_eq!(fake.seen(SHOP).len(), 6);
        match fault {
            Fault::Cut => assert!(matches!(broken, ForgeError::Unanswered(_)), "{broken}"),
            _ => assert!(matches!(broken, ForgeError::Later { .. }), "{broken}"),
        }
    }
}

#[tokio::test]
async fn what_never_ends_and_what_never_comes_is_given_up() {
    let fake = Fake::start();
    let github = fake.client();
    fake.always(SHOP, Fault::Huge);
    assert!(matches!(github.repository("acme/shop").await, Err(ForgeError::TooLarge(_))));
    assert_eq!(fake.seen(SHOP).len(), 1);
    let timing = Timing { answer: Duration::from_millis(200), ..fake.setup().timing };
    let hasty = Github::new(Setup { timing, ..fake.setup() }, Arc::new(SystemClock)).unwrap();
    for fault in [Fault::Drip, Fault::Silence] {
        fake.state().faults.clear();
        fake.always(SHOP, fault);
        let broken = hasty.repository("acme/shop").await.unwrap_err();
        assert!(matches!(&broken, ForgeError::Unanswered(text) if text.contains("in time")), "{broken}");
    }
    assert_eq!(fake.seen(SHOP).len(), 7);
}

#[tokio::test]
async fn what_is_no_json_is_said_and_not_asked_again() {
    let fake = Fake::start();
    fake.always(SHOP, Fault::Status(200, Vec::new(), "<html>a proxy</html>".to_owned()));
    let odd = fake.client().repository("acme/shop").await.unwrap_err();
    assert_eq!((odd, fake.seen(SHOP).len()), (ForgeError::Odd("GitHub's answer is not JSON".to_owned()), 1));
}

#[tokio::test]
async fn a_limit_is_one_answer_and_then_silence() {
    let secondary =
        json!({ "message": "You have exceeded a secondary rate limit. Please wait a few minutes." }).to_string();
    for (status, headers, body) in [
        (403, vec![("retry-after", "60")], secondary.clone()),
        (403, vec![], secondary),
        (429, vec![], String::new()),
        (403, vec![("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "4102444800")], "{}".to_owned()),
    ] {
        let fake = Fake::start();
        let github = fake.client();
        let headers = headers.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        fake.next(SHOP, Fault::Status(status, headers, body));
        let began = jiff::Timestamp::try_from(std::time::SystemTime::now()).unwrap();
        for _ in 0..5 {
            let ForgeError::Later { until, .. } = github.repository("acme/shop").await.unwrap_err() else { panic!() };
            let wait = until.duration_since(began).as_secs();
            assert!((45..=4_000).contains(&wait), "{wait}");
            let written = github.repository_dispatch("acme/shop", "order", &json!({})).await;
            assert!(matches!(written, Err(ForgeError::Later { .. })));
        }
        assert_eq!(fake.seen("").len(), 1);
        let budget = github.budget();
        assert!(budget.blocked_until.is_some() && budget.why.is_some(), "{budget:?}");
    }
}

#[tokio::test]
async fn a_write_is_made_once_and_what_became_of_it_is_told() {
    let post = "POST /repos/acme/shop/dispatches";
    let order = async |github: &Github| github.repository_dispatch("acme/shop", "order", &json!({})).await.unwrap_err();
    for (fault, is_unknown) in [
        (Fault::Cut, true),
        (Fault::status(502), true),
        (
            Fault::Status(
                422,
                Vec::new(),
                json!({ "message": "Validation Failed", "errors": [{ "message": "No commits" }] }).to_string(),
            ),
            false,
        ),
        (Fault::status(200), false),
    ] {
        let fake = Fake::start();
        fake.always(post, fault.clone());
        let error = order(&fake.client()).await;
        assert_eq!(matches!(error, ForgeError::Unknown(_)), is_unknown, "{fault:?}: {error}");
        assert_eq!(fake.seen("POST").len(), 1);
    }
    let fake = Fake::start();
    let answer = json!({ "message": format!("\u{1b}[31mno {TOKEN}\r\nyou may not") }).to_string();
    let needed = vec![("x-accepted-github-permissions", "contents=write".to_owned())];
    fake.always(post, Fault::Status(403, needed, answer));
    let error = order(&fake.client()).await;
    let text = error.to_string();
    assert!(matches!(error, ForgeError::Unauthorised(_)) && text.contains("contents=write"), "{text}");
    assert!(!text.contains(TOKEN) && !text.contains(['\u{1b}', '\r', '\n']), "{text:?}");
    // Nobody is there: nothing was done.
    let setup = Setup { api_url: "http://127.0.0.1:1".to_owned(), ..fake.setup() };
    let nobody = Github::new(setup, Arc::new(SystemClock)).unwrap();
    assert!(matches!(order(&nobody).await, ForgeError::Later { .. }));
}

/// Whoever opens logs over a slow line holds up nobody who watches or merges.
#[tokio::test]
async fn long_logs_leave_room_for_short_reads() {
    let fake = Fake::start();
    let log = "GET /repos/acme/shop/actions/jobs";
    fake.always(log, Fault::Silence);
    let github = Arc::new(fake.client());
    let mut logs = tokio::task::JoinSet::new();
    for job in 0..6 {
        let github = github.clone();
        logs.spawn(async move { github.job_log("acme/shop", job, 1, &mut |_| true).await });
    }
    eventually_answered(async || (fake.count(log) == 3).then_some(())).await;
    let read = tokio::time::timeout(Duration::from_secs(20), github.repository("acme/shop")).await;
    assert!(read.is_ok_and(|it| it.is_ok()));
    assert_eq!(fake.count(log), 3);
}

#[tokio::test]
async fn writers_wait_for_each_other() {
    let fake = Fake::start();
    let timing = Timing { between_writes: Duration::from_millis(100), ..fake.setup().timing };
    let github = Github::new(Setup { timing, ..fake.setup() }, Arc::new(SystemClock)).unwrap();
    let since = std::time::Instant::now();
    let payload = json!({});
    let writes = (0..3).map(|_| github.repository_dispatch("acme/shop", "order", &payload));
    futures::future::try_join_all(writes).await.unwrap();
    assert!(since.elapsed() >= timing.between_writes * 2);
}
