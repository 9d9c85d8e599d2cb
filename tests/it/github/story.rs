//! A red run at GitHub from the first look to the closed issue: the real program, a real remote, and the fake of GitHub.
use super::described::Prism;
use crate::support::github::{Fake, Https, RunSpec, TOKEN};
use crate::support::{Ran, World, eventually, ran};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use paramedic::domain::{RunDetail, RunForge, RunQuery};
use paramedic::store::Store as _;
use paramedic::store::sqlite::SqliteStore;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const SHOP: &str = "acme/shop";
const BUGGY: &str = "def add(a, b):\n    return a - b\n";
const TEST: &str = "import unittest\nfrom calc import add\n\n\nclass T(unittest.TestCase):\n    def test_add(self):\n        self.assertEqual(add(2, 3), 5)\n";
/// What CI says of the failing commit, and of the first fix: there it fails otherwise.
const RED: &str = "FAIL: test_add (test_calc.T.test_add)\nTraceback (most recent call last):\n  File \"/build/test_calc.py\", line 7, in test_add\n    self.assertEqual(add(2, 3), 5)\nAssertionError: -1 != 5\n\nRan 1 test in 0.001s\nFAILED (failures=1)\n";
const STILL_RED: &str =
    "E   RuntimeError: integer required on this platform, says the canary\nmake: *** [Makefile:3: test] Error 1\n";
/// Two right fixes: the first is the one that CI will not have.
const AGENT: &str = "case \"$PARAMEDIC_ATTEMPT\" in\n1) sed -i 's/a - b/b + a/' calc.py;;\n*) sed -i 's/a - b/a + b/' calc.py;;\nesac\n";

struct Story {
    world: World,
    fake: Fake,
    worker: Option<Child>,
    prism: Option<Prism>,
    https: Option<Https>,
}

impl Drop for Story {
    fn drop(&mut self) {
        if let Some(mut worker) = self.worker.take() {
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}

impl Story {
    /// Sets the place up: a repository at the fake, whose workflow is red, and settings that watch it.
    fn begin(rules: &str, safe_mode: bool, through_proxy: bool) -> Self {
        let (world, fake) = (World::new(), Fake::start());
        fake.commit(
            SHOP,
            "main",
            &[("calc.py", BUGGY), ("test_calc.py", TEST), (".github/auto-heal-config.yml", rules)],
        );
        let prism = through_proxy.then(|| Prism::start(&fake.url));
        let api_url = prism.as_ref().map_or(&fake.url, |it| &it.url).clone();
        if through_proxy {
            fake.state().url.clone_from(&api_url);
        }
        let agent = world.script("agent.sh", AGENT);
        world.settings(&format!(
            "safe_mode = {safe_mode}\nagents_by_default = [\"two\"]\n[agents.two]\ncommand = \"{agent}\"\n[workers]\nretry_delay = \"0\"\n\
             [github]\nenabled = true\napi_url = \"{api_url}\"\nwatch = [\"{SHOP}\"]\npoll_active = \"3s\"\n\
             [repositories.\"{SHOP}\"]\nclone_url = \"{}\"\ntest = \"python3 -m unittest\"\n",
            fake.git_url(SHOP)
        ));
        Self { world, fake, worker: None, prism, https: None }
    }

    /// Lets the repository be reached over HTTPS, as GitHub's are, with the token and not without.
    fn over_https(mut self) -> Self {
        let https = Https::serve(&self.fake, SHOP);
        let path = self.world.dir.path().join("home/.config/paramedic/config.toml");
        let settings = fs::read_to_string(&path).unwrap();
        let clone_url = format!("{}/{SHOP}.git", https.url);
        fs::write(path, settings.replace(&self.fake.git_url(SHOP), &clone_url)).unwrap();
        self.https = Some(https);
        self
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.world.command(args);
        command.env("GITHUB_TOKEN", TOKEN);
        if let Some(https) = &self.https {
            command.env("GIT_SSL_CAINFO", &https.certificate);
        }
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        ran(&mut self.command(args))
    }

    /// Starts a process that watches and works.
    fn start(&mut self) {
        let log = fs::File::create(self.world.dir.path().join("log")).unwrap();
        let worker = self.command(&["worker"]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.worker = Some(worker);
    }

    fn log(&self) -> String {
        fs::read_to_string(self.world.dir.path().join("log")).unwrap_or_default()
    }

    fn stop(&mut self) {
        let mut worker = self.worker.take().unwrap();
        kill(Pid::from_raw(worker.id().cast_signed()), Signal::SIGTERM).unwrap();
        assert!(worker.wait().unwrap().success(), "{}", self.log());
    }

    /// Waits until the one run is as wanted, and returns it with its attempts.
    fn run_that(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let (reader, mut last) = (Reader::new(&self.world), Value::Null);
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually(what, || {
                last = reader.latest()?;
                wanted(&last).then(|| last.clone())
            })
        }));
        found.unwrap_or_else(|_| {
            let asked =
                self.fake.state().seen.iter().map(|it| format!("{} {}", it.method, it.path)).collect::<Vec<_>>();
            let described = self.prism.as_ref().map(Prism::violations);
            panic!("never happened: {what}\n{last:#}\n{}\n{asked:#?}\n{described:#?}", self.log())
        })
    }

