//! Machines on one database: their clocks differ, and answers get lost on the way. Neither takes what the other holds, nothing is done twice.
use crate::backlog_contract::home::{Kind as _, Place, Postgres, Sqlite};
use crate::store_contract::fixtures::creation;
use crate::support::{PARAMEDIC, PATIENCE, eventually_answered, postgres};
use async_trait::async_trait;
use jiff::Timestamp;
use paramedic::agent::{Account, Agent, Task, Turn};
use paramedic::clock::{Clock, SystemClock};
use paramedic::domain::{AttemptFailure, Order, Provider, Run, RunId, Status};
use paramedic::engine::worker::{Shutdown, Worker, Workers};
use paramedic::engine::{Agents, Engine, Settings};
use paramedic::process::Owner;
use paramedic::store::Claim;
use sqlx::{Connection as _, PgConnection};
use std::fs;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const LEASE: Duration = Duration::from_secs(2);
const RETRY_DELAY: Duration = Duration::from_secs(3);

/// A clock ten minutes before or behind the right time.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    Ahead,
    Behind,
}

impl Clock for Wrong {
    fn now(&self) -> Timestamp {
        let by = Duration::from_mins(10);
        match self {
            Self::Ahead => SystemClock.now() + by,
            Self::Behind => SystemClock.now() - by,
        }
    }
}

/// An agent that notes when it is asked, and then fails at once or goes on until it is stopped.
#[derive(Debug, Clone)]
struct Failing {
    asked: Arc<Mutex<Vec<Instant>>>,
    is_endless: bool,
}

#[async_trait]
impl Agent for Failing {
    fn name(&self) -> &'static str {
        "failing"
    }

    async fn propose(&self, _: &Task<'_>, cancel: &CancellationToken) -> Turn {
        self.asked.lock().unwrap().push(Instant::now());
        if self.is_endless {
            cancel.cancelled().await;
        }
        let account = Account::default();
        Turn::Failed { kind: AttemptFailure::AgentCrashed, reason: "it knows nothing".to_owned(), account }
    }
}

impl Agents for Failing {
    fn for_order(&self, _: &Order) -> Result<Vec<Arc<dyn Agent>>, String> {
        Ok(vec![Arc::new(self.clone())])
    }
}

/// Two machines with one database and the same agent.
struct Machines {
    places: [Place; 2],
    agent: Failing,
}

impl Machines {
    async fn start(url: String, is_endless: bool) -> Self {
        let agent = Failing { asked: Arc::default(), is_endless };
        let mut places = [Place::new(Some(url.clone())).await, Place::new(Some(url)).await];
        for (place, clock) in places.iter_mut().zip([Wrong::Ahead, Wrong::Behind]) {
            let engine = &mut place.engine;
            (engine.clock, engine.agents) = (Arc::new(clock), Arc::new(agent.clone()));
            (engine.settings.lease, engine.settings.retry_delay) = (LEASE, RETRY_DELAY);
        }
        Self { places, agent }
    }

    /// Returns the engines of the machines, each as the first once.
    fn both_ways(&self) -> [[&Engine; 2]; 2] {
        let [ahead, behind] = [&self.places[0].engine, &self.places[1].engine];
        [[ahead, behind], [behind, ahead]]
    }

    /// Queues a run of the service that has two attempts.
    async fn queued(&self, engine: &Engine, test: &str) -> RunId {
        let world = &self.places[0].world;
        let order = Order {
            repo_path: world.repo().display().to_string(),
            test_command: Some(test.to_owned()),
            agents: vec!["failing".to_owned()],
            timeout_ms: 60_000,
            ..Order::default()
        };
        let run = Run::queued("acme/shop", "main", &world.git(&["rev-parse", "HEAD"]), order, 2, engine.clock.now());
        let run = Run { provider: Provider::Generic, ..run };
        engine.store.create(&creation(&run), None).await.unwrap();
        run.id
    }

