//! A GitHub App instead of somebody's token: proved with its key, given a token, renewed in time.
use crate::support::github::{Fake, Fault};
use crate::support::{World, ran};
use paramedic::clock::SystemClock;
use paramedic::forge::github::{AppKey, Credential, Github, Setup};
use paramedic::forge::{ForgeError, May, NewIssue, Reads as _, TokenKind, Writes as _};
use std::sync::Arc;

const SHOP: &str = "acme/shop";
const MINTED: &str = "POST /app/installations/77/access_tokens$";

fn client(fake: &Fake, pem: &str, installation: Option<u64>) -> Github {
    let key = AppKey::new(4_711, pem.as_bytes(), installation, Some(SHOP.to_owned())).unwrap();
    let setup = Setup { credential: Credential::App(key), is_read_only: true, ..fake.setup() };
    Github::new(setup, Arc::new(SystemClock)).unwrap()
}

#[tokio::test]
async fn an_apps_token_is_asked_for_once_and_renewed_in_time() {
    let fake = Fake::start();
    let pem = fake.app_key();
    fake.state().token = "nobody's".to_owned();
    // Its clock is hours ahead: the first proof is too old, and its refusal tells so.
    fake.state().skew_s = 7_200;
    let github = client(&fake, &pem, None);
    let all = futures::future::join_all((0..5).map(|_| github.repository(SHOP))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!((fake.count(MINTED), fake.count("GET /repos/acme/shop/installation$")), (1, 2));
    let token = github.git_token().await.unwrap();
    assert!(token.reveal().starts_with("ghs_"));
    assert!(!format!("{github:?}").contains(token.reveal()) && !format!("{github:?}").contains("PRIVATE"));
    let abilities = github.abilities().await.unwrap();
    assert_eq!((abilities.kind, abilities.login.as_deref()), (TokenKind::Installation, Some("medic[bot]")));
    assert_eq!(abilities.kind.starts_ci(), Some(true));
    assert!(
        matches!(abilities.may_write(&github.repository(SHOP).await.unwrap()), May::No(why) if why.contains("issues"))
    );
    // GitHub takes it back: there is a new one.
    fake.state().app_tokens.clear();
    github.repository(SHOP).await.unwrap();
    assert_eq!(fake.count(MINTED), 2);
    // One that ends soon is renewed before it does.
    fake.state().skew_s = 0;
    let hasty = client(&fake, &pem, Some(77));
    fake.state().app_token_s = 300;
    for n in 3..5 {
        hasty.repository(SHOP).await.unwrap();
        assert_eq!(fake.count(MINTED), n);
    }
    // In safe mode nothing else is sent that is not GET.
    let new = NewIssue { title: "t", body: "b", labels: &[] };
    assert!(matches!(hasty.open_issue(SHOP, &new).await, Err(ForgeError::Unauthorised(_))));
    assert!(fake.writes().iter().all(|it| it.is(MINTED)));
}

#[tokio::test]
async fn what_is_wrong_with_an_app_is_said_without_its_proof() {
    let fake = Fake::start();
    let pem = fake.app_key();
    assert!(AppKey::new(1, b"no key", None, None).is_err());
    let other = Fake::start().app_key();
    let refused = client(&fake, &other, Some(77)).repository(SHOP).await.unwrap_err();
    assert!(matches!(&refused, ForgeError::Unauthorised(text) if text.contains("App's key")), "{refused}");
    let refused = client(&fake, &pem, Some(78)).repository(SHOP).await.unwrap_err();
    assert!(matches!(&refused, ForgeError::NotFound(text) if text.contains("not installed")), "{refused}");
    let nowhere = AppKey::new(4_711, pem.as_bytes(), None, None).unwrap();
    let setup = Setup { credential: Credential::App(nowhere), ..fake.setup() };
    let refused = Github::new(setup, Arc::new(SystemClock)).unwrap().repository(SHOP).await.unwrap_err();
    assert!(refused.to_string().contains("app_installation"), "{refused}");
    let github = client(&fake, &pem, Some(77));
    for (fault, is_later) in
        [(Fault::status(502), true), (Fault::said(422, "suspended"), false), (Fault::status(201), false)]
    {
        fake.next(MINTED, fault);
        let broken = github.repository(SHOP).await.unwrap_err();
        assert_eq!(matches!(broken, ForgeError::Later { .. }), is_later, "{broken}");
    }
    fake.next(MINTED, Fault::Reset);
    assert!(matches!(github.repository(SHOP).await, Err(ForgeError::Unanswered(_))));
    github.repository(SHOP).await.unwrap();
}

#[test]
fn doctor_tells_what_an_app_may_do() {
    let fake = Fake::start();
    let world = World::new();
    let key = world.dir.path().join("app.pem");
    std::fs::write(&key, fake.app_key()).unwrap();
    let settings = "enabled = true\napp_id = 4711\nwatch = [\"acme/shop\"]";
    world.settings(&format!(
        "[github]\n{settings}\napi_url = \"{}\"\napp_key_file = \"{}\"\n",
        fake.url,
        key.display()
    ));
    let ran = ran(&mut world.command(&["doctor", "--json"]));
    let found = ran.json()["github"].clone();
    assert_eq!((&found["tokenKind"], &found["login"]), (&"installation".into(), &"medic[bot]".into()), "{ran:#?}");
    assert_eq!(found["mayChangeWorkflows"]["why"], "the App lacks `workflows: write`");
    assert_eq!(found["repositories"][0]["mayWrite"]["answer"], "no");
    assert!(fake.writes().iter().all(|it| it.is(MINTED)));
    assert!(!format!("{ran:?}").contains("ghs_"));
}