    fn tip(&self, branch: &str) -> Option<String> {
        self.fake.tip(SHOP, branch)
    }

    /// Reads a file of a branch at the remote.
    fn file(&self, branch: &str, path: &str) -> String {
        let dir = self.fake.git_dir(SHOP);
        let shown =
            Command::new("git").arg("-C").arg(dir).args(["show", &format!("{branch}:{path}")]).output().unwrap();
        String::from_utf8(shown.stdout).unwrap()
    }

    fn heals_and_closes(&mut self) {
        let main = self.tip("main").unwrap();
        self.fake.red_run(SHOP, "CI", "main", RED);
        self.start();

        let run = self.run_that("a pull request is open", |it| it["forge"]["pull"]["state"] == "open");
        assert_eq!((&run["status"], &run["attemptCount"]), (&"fixed".into(), &1.into()), "{run:#}");
        assert_eq!((&run["source"], &run["commitSha"]), (&"poll".into(), &main.clone().into()));
        let issue = run["forge"]["issueNumber"].as_u64().unwrap();
        let pull = &run["forge"]["pull"];
        let (number, branch) = (pull["number"].as_u64().unwrap(), pull["branch"].as_str().unwrap().to_owned());
        let first = pull["head"].as_str().unwrap().to_owned();
        assert_eq!(self.tip(&branch).as_deref(), Some(&*first));
        assert!(self.file(&branch, "calc.py").contains("b + a"));
        assert_ne!(number, issue);

        // CI says no: what is red there is the next attempt's to heal, and no failure of its own.
        self.fake.red_run(SHOP, "CI", &branch, STILL_RED);
        let run = self.run_that("the second attempt is pushed", |it| {
            it["attemptCount"] == 2 && it["forge"]["pull"]["head"] != first.as_str() && it["status"] == "fixed"
        });
        assert_eq!(run["attempts"][0]["failureKind"], "ci_red", "{run:#}");
        assert_eq!(run["forge"]["pull"]["number"], number, "the same pull request");
        let second = run["forge"]["pull"]["head"].as_str().unwrap().to_owned();
        assert_eq!(self.tip(&branch).as_deref(), Some(&*second));
        assert!(self.file(&branch, "calc.py").contains("a + b"));
        assert_eq!(self.run(&["runs", "--json"]).json()["total"], 1);

        // Nobody merges what is not yet known to be good, also not on somebody's word.
        self.fake.checks(SHOP, &second, &[("build", "in_progress")]);
        let early = self.run(&["approve", "latest", "--as", "ann"]);
        assert_eq!(early.code, 3, "{early:#?}");
        assert_eq!(self.tip("main").unwrap(), main);

        self.fake.checks(SHOP, &second, &[("build", "success")]);
        self.run_that("the checks are green", |it| it["forge"]["pull"]["checks"] == "green");
        let approved = self.run(&["approve", "latest", "--as", "ann"]);
        assert_eq!(approved.code, 0, "{approved:#?}\n{}", self.log());
        let merged = self.tip("main").unwrap();
        assert_ne!(merged, main);
        assert!(self.file("main", "calc.py").contains("a + b"));
        let run = self.run_that("it is resolved", |it| it["status"] == "resolved");
        assert_eq!((&run["prState"], &run["approvedBy"][0]), (&"merged".into(), &"ann".into()));

        // It holds: the branch goes, the issue closes.
        self.fake.run(SHOP, &RunSpec { workflow: "CI", conclusion: Some("success"), ..RunSpec::default() });
        eventually("the branch is gone", || self.tip(&branch).is_none().then_some(()));
        let closed = |it: &Value| (it["number"] == issue && it["state"] == "closed").then_some(());
        eventually("the issue is closed", || self.fake.state().repo(SHOP).issues.iter().find_map(closed));
        self.stop();
        assert_eq!(self.fake.count("POST /repos/*/*/issues$"), 1);
        assert_eq!(self.fake.count("POST /repos/*/*/pulls$"), 1);
        self.assert_no_token();
        self.world.assert_clean();
    }

