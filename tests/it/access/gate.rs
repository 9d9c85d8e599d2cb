//! The gate on a real database with a clock of the test's own.
use crate::access::assert_nowhere;
use jiff::{SignedDuration, Timestamp};
use paramedic::access::{Attempted, Denied, Gate, LoginError, Person, Registry, SigningKey};
use paramedic::clock::Clock;
use paramedic::domain::{Event, EventType, Order, Role, Run, RunId};
use paramedic::store::sqlite::SqliteStore;
use paramedic::store::{Operators, Store, StoreError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A clock that stands until it is put forward.
#[derive(Debug)]
struct Hand(Mutex<Timestamp>);

impl Hand {
    fn forward(&self, seconds: i64) {
        *self.0.lock().unwrap() += SignedDuration::from_secs(seconds);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

struct Place {
    folder: tempfile::TempDir,
    store: Arc<SqliteStore>,
    clock: Arc<Hand>,
    registry: Registry,
    gate: Gate,
}

const PASSWORD: &str = "correct horse battery";
const READ: Attempted<'_> = Attempted { action: "read", run: None };

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("data/paramedic.db")).await.unwrap());
        let clock = Arc::new(Hand(Mutex::new("2025-03-01T12:00:00Z".parse().unwrap())));
        let key = SigningKey::kept_in(folder.path()).unwrap();
        let registry = Registry::new(store.clone(), clock.clone());
        let gate = Gate::new(store.clone(), clock.clone(), &key, Duration::from_mins(30), false);
        Self { folder, store, clock, registry, gate }
    }

    async fn add(&self, name: &str, role: Role) -> String {
        let (_, token) = self.registry.add(name, role, Some(PASSWORD.to_owned()), "root").await.unwrap();
        token.reveal().to_owned()
    }

    async fn run(&self) -> RunId {
        let run = Run::queued("acme/shop", "main", &"c0ffee77".repeat(5), Order::default(), 3, self.clock.now());
        let transition = paramedic::domain::Transition {
            events: vec![paramedic::domain::NewEvent::new(EventType::RunCreated, "system", "created")],
            run,
            attempt: None,
            releases_lease: false,
        };
        self.store.create(&transition, None).await.unwrap();
        transition.run.id
    }

    async fn facts(&self, kind: EventType) -> Vec<Event> {
        let events = self.store.events(None, 0, 10_000).await.unwrap();
        events.into_iter().filter(|it| it.kind == kind).collect()
    }

    async fn assert_intact(&self) {
        assert_eq!(self.store.verify().await.unwrap().problems, Vec::<String>::new());
    }
}

fn name_of(person: Result<Person, Denied>) -> String {
    person.unwrap().name
}

#[tokio::test]
async fn each_role_does_what_it_may_and_no_more() {
    let place = Place::new().await;
    let run = place.run().await;
    for role in Role::ALL {
        let name = format!("the {role}");
        let token = place.add(&name, *role).await;
        let ticket = place.gate.login(&name, PASSWORD).await.unwrap().access_token;
        for shown in [&token, &ticket] {
            for needs in Role::ALL {
                let attempted = Attempted { action: "approve", run: Some(run) };
                let found = place.gate.admit(Some(shown), *needs, attempted).await;
                let expected = if role >= needs {
                    Ok(name.clone())
                } else {
                    Err(Denied::Role { name: name.clone(), role: *role, needs: *needs })
                };
                assert_eq!(found.map(|it| it.name), expected);
            }
        }
    }
    // Two of the viewer and one of the operator, by token and by ticket.
    let refusals = place.facts(EventType::AccessRefused).await;
    assert_eq!(refusals.len(), 6);
    let first = &refusals[0];
    assert_eq!((first.actor.as_str(), first.run_id), ("human:the viewer", run));
    assert_eq!(
        first.payload,
        serde_json::json!({ "action": "approve", "reason": "their role is viewer, and this needs operator", "run": run.to_string() })
    );
    place.assert_intact().await;
}

#[tokio::test]
async fn strangers_are_told_apart_and_leave_no_trace() {
    let place = Place::new().await;
    let token = place.add("ann", Role::Admin).await;
    let other = format!("{}{}", &token[..67], if token.ends_with('0') { '1' } else { '0' });
    for (shown, denied) in [
        (None, Denied::Missing),
        (Some(""), Denied::Missing),
        (Some(other.as_str()), Denied::Unknown),
        (Some("admin:admin123"), Denied::Unknown),
        (Some(&token[4..]), Denied::Unknown),
        (Some("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ."), Denied::Unknown),
    ] {
        assert_eq!(place.gate.admit(shown, Role::Viewer, READ).await, Err(denied), "{shown:?}");
    }
    for (name, password) in [("ann", "wrong"), ("nobody", PASSWORD), ("", ""), ("ann\0", PASSWORD), ("ANN", PASSWORD)] {
        assert_eq!(place.gate.login(name, password).await, Err(LoginError::Wrong), "{name:?}");
    }
    assert_eq!(place.facts(EventType::AccessRefused).await, []);
}