    /// Waits until the agent was asked so often.
    async fn asked(&self, n_turns: usize) {
        eventually_answered(async || (self.agent.asked.lock().unwrap().len() == n_turns).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_lasts_as_long_as_it_is_renewed_and_no_longer() {
    let machines = Machines::start(postgres::database().await, true).await;
    for (n_turns, [mine, other]) in (1..).zip(machines.both_ways()) {
        let id = machines.queued(mine, "false").await;
        let worker = Worker::new(mine.clone());
        let work = tokio::spawn(async move { worker.follow(id, &CancellationToken::new()).await });
        machines.asked(n_turns).await;
        let since = Instant::now();
        while since.elapsed() < LEASE * 2 {
            let taken = [mine.take_back_dead().await.unwrap().runs, other.take_back_dead().await.unwrap().runs];
            assert_eq!(taken, [[]; 2]);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(mine.store.run(id).await.unwrap().status, Status::Running);
        // The worker is gone without a word.
        work.abort();
        eventually_answered(async || (other.take_back_dead().await.unwrap().runs == [id]).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_waits_as_long_as_it_should_wherever_it_is_taken_up() {
    let machines = Machines::start(postgres::database().await, false).await;
    for (n_turns, [first, second]) in [1, 3].into_iter().zip(machines.both_ways()) {
        let id = machines.queued(first, "false").await;
        let stop = CancellationToken::new();
        let (worker, stopped) = (Worker::new(first.clone()), stop.clone());
        let work = tokio::spawn(async move { worker.follow(id, &stopped).await });
        machines.asked(n_turns).await;
        eventually_answered(async || (first.store.run(id).await.unwrap().status == Status::Queued).then_some(())).await;
        stop.cancel();
        work.await.unwrap().unwrap();

        let worker = Worker::new(second.clone());
        let run = tokio::time::timeout(PATIENCE, worker.follow(id, &CancellationToken::new())).await.unwrap().unwrap();
        assert_eq!((run.status, run.attempt_count), (Status::Escalated, 2));
        let asked = machines.agent.asked.lock().unwrap().clone();
        let waited = asked[n_turns] - asked[n_turns - 1];
        assert!(RETRY_DELAY <= waited, "{waited:?}");
    }
}

/// What a worker wrote is not in doubt because the answer was lost: it goes on, without waiting for its own lease to end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_costs_no_work() {
    let server = postgres::Server::start();
    let url = server.database().await;
    let machines = Machines::start(url.clone(), false).await;
    let engine = Engine {
        settings: Settings { lease: PATIENCE, ..machines.places[0].engine.settings.clone() },
        ..machines.places[0].engine.clone()
    };
    let go = machines.places[0].world.dir.path().join("go");
    let id = machines.queued(&engine, &format!("while [ ! -e {} ]; do sleep 0.05; done; false", go.display())).await;
    let worker = Worker::new(engine.clone());
    let work = tokio::spawn(async move { worker.follow(id, &CancellationToken::new()).await });
    eventually_answered(async || (engine.store.run(id).await.unwrap().status == Status::Running).then_some(())).await;

    // From here on the server commits, and then waits for somebody who never comes before it says so.
    let mut conn = PgConnection::connect(&url).await.unwrap();
    let mut sql =
        async |statement: &'static str| sqlx::query(statement).execute(&mut conn).await.unwrap().rows_affected();
    sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await;
    sql("SELECT pg_reload_conf()").await;
    fs::write(go, "").unwrap();
    let cut =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query = 'COMMIT'";
    eventually_answered(async || (sql(cut).await > 0).then_some(())).await;
    sql("ALTER SYSTEM RESET synchronous_standby_names").await;
    sql("SELECT pg_reload_conf()").await;

    let run = tokio::time::timeout(PATIENCE, work).await.unwrap().unwrap().unwrap();
    assert_eq!((run.status, run.attempt_count), (Status::Escalated, 2));
    assert_eq!(machines.agent.asked.lock().unwrap().len(), 2);
    let events = engine.store.events(Some(id), 0, 100).await.unwrap();
    assert!(!events.iter().any(|it| it.payload["leaseLost"] == true), "{events:#?}");
}

/// What a dead worker can leave behind for a while: the supervisor of a job, or a program that has lost its supervisor.
fn left_by(owner: &Owner) -> [Child; 2] {
    let (name, mark) = (owner.to_string(), format!("{owner}:job"));
    let (mut supervisor, mut program) = (Command::new(PARAMEDIC), Command::new("sh"));
    supervisor.args(["__supervise", "for", &name]);
    program.args(["-c", "echo; read _"]).env("PARAMEDIC_JOB", mark);
    [supervisor, program].map(|mut it| {
        let mut child = it.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // It is what it will be.
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        child
    })
}

/// Returns a worker of this machine whose process is gone.
async fn dead_worker(engine: &Engine) -> (Owner, String) {
    let shutdown = Shutdown::default();
    let (workers, asked) = (Workers::new(engine.clone(), 1, 0), shutdown.clone());
    let working = tokio::spawn(async move { workers.run(&asked).await });
    let present = async || engine.store.present(engine.clock.now()).await.unwrap().pop();
    let (living, _) = eventually_answered(present).await;
    shutdown.finish();
    working.await.unwrap().unwrap();
    // No machine has such numbers.
    let owner = Owner { pid: 4_194_400, start: RunId::random().short() };
    (owner.clone(), living.replace(&Owner::this().to_string(), &owner.to_string()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_not_taken_back_while_something_of_its_dead_worker_works_on_it() {
    for url in [Sqlite::url().await, Postgres::url().await] {
        let mut place = Place::new(url).await;
        place.engine.agents = Arc::new(Failing { asked: Arc::default(), is_endless: false });
        let engine = &place.engine;
        let (owner, name) = dead_worker(engine).await;
        let order = Order {
            repo_path: place.world.repo().display().to_string(),
            test_command: Some("false".to_owned()),
            timeout_ms: 60_000,
            ..Order::default()
        };
        let commit = place.world.git(&["rev-parse", "HEAD"]);
        let run = |name: &str| Run::queued(name, "main", &commit, order.clone(), 1, engine.clock.now());
        let [held, free] = [run("acme/held"), run("acme/free")];
        for run in [&held, &free] {
            engine.store.create(&creation(run), None).await.unwrap();
        }
        let claim = Claim::of(&name, Some(held.id), engine.clock.now(), PATIENCE * 10);
        engine.store.claim(&claim).await.unwrap().unwrap();

        let left = left_by(&owner);
        let shutdown = Shutdown::default();
        let workers = Workers::new(engine.clone(), 1, 0);
        let drain = tokio::spawn(async move { workers.drain(&shutdown).await });
        let status = async |id| engine.store.run(id).await.unwrap().status;
        eventually_answered(async || (status(free.id).await == Status::Escalated).then_some(())).await;
        for mut child in left {
            let taken = engine.take_back_dead().await.unwrap();
            assert!(taken.runs.is_empty() && taken.more_follow, "{taken:?}");
            assert_eq!(status(held.id).await, Status::Running);
            assert!(!drain.is_finished(), "what will be free in a moment is left behind");
            child.kill().unwrap();
            child.wait().unwrap();
        }
        tokio::time::timeout(PATIENCE, drain).await.unwrap().unwrap().unwrap();
        assert_eq!(status(held.id).await, Status::Escalated);
    }
}