    /// Looks for the token, and for what git would make of it, in everything that was written or posted.
    fn assert_no_token(&self) {
        let secrets = secrets();
        let has_token =
            |bytes: &[u8]| secrets.iter().any(|it| bytes.windows(it.len()).any(|window| window == it.as_bytes()));
        let mut n_files = 0;
        for_each_file(self.world.dir.path(), &mut |path| {
            n_files += 1;
            assert!(!has_token(&fs::read(path).unwrap_or_default()), "{}", path.display());
        });
        assert!(n_files > 5);
        for seen in &self.fake.state().seen {
            assert!(!has_token(seen.body.as_bytes()) && !has_token(seen.query.as_bytes()), "{}", seen.path);
        }
    }
}

/// Returns the token, and what git makes of it.
fn secrets() -> Vec<String> {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{TOKEN}"));
    vec![TOKEN.to_owned(), encoded]
}

/// Reads the database beside the program that works on it, which costs the machine less than asking the program again and again.
struct Reader {
    runtime: tokio::runtime::Runtime,
    store: SqliteStore,
}

impl Reader {
    fn new(world: &World) -> Self {
        fs::create_dir_all(world.data_dir()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let store = runtime.block_on(SqliteStore::open(&world.data_dir().join("paramedic.db"))).unwrap();
        Self { runtime, store }
    }

    /// Returns the latest run as `show` prints it, but for its events.
    fn latest(&self) -> Option<Value> {
        let (query, store) = (RunQuery { limit: 1, ..RunQuery::default() }, &self.store);
        self.runtime.block_on(async {
            let run = store.runs(&query).await.unwrap().0.pop()?;
            let attempts = store.attempts(run.id).await.unwrap();
            let forge = RunForge::of(&run, &[], store.family_of_run(run.id).await.unwrap().as_ref());
            Some(serde_json::to_value(RunDetail { run, attempts, events: Vec::new(), forge }).unwrap())
        })
    }
}

fn for_each_file(folder: &Path, look: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        match entry.file_type() {
            Ok(it) if it.is_dir() => for_each_file(&entry.path(), look),
            Ok(it) if it.is_file() => look(&entry.path()),
            _ => {}
        }
    }
}

/// Looks at the arguments of all processes, again and again.
struct Arguments {
    stop: Arc<AtomicBool>,
    looks: JoinHandle<(usize, Vec<String>)>,
}