#[tokio::test]
async fn a_ticket_ends_and_so_does_everything_of_somebody_who_was_revoked() {
    let place = Place::new().await;
    let token = place.add("ann", Role::Operator).await;
    let issued = place.gate.login("ann", PASSWORD).await.unwrap();
    assert_eq!(issued.expires_in, 1_800);
    let ticket = issued.access_token;
    place.clock.forward(1_799);
    assert_eq!(name_of(place.gate.by_bearer(&ticket).await), "ann");
    place.clock.forward(1);
    let expired = Denied::Expired { name: "ann".to_owned() };
    assert_eq!(place.gate.admit(Some(&ticket), Role::Viewer, READ).await, Err(expired));
    assert_eq!(name_of(place.gate.by_bearer(&token).await), "ann", "an access token does not end by itself");

    let ticket = place.gate.login("ann", PASSWORD).await.unwrap().access_token;
    assert!(place.registry.revoke("ann", "root").await.unwrap());
    assert!(!place.registry.revoke("ann", "root").await.unwrap(), "nothing changed");
    // Another ann, in another role, is somebody else: nothing of the first one opens her doors.
    let second = place.add("ann", Role::Admin).await;
    let revoked = Err(Denied::Revoked { name: "ann".to_owned() });
    assert_eq!(place.gate.admit(Some(&token), Role::Viewer, READ).await, revoked);
    assert_eq!(place.gate.admit(Some(&ticket), Role::Viewer, READ).await, revoked);
    assert_eq!(place.gate.by_bearer(&second).await.unwrap().role, Role::Admin);
    place.registry.revoke("ann", "root").await.unwrap();
    assert_eq!(place.gate.login("ann", PASSWORD).await, Err(LoginError::Wrong));
    let reasons: Vec<String> =
        place.facts(EventType::AccessRefused).await.iter().map(|it| it.payload["reason"].to_string()).collect();
    assert_eq!(reasons, ["\"expired token\"", "\"revoked operator\"", "\"revoked operator\""]);
    place.assert_intact().await;
}

#[tokio::test]
async fn a_new_token_or_password_takes_the_place_of_the_old_one() {
    let place = Place::new().await;
    let old = place.add("ann", Role::Viewer).await;
    let (_, new) = place.registry.renew_token("ann", "root").await.unwrap();
    assert_eq!(place.gate.by_bearer(&old).await, Err(Denied::Unknown));
    assert_eq!(name_of(place.gate.by_bearer(new.reveal()).await), "ann");
    place.registry.set_password("ann", "another password".to_owned(), "root").await.unwrap();
    assert_eq!(place.gate.login("ann", PASSWORD).await, Err(LoginError::Wrong));
    assert!(place.gate.login("ann", "another password").await.is_ok());
    assert_nowhere(place.folder.path(), &[&old, new.reveal(), PASSWORD, "another password"]);
}

#[tokio::test]
async fn another_servers_tickets_open_nothing_unless_the_secret_is_shared() {
    let place = Place::new().await;
    place.add("ann", Role::Admin).await;
    let gate = |secret: &str| {
        let key = SigningKey::shared(&secret.repeat(32)).unwrap();
        Gate::new(place.store.clone(), place.clock.clone(), &key, Duration::from_mins(30), false)
    };
    let ticket = gate("a").login("ann", PASSWORD).await.unwrap().access_token;
    assert_eq!(place.gate.by_bearer(&ticket).await, Err(Denied::Unknown));
    assert_eq!(gate("b").by_bearer(&ticket).await, Err(Denied::Unknown));
    assert_eq!(name_of(gate("a").by_bearer(&ticket).await), "ann");
}

#[tokio::test]
async fn a_loop_of_refusals_does_not_fill_the_chain() {
    let place = Place::new().await;
    let token = place.add("ann", Role::Viewer).await;
    // A run that is not there is no reason to forget the refusal.
    let attempted = Attempted { action: "approve", run: Some(RunId::random()) };
    for _ in 0..100 {
        place.gate.admit(Some(&token), Role::Operator, attempted).await.unwrap_err();
    }
    let kept = place.facts(EventType::AccessRefused).await;
    assert_eq!(kept.len(), 30);
    assert!(kept.iter().all(|it| it.run_id == RunId::NONE && it.payload["run"].is_string()));
    place.clock.forward(60);
    place.gate.admit(Some(&token), Role::Operator, attempted).await.unwrap_err();
    assert_eq!(place.facts(EventType::AccessRefused).await[30].payload["leftOut"], 70);
    place.assert_intact().await;
}

#[tokio::test]
async fn who_is_revoked_stays_so_whoever_writes_at_the_same_time() {
    let place = Place::new().await;
    place.add("ann", Role::Admin).await;
    let read_before = place.store.operator("ann").await.unwrap().unwrap();
    place.registry.revoke("ann", "root").await.unwrap();
    let fact = paramedic::domain::NewEvent::new(EventType::OperatorTokenIssued, "human:root", "new token");
    place.store.update_operator(&read_before, &fact, place.clock.now()).await.unwrap();
    assert!(place.store.operator("ann").await.unwrap().unwrap().revoked_at.is_some());
    // And a name is one person's at a time.
    place.add("ann", Role::Viewer).await;
    let third = paramedic::domain::Operator { id: RunId::random().0, token_digest: None, ..read_before };
    assert!(matches!(place.store.add_operator(&third, &fact).await, Err(StoreError::Conflict)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_logins_at_once_all_end() {
    let place = Place::new().await;
    place.add("ann", Role::Viewer).await;
    let logins = (0..64).map(|idx| {
        let gate = place.gate.clone();
        tokio::spawn(async move {
            let name = if idx % 2 == 0 { "ann" } else { "nobody" };
            gate.login(name, PASSWORD).await.is_ok()
        })
    });
    let mut right = 0;
    for login in logins.collect::<Vec<_>>() {
        right += u32::from(login.await.unwrap());
    }
    assert_eq!(right, 32);
}