impl Arguments {
    fn watch(secrets: Vec<String>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let is_over = stop.clone();
        let looks = std::thread::spawn(move || {
            let (mut n_git, mut found) = (0, Vec::new());
            while !is_over.load(Ordering::Relaxed) {
                for process in fs::read_dir("/proc").unwrap().flatten() {
                    let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
                    let line = String::from_utf8_lossy(&line).replace('\0', " ");
                    n_git += usize::from(line.contains("remote-https"));
                    found.extend(secrets.iter().any(|it| line.contains(it.as_str())).then_some(line));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            (n_git, found)
        });
        Self { stop, looks }
    }

    /// Returns how often git was seen reaching a remote, and the lines with a secret in them.
    fn end(self) -> (usize, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        self.looks.join().unwrap()
    }
}

#[test]
fn a_red_run_is_healed_proved_twice_merged_and_closed() {
    let arguments = Arguments::watch(secrets());
    Story::begin("enabled: true\n", false, false).over_https().heals_and_closes();
    let (n_git, found) = arguments.end();
    assert_eq!(found, Vec::<String>::new());
    assert!(n_git > 0, "git was never seen");
}

/// A renamed repository's address leads elsewhere, and the token goes nowhere but where the settings say.
#[test]
fn git_takes_the_token_to_no_other_address() {
    let mut story = Story::begin("enabled: true\n", false, false).over_https();
    let path = story.world.dir.path().join("home/.config/paramedic/config.toml");
    let settings = fs::read_to_string(&path).unwrap();
    fs::write(path, settings.replace("/acme/shop.git", "/acme/moved.git")).unwrap();
    story.fake.red_run(SHOP, "CI", "main", RED);
    story.start();
    let run = story.run_that("it is escalated", |it| it["status"] == "escalated");
    let told = run["escalationNote"].as_str().unwrap_or_default().to_owned();
    assert!(told.contains("301") && told.contains("`clone_url`"), "{run:#}");
    story.stop();
    story.assert_no_token();
}

#[test]
fn every_request_of_the_story_is_one_that_github_describes() {
    // A draft is made ready by GraphQL, which is in no description.
    let mut story = Story::begin("pull_request:\n  draft: false\n", false, true);
    story.heals_and_closes();
    let prism = story.prism.as_ref().unwrap();
    assert_eq!(prism.violations(), Vec::<String>::new());
}

#[test]
fn in_safe_mode_everything_is_read_and_nothing_is_said() {
    let mut story = Story::begin("enabled: true\n", true, false);
    story.fake.red_run(SHOP, "CI", "main", RED);
    story.start();
    let run = story.run_that("it is healed", |it| it["status"] == "fixed");
    let id = run["id"].as_str().unwrap();
    story.run_that("why nothing is published is told", |it| it["forge"]["skipped"].is_string());
    let approved = story.run(&["approve", id, "--as", "ann"]);
    assert_eq!(approved.code, 0, "{approved:#?}");
    story.stop();
    assert!(story.fake.writes().is_empty(), "{:?}", story.fake.writes());
    assert!(story.fake.seen("GET").len() > 5);
    assert_eq!(story.tip("main"), run["commitSha"].as_str().map(str::to_owned));
    story.assert_no_token();
    story.world.assert_clean();
}

#[test]
fn a_commit_of_a_fork_that_is_out_of_reach_is_for_people() {
    let mut story = Story::begin("enabled: true\n", false, false);
    let commit = "f".repeat(40);
    let jobs = [("build", "failure", RED.as_bytes())];
    let fork = RunSpec { commit: Some(&commit), fork: Some("mallory/shop"), jobs: &jobs, ..RunSpec::default() };
    story.fake.run(SHOP, &fork);
    story.start();
    let run = story.run_that("it is escalated", |it| it["status"] == "escalated");
    assert_eq!(run["escalationReason"], "untrusted_branch", "{run:#}");
    assert_eq!(run["order"]["ci"]["isFork"], true);
    story.stop();
    assert_eq!(story.fake.count("POST /repos/*/*/pulls$"), 0);
}
