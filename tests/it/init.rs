//! `paramedic init` in real checkouts, and what it writes: workflows that are pinned, bounded and take payloads as data, tried with the
//! scripts they hold.
use crate::support::{BUGGY, RIGHT, Ran, World, ran};
use paramedic::domain::CiState;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const PATHS: &[&str] = &[
    ".github/auto-heal-config.yml",
    ".paramedic/policy.toml",
    ".github/workflows/paramedic-webhook.yml",
    ".github/workflows/paramedic-order.yml",
    ".github/workflows/paramedic-heal.yml",
    ".github/workflows/paramedic-gate.yml",
];
const RULES: &str = PATHS[0];
const SECRET: &str = "correct horse battery";

/// Runs `init` in the repository of a world.
fn init(world: &World, more: &[&str]) -> Ran {
    let repo = world.repo();
    world.run(&[&["init", "--repo", repo.to_str().unwrap()], more].concat())
}

/// Returns the names of files and folders of the repository, git's own left out, sorted.
fn listing(world: &World) -> Vec<String> {
    let root = world.repo();
    let all = world.fingerprint().into_keys().map(|it| it.strip_prefix(&root).unwrap().display().to_string());
    all.filter(|it| !it.starts_with(".git/") && it != ".git").collect()
}

fn states(ran: &Ran) -> Vec<(String, bool)> {
    let files = ran.json()["files"].as_array().unwrap().clone();
    files.iter().map(|it| (it["state"].as_str().unwrap().to_owned(), it["written"].as_bool().unwrap())).collect()
}

#[test]
fn a_checkout_gets_its_side_once() {
    let world = World::with_repo(BUGGY);
    let first = init(&world, &["--json"]);
    assert_eq!(first.code, 0, "{first:#?}");
    assert_eq!(states(&first), vec![("missing".to_owned(), true); PATHS.len()]);
    let paths: Vec<Value> = first.json()["files"].as_array().unwrap().iter().map(|it| it["path"].clone()).collect();
    assert_eq!(json!(paths), json!(PATHS));
    for path in PATHS {
        let about = world.repo().join(path).metadata().unwrap();
        assert_eq!(about.permissions().mode() & 0o777 & !0o022, 0o644, "{path}");
    }
    assert_eq!(listing(&world).len(), BUGGY.len() + PATHS.len() + 3, "six files, three folders: {:?}", listing(&world));
    let before = world.fingerprint();
    let second = init(&world, &["--json"]);
    assert_eq!((second.code, states(&second)), (0, vec![("unchanged".to_owned(), false); PATHS.len()]));
    let told = init(&world, &["--force"]);
    assert_eq!((told.code, told.stdout.lines().filter(|it| it.starts_with("unchanged ")).count()), (0, PATHS.len()));
    assert_eq!(before, world.fingerprint(), "nothing was touched again");
}

#[test]
fn a_file_of_somebody_else_is_never_overwritten_by_accident() {
    let world = World::with_repo(&[(RULES, "enabled: false\n"), ("a", "a\n")]);
    let before = world.fingerprint();
    let refused = init(&world, &[]);
    assert_eq!((refused.code, refused.stdout.as_str()), (3, ""), "{refused:#?}");
    for word in [RULES, "--force", "--dry-run", "--only", "nothing was written"] {
        assert!(refused.stderr.contains(word), "{word}: {}", refused.stderr);
    }
    let as_json = init(&world, &["--json"]);
    assert_eq!(as_json.code, 3);
    assert_eq!(states(&as_json)[..2], [("different".to_owned(), false), ("missing".to_owned(), false)]);
    assert_eq!(before, world.fingerprint(), "all or nothing");

    let others = init(&world, &["--only", "policy", "gate"]);
    assert_eq!((others.code, others.stdout.lines().count()), (0, 2), "{others:#?}");
    assert!(world.repo().join(PATHS[1]).is_file() && !world.repo().join(PATHS[2]).exists());
    let forced = init(&world, &["--force", "--only", "rules,webhook"]);
    assert_eq!(forced.code, 0, "{forced:#?}");
    assert!(forced.stdout.starts_with("replaced ") && forced.stdout.contains("written "), "{}", forced.stdout);
    assert!(fs::read_to_string(world.repo().join(RULES)).unwrap().contains("max_heal_attempts_per_day: 0"));
    assert_eq!(init(&world, &["--only", "nonsense"]).code, 2);
}

#[test]
fn a_dry_run_is_a_patch_and_writes_nothing() {
    let world = World::with_repo(&[(RULES, "enabled: false\n# \u{1b}[31mred\n")]);
    let before = world.fingerprint();
    let dry = init(&world, &["--dry-run"]);
    assert_eq!(dry.code, 3, "as without --dry-run: {dry:#?}");
    assert!(dry.stdout.contains("-enabled: false") && !dry.stdout.contains('\u{1b}'), "{}", dry.stdout);
    let dry = init(&world, &["--dry-run", "--force", "--json"]);
    assert_eq!(dry.code, 0, "{dry:#?}");
    assert!(dry.json()["files"][0]["diff"].as_str().unwrap().starts_with("--- a/.github/auto-heal-config.yml\n+++ b/"));
    assert_eq!(before, world.fingerprint());
    let patch = init(&world, &["--dry-run", "--only", "policy", "webhook", "order", "heal", "gate"]);
    assert_eq!(patch.code, 0, "{patch:#?}");
    let file = world.dir.path().join("patch");
    fs::write(&file, &patch.stdout).unwrap();
    world.git(&["apply", file.to_str().unwrap()]);
    let after = init(&world, &["--json", "--only", "policy", "webhook", "order", "heal", "gate"]);
    assert_eq!(states(&after), vec![("unchanged".to_owned(), false); 5], "the patch makes the very files");
    assert_eq!(world.run(&["--read-only", "init", "--repo", world.repo().to_str().unwrap()]).code, 5);
}

#[test]
fn any_folder_of_a_checkout_will_do_and_nothing_else() {
    let world = World::with_repo(&[("deep/er/a", "a\n")]);
    let ran_below = ran(world.command(&["init", "--only", "rules"]).current_dir(world.repo().join("deep/er")));
    assert_eq!(ran_below.code, 0, "{ran_below:#?}");
    assert!(world.repo().join(RULES).is_file() && !world.repo().join("deep/er/.github").exists());
    let fresh = world.dir.path().join("fresh");
    world.git(&["init", "-q", fresh.to_str().unwrap()]);
    let without_a_commit = world.run(&["init", "--dir", fresh.to_str().unwrap()]);
    assert_eq!(without_a_commit.code, 0, "{without_a_commit:#?}");
    let (bare, plain) = (world.dir.path().join("bare"), world.dir.path().join("plain"));
    world.git(&["init", "-q", "--bare", bare.to_str().unwrap()]);
    fs::create_dir(&plain).unwrap();
    for (dir, says) in [(&bare, "bare"), (&plain, "git"), (&world.dir.path().join("nowhere"), "does not exist")] {
        let refused = world.run(&["init", "--repo", dir.to_str().unwrap()]);
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{refused:#?}");
        assert!(refused.stderr.contains(says), "{}", refused.stderr);
    }
    assert_eq!(fs::read_dir(plain).unwrap().count(), 0);
}

#[test]
fn nothing_is_written_through_a_link_or_over_something_else() {
    let world = World::with_repo(&[("a", "a\n")]);
    let outside = world.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    for (place, target, what) in [
        (".github", outside.clone(), "folder"),
        (".github/workflows", outside.clone(), "folder"),
        (".paramedic/policy.toml", outside.join("policy.toml"), "file"),
    ] {
        let place = world.repo().join(place);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        symlink(target, &place).unwrap();
        let before = world.fingerprint();
        let refused = init(&world, &["--force"]);
        assert_eq!(refused.code, 3, "{refused:#?}");
        assert!(refused.stderr.contains("symbolic link") && refused.stderr.contains(what), "{}", refused.stderr);
        assert_eq!((before, fs::read_dir(&outside).unwrap().count()), (world.fingerprint(), 0));
        fs::remove_file(place).unwrap();
    }
    let rules = world.repo().join(RULES);
    fs::create_dir_all(&rules).unwrap();
    let refused = init(&world, &["--force"]);
    assert_eq!(refused.code, 3, "{refused:#?}");
    assert!(refused.stderr.contains("in the way"), "{}", refused.stderr);
}

#[test]
fn a_folder_that_cannot_be_written_leaves_nothing_behind() {
    let world = World::with_repo(&[(".github/workflows/ci.yml", "name: CI\n")]);
    let workflows = world.repo().join(".github/workflows");
    fs::set_permissions(&workflows, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(workflows.join("probe"), "").is_ok() {
        return; // This user may write anywhere.
    }
    let refused = init(&world, &[]);
    let left = listing(&world);
    fs::set_permissions(&workflows, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(refused.code, 1, "{refused:#?}");
    assert!(refused.stderr.contains("nothing was written"), "{}", refused.stderr);
    assert_eq!(left, [".github", ".github/workflows", ".github/workflows/ci.yml"]);
}

/// Returns the workflows that are written for a repository, each as `(file name, its content)`.
fn workflows(world: &World) -> Vec<(String, Value)> {
    assert_eq!(init(world, &[]).code, 0);
    let read = |path: &&str| {
        let text = fs::read_to_string(world.repo().join(path)).unwrap();
        assert!(!text.contains('@') || !text.contains("@INSTALL") && !text.contains("@SUMMARY"), "{text}");
        (Path::new(path).file_name().unwrap().to_str().unwrap().to_owned(), serde_saphyr::from_str(&text).unwrap())
    };
    PATHS[2..].iter().map(read).collect()
}

fn jobs(workflow: &Value) -> impl Iterator<Item = &Value> {
    workflow["jobs"].as_object().unwrap().values()
}

fn steps(workflow: &Value) -> impl Iterator<Item = &Value> {
    jobs(workflow).flat_map(|it| it["steps"].as_array().unwrap())
}

#[test]
fn workflows_have_least_permissions_pinned_actions_and_no_expression_in_a_script() {
    let pinned = regex::Regex::new("^[A-Za-z0-9_.-]+/[A-Za-z0-9_./-]+@[0-9a-f]{40}$").unwrap();
    for (file, workflow) in workflows(&World::with_repo(BUGGY)) {
        assert_eq!(workflow["permissions"], json!({}), "{file}: nothing unless a job says so");
        // Of the runs of a group one waits, and the others that do are cancelled: an order and a report are each their own.
        let group = workflow["concurrency"]["group"].as_str();
        match file.as_str() {
            "paramedic-order.yml" => assert_eq!(group, None),
            "paramedic-webhook.yml" => assert!(group.unwrap().contains("workflow_run.id }}"), "{file}"),
            _ => assert!(group.is_some_and(|it| it.contains("${{")), "{file}"),
        }
        assert!(jobs(&workflow).all(|it| it.get("concurrency").is_none()), "{file}");
        assert!(workflow["on"].get("pull_request_target").is_none(), "{file}");
        for job in jobs(&workflow) {
            let permissions = job["permissions"].as_object().unwrap_or_else(|| panic!("{file}: {job}"));
            assert!(permissions.values().all(|it| it == "read"), "{file}: {permissions:?}");
            assert!((1..=120).contains(&job["timeout-minutes"].as_u64().unwrap()), "{file}");
        }
        for step in steps(&workflow) {
            match (step["uses"].as_str(), step["run"].as_str()) {
                (Some(uses), None) => {
                    assert!(pinned.is_match(uses), "{file}: {uses}");
                    assert_eq!(
                        step["with"]["persist-credentials"],
                        json!(false),
                        "{file}: no token stays in .git/config"
                    );
                }
                (None, Some(run)) => assert!(!run.contains("${{"), "{file}: {run}"),
                _ => panic!("{file}: {step}"),
            }
        }
    }
}

#[test]
fn nothing_is_called_in_the_folder_of_a_pull_request_and_nothing_built_in_any_checkout() {
    for (file, workflow) in workflows(&World::with_repo(BUGGY)) {
        let (mut is_checked_out, is_gate) = (false, file == "paramedic-gate.yml");
        for step in steps(&workflow) {
            is_checked_out |= step["uses"].is_string();
            let is_build = step["run"].as_str().is_some_and(|it| it.contains("cargo"));
            assert!(!is_build || !is_checked_out, "{file}: {step}");
            if step["run"].is_string() && (is_build || is_gate) {
                assert_eq!(step["working-directory"], "${{ runner.temp }}", "{file}: {step}");
            }
        }
    }
}

#[test]
fn failed_runs_are_listened_to_by_the_names_of_the_workflows_there_are() {
    let world = World::with_repo(&[
        (".github/workflows/a.yml", "name: \"Tests: \\\"unit\\\" #1\"\non: push\n"),
        (".github/workflows/b.yaml", "on: push\n"),
        (".github/workflows/c.yml", "name: ${{ github.actor }}\n"),
        (".github/workflows/broken.yml", "name: [\n"),
        (".github/workflows/notes.md", "name: Notes\n"),
        (".github/workflows/paramedic-old.yml", "name: Ours\n"),
    ]);
    let all = workflows(&world);
    let names = json!([".github/workflows/b.yaml", ".github/workflows/broken.yml", "Tests: \"unit\" #1"]);
    for (file, workflow) in &all {
        if workflow["on"].get("workflow_run").is_some() {
            assert_eq!(workflow["on"]["workflow_run"]["workflows"], names, "{file}");
        }
    }
    assert_eq!(init(&world, &["--json"]).code, 0, "what was written changes no name");
    let none = workflows(&World::with_repo(BUGGY));
    assert_eq!(none[0].1["on"]["workflow_run"]["workflows"], json!(["CI"]));
}

#[test]
fn all_that_counts_as_red_is_listened_to() {
    let all = workflows(&World::with_repo(BUGGY));
    for (file, workflow) in all.iter().filter(|(_, it)| it["on"].get("workflow_run").is_some()) {
        for job in jobs(workflow) {
            let condition = job["if"].as_str().unwrap();
            let list = condition.split('\'').nth(1).unwrap();
            let red: Vec<String> = serde_json::from_str(list).unwrap();
            assert!(condition.contains(&format!("contains(fromJSON('{list}'), github.event.workflow_run.conclusion)")));
            for conclusion in ["failure", "timed_out", "startup_failure", "success", "cancelled", "skipped", "neutral"]
            {
                let is_red = CiState::of("completed", Some(conclusion)) == CiState::Red;
                assert_eq!(red.iter().any(|it| it == conclusion), is_red, "{file}: {conclusion}");
            }
        }
    }
}

/// A runner of GitHub Actions, as far as a step needs one.
struct Runner {
    /// Programs that stand before all others.
    programs: PathBuf,
    work: PathBuf,
    temp: PathBuf,
}

impl Runner {
    fn new(world: &World) -> Self {
        let [programs, temp] = ["programs", "temp"].map(|it| world.dir.path().join(it));
        fs::create_dir_all(&programs).unwrap();
        fs::create_dir_all(&temp).unwrap();
        symlink(crate::support::PARAMEDIC, programs.join("paramedic")).unwrap();
        Self { programs, work: world.repo(), temp }
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.programs.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Returns the folders of programs: no `paramedic` that the tester has is among them.
    fn path(&self) -> OsString {
        let all = std::env::var_os("PATH").unwrap();
        let others = std::env::split_paths(&all).filter(|it| !it.join("paramedic").exists());
        std::env::join_paths(std::iter::once(self.programs.clone()).chain(others)).unwrap()
    }

    /// Runs a step's script in its own shell, with these variables in the place of the expressions of its `env`.
    fn step(&self, world: &World, step: &Value, environment: &[(&str, &str)]) -> Ran {
        let file = world.dir.path().join("step");
        fs::write(&file, step["run"].as_str().unwrap()).unwrap();
        let shell = if step["shell"] == "python3 {0}" { ["python3"].as_slice() } else { &["bash", "-e"] };
        let folder = match step.get("working-directory").map(|it| it.as_str().unwrap()) {
            None => &self.work,
            Some("${{ runner.temp }}") => &self.temp,
            Some(other) => panic!("no runner has {other}"),
        };
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).arg(file).current_dir(folder).env_clear().env("PATH", self.path());
        for name in ["PYENV_ROOT", "HOME"] {
            command.envs(std::env::var(name).map(|it| (name, it)));
        }
        command.env("PARAMEDIC_DATA_DIR", world.data_dir()).env("GITHUB_REPOSITORY", "acme/shop");
        command.env("GITHUB_WORKSPACE", &self.work);
        ran(command.envs(environment.iter().copied()))
    }
}

fn step<'a>(workflows: &'a [(String, Value)], file: &str, name: &str) -> &'a Value {
    let (_, workflow) = workflows.iter().find(|(it, _)| it == file).unwrap();
    steps(workflow).find(|it| it["name"] == name).unwrap()
}

/// A server on a world's data; stopped at the end.
struct Served(Child, String);

impl Served {
    fn start(world: &World) -> Self {
        let mut command = world.command(&["serve", "--listen", "127.0.0.1:0", "--workers", "0"]);
        command.env("CI_HEALING_WEBHOOK_SECRET", SECRET).stderr(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let url = lines.find_map(|it| it.strip_prefix("listening on ").map(str::to_owned)).unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Self(child, url)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_webhook_step_reports_a_failure_to_a_real_server() {
    let world = World::with_repo(BUGGY);
    let all = workflows(&world);
    let runner = Runner::new(&world);
    let served = Served::start(&world);
    let hostile = "x\";touch${IFS}owned;$(touch owned)`touch owned`\n";
    // A long log with escape sequences, bytes that are no text, and what is red at its end.
    runner.program(
        "gh",
        "#!/bin/sh\nyes 'a line with \"quotes\" \\ and more' | head -n 60000\nprintf '\\033[31m\\377 FAIL: test_add (t.T.test_add)\\nAssertionError: 1 != 2\\n'\n",
    );
    let log = runner.step(
        &world,
        step(&all, "paramedic-webhook.yml", "Read the log"),
        &[("RUN_ID", "7"), ("RUN_ATTEMPT", "1")],
    );
    assert_eq!(log.code, 0, "{log:#?}");
    let send = step(&all, "paramedic-webhook.yml", "Sign and send the report");
    let commit = "c".repeat(40);
    let environment = [
        ("REPOSITORY", "acme/shop"),
        ("BRANCH", hostile),
        ("COMMIT", commit.as_str()),
        ("RUN_URL", "https://github.com/acme/shop/actions/runs/7"),
        ("PARAMEDIC_URL", served.1.as_str()),
        ("PARAMEDIC_WEBHOOK_SECRET", SECRET),
    ];
    let reported = runner.step(&world, send, &environment);
    assert_eq!(reported.code, 0, "{reported:#?}");
    assert!(!world.repo().join("owned").exists(), "the payload is data");
    let run = world.run(&["show", "latest", "--json"]).json();
    assert_eq!(
        (&run["repository"], &run["provider"], &run["commitSha"]),
        (&json!("acme/shop"), &json!("github"), &json!(commit))
    );
    assert_eq!(run["errorSummary"], "AssertionError: 1 != 2", "the end of the log is there");
    // A wrong secret, no secret, an address in clear, a server that is away.
    for (name, value, says) in [
        ("PARAMEDIC_WEBHOOK_SECRET", "wrong", "did not take"),
        ("PARAMEDIC_WEBHOOK_SECRET", "", "is not set"),
        ("PARAMEDIC_URL", "http://paramedic.example", "https"),
        ("PARAMEDIC_URL", "http://127.0.0.1:1", "did not take"),
    ] {
        let wrong = runner.step(&world, send, &[&environment[..], &[(name, value)]].concat());
        assert!(wrong.code == 1 && wrong.stderr.contains(says), "{name}: {wrong:#?}");
        assert!(!format!("{wrong:?}").contains(SECRET));
    }
}

#[test]
fn the_order_is_checked_before_anything_is_done() {
    let world = World::with_repo(BUGGY);
    let all = workflows(&world);
    let runner = Runner::new(&world);
    let check = step(&all, "paramedic-order.yml", "Check the order");
    let long = "x".repeat(20_001);
    for (intent, instruction, code) in [
        ("fix", "round $(touch owned) `touch owned` half up", 0),
        ("create", "--help", 0),
        ("delete", "everything", 1),
        ("", "x", 1),
        ("fix", " \n", 1),
        ("fix", long.as_str(), 1),
    ] {
        let environment = [("INTENT", intent), ("INSTRUCTION", instruction), ("CONTEXT", "")];
        assert_eq!(runner.step(&world, check, &environment).code, code, "{intent} {instruction:.20}");
    }
    // The words reach the program as they are, whatever a shell would make of them.
    runner.program("paramedic-stub", "#!/bin/sh\nprintf '%s\\n' \"$PARAMEDIC_OPERATOR\" \"$@\" >> arguments\n");
    fs::rename(runner.programs.join("paramedic-stub"), runner.programs.join("paramedic")).unwrap();
    let carry_out = step(&all, "paramedic-order.yml", "Carry out the order");
    let environment = [
        ("INTENT", "fix"),
        ("INSTRUCTION", "-x $(touch owned); *"),
        ("CONTEXT", "a b"),
        ("PARAMEDIC_AGENT", ""),
        ("ACTOR", "github-actions[bot]"),
        ("GITHUB_STEP_SUMMARY", "summary"),
    ];
    let done = runner.step(&world, carry_out, &environment);
    assert_eq!(done.code, 0, "{done:#?}");
    let arguments = fs::read_to_string(world.repo().join("arguments")).unwrap();
    assert!(
        arguments.starts_with("github-actionsbot\ndispatch\n--context=a b\n--\nfix\n-x $(touch owned); *\n"),
        "{arguments}"
    );
    assert!(!world.repo().join("owned").exists());
}

#[test]
fn the_heal_step_shows_the_proved_patch() {
    let world = World::with_repo(BUGGY);
    let all = workflows(&world);
    let runner = Runner::new(&world);
    world.settings(&format!("[agents.right]\ncommand = \"{RIGHT}\"\n"));
    let heal = step(&all, "paramedic-heal.yml", "Heal");
    let summary = world.dir.path().join("summary");
    let config = world.dir.path().join("home/.config");
    let environment = [
        ("PARAMEDIC_AGENT", "right"),
        ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap()),
        ("XDG_CONFIG_HOME", config.to_str().unwrap()),
    ];
    let healed = runner.step(&world, heal, &environment);
    assert_eq!(healed.code, 0, "{healed:#?}");
    let summary = fs::read_to_string(summary).unwrap();
    assert!(summary.starts_with("### Paramedic\n\n    ") && summary.contains("\n    +    return a + b"), "{summary}");
}

/// What GitHub says of a person's permission: ann and bob may write, all members may read, and of a stranger nothing is said.
const PERMISSIONS: &str = r#"#!/bin/sh
case "$2" in
  */collaborators/ann/permission) echo admin; exit ;;
  */collaborators/bob/permission) echo write; exit ;;
  */collaborators/stranger/permission) echo '{"message":"Not Found"}'; exit 1 ;;
  */permission) echo read; exit ;;
esac"#;

#[test]
fn the_gate_judges_by_the_policy_that_the_base_has_now() {
    // The folder stands where a file of that name would be written.
    let world = World::with_repo(&[BUGGY, &[("core/a.txt", "a\n"), ("reviews.json/a.txt", "a\n")]].concat());
    let all = workflows(&world);
    let start = world.git(&["rev-parse", "HEAD"]);
    world.write(".paramedic/policy.toml", "protected = [\"core/**\"]\n");
    world.git(&["add", "-A"]);
    world.git(&["commit", "-q", "-m", "Policy"]);
    world.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
    let runner = Runner::new(&world);
    let gate = step(&all, "paramedic-gate.yml", "Judge the change");
    let judge = |path: &str, content: &str, reviews: Value| {
        // From before there was a policy.
        world.git(&["checkout", "-q", "-f", "--detach", &start]);
        world.write(path, content);
        world.git(&["commit", "-q", "-a", "-m", "Change"]);
        let head = world.git(&["rev-parse", "HEAD"]);
        let reviews = reviews.to_string().replace("HEAD", &head);
        runner.program("gh", &format!("{PERMISSIONS}\ncat <<'END'\n[]\n{reviews}\nEND\n"));
        let base = "refs/remotes/origin/main";
        runner.step(&world, gate, &[("BASE", base), ("HEAD_SHA", &head), ("NUMBER", "1"), ("AUTHOR", "eve")])
    };
    let fixed = BUGGY[0].1.replace("a - b", "a + b");
    assert_eq!(judge("calc.py", &fixed, json!([])).code, 0);
    let cheat = judge("test_calc.py", "", json!([]));
    assert!(cheat.code == 1 && cheat.stdout.contains("violation"), "{cheat:#?}");
    let review = |login: &str, state: &str, commit: &str| {
        let kind = if login.ends_with("[bot]") { "Bot" } else { "User" };
        let user = json!({ "login": login, "type": kind });
        json!({ "user": user, "state": state, "commit_id": commit, "author_association": "MEMBER" })
    };
    let by = |login: &str| review(login, "APPROVED", "HEAD");
    let (ann, gone) = (by("ann"), json!({ "user": null, "state": "APPROVED", "commit_id": "HEAD" }));
    for (reviews, code) in [
        (json!([]), 1),
        (json!([ann, ann]), 1),
        (json!([ann, review("bob", "APPROVED", "older")]), 1),
        (json!([ann, review("bob", "DISMISSED", "HEAD")]), 1),
        (json!([ann, by("bob")]), 0),
        (json!([ann, by("bob"), review("bob", "COMMENTED", "HEAD")]), 0),
        // Who takes an approval back, or gives it again.
        (json!([ann, by("bob"), review("bob", "CHANGES_REQUESTED", "HEAD")]), 1),
        (json!([review("bob", "CHANGES_REQUESTED", "HEAD"), ann, by("bob")]), 0),
        (json!([ann, by("bob"), review("bob", "CHANGES_REQUESTED", "HEAD"), review("ann", "DISMISSED", "HEAD")]), 1),
        // A member who only reads, one of whom GitHub says nothing, the author, a program, an account that is gone.
        (json!([ann, by("reader")]), 1),
        (json!([ann, by("stranger")]), 1),
        (json!([ann, by("eve")]), 1),
        (json!([ann, by("helper[bot]")]), 1),
        (json!([ann, gone]), 1),
        (json!([by("reader"), gone, by("bob"), ann]), 0),
        (json!([ann, by("x/../../bob"), by("$(touch owned)")]), 1),
    ] {
        let judged = judge("core/a.txt", "b\n", reviews.clone());
        assert_eq!(judged.code, code, "{reviews}: {judged:#?}");
    }
    let told = judge("core/a.txt", "b\n", json!([ann, by("stranger"), by("reader")])).stdout;
    for word in ["1 of 2 people with write access", "stranger does not count", "reader does not count"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert!(!world.repo().join("owned").exists() && !runner.temp.join("owned").exists());
}

#[test]
fn the_gate_judges_anew_whenever_a_pull_request_is_for_another_branch() {
    let all = workflows(&World::with_repo(BUGGY));
    let (_, gate) = all.iter().find(|(it, _)| it == "paramedic-gate.yml").unwrap();
    let types = gate["on"]["pull_request"]["types"].as_array().unwrap();
    for event in ["opened", "reopened", "synchronize", "edited", "ready_for_review"] {
        assert!(types.contains(&json!(event)), "{event}");
    }
    // No check that is skipped, which would count as passed, and none that is another branch's.
    let job = &gate["jobs"]["policy"];
    assert_eq!((job.get("if"), &job["name"]), (None, &json!("policy (${{ github.event.pull_request.base.ref }})")));
    assert!(steps(gate).all(|it| it.get("if").is_none() && it.get("continue-on-error").is_none()));
}

#[test]
fn what_is_built_can_stand_in_the_workflow_itself() {
    let world = World::with_repo(BUGGY);
    let all = workflows(&world);
    let runner = Runner::new(&world);
    fs::remove_file(runner.programs.join("paramedic")).unwrap();
    runner.program("cargo", "#!/bin/sh\nprintf '%s ' \"$@\" > built\n");
    let [order, heal, gate] = ["order", "heal", "gate"].map(|it| format!("paramedic-{it}.yml"));
    for file in [&order, &heal, &gate] {
        let (_, workflow) = all.iter().find(|(it, _)| it == file).unwrap();
        for name in ["PARAMEDIC_SOURCE", "PARAMEDIC_COMMIT"] {
            // A step that sets it would go before what somebody writes at the top.
            assert_eq!(workflow["env"][name], format!("${{{{ vars.{name} }}}}"), "{file}");
            assert!(jobs(workflow).chain(steps(workflow)).all(|it| it["env"].get(name).is_none()), "{file}");
        }
        let build = step(&all, file, "Find or build paramedic");
        let (source, commit) = ("https://git.example/paramedic", "c".repeat(40));
        for (source, commit) in [("", ""), (source, &commit[1..]), (source, "main"), ("", &commit)] {
            let refused = runner.step(&world, build, &[("PARAMEDIC_SOURCE", source), ("PARAMEDIC_COMMIT", commit)]);
            assert!(refused.code == 1 && !runner.temp.join("built").exists(), "{refused:#?}");
            for word in ["in the repository", "forks get no variables", "under `env` of this workflow"] {
                assert!(refused.stdout.contains(word), "{word}: {refused:#?}");
            }
        }
        let made = runner.step(&world, build, &[("PARAMEDIC_SOURCE", source), ("PARAMEDIC_COMMIT", &commit)]);
        let arguments = fs::read_to_string(runner.temp.join("built")).unwrap();
        assert_eq!((made.code, arguments), (0, format!("install --locked --git {source} --rev {commit} paramedic ")));
        fs::remove_file(runner.temp.join("built")).unwrap();
    }
}

#[test]
fn the_gate_obeys_nothing_that_a_pull_request_brings() {
    let world = World::with_repo(BUGGY);
    let all = workflows(&world);
    world.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
    let outside = world.dir.path().join("outside");
    // A toolchain of its own, programs by the names of those that are called, a name that is a command to the runner.
    let fake = "#!/bin/sh\ntouch \"$GITHUB_WORKSPACE/owned\"\n";
    world.write("rust-toolchain.toml", &format!("[toolchain]\npath = \"{}/tc\"\n", world.repo().display()));
    for program in ["tc/bin/cargo", "cargo", "paramedic", "gh", "jq", "git"] {
        world.write(program, fake);
    }
    world.write(".cargo/config.toml", "[build]\nrustc-wrapper = \"./cargo\"\n");
    world.write("::add-mask::violation", "\0");
    symlink(&outside, world.repo().join("reviews.json")).unwrap();
    world.git(&["add", "-A", "-f"]);
    world.git(&["commit", "-q", "-m", "Change"]);
    let head = world.git(&["rev-parse", "HEAD"]);

    // The work tree is there from the start, as on a runner that is used again.
    let runner = Runner::new(&world);
    let program = runner.programs.join("paramedic");
    fs::remove_file(&program).unwrap();
    let built = world.dir.path().join("built");
    // As rustup's: the nearest file about toolchains says which cargo it is.
    runner.program(
        "cargo",
        &format!(
            "#!/bin/sh\nfolder=$PWD\nwhile [ \"$folder\" != / ]; do\n  if [ -f \"$folder/rust-toolchain.toml\" ]; then\n    \
             exec \"$(sed -n 's/^path = \"\\(.*\\)\"$/\\1/p' \"$folder/rust-toolchain.toml\")/bin/cargo\" \"$@\"\n  fi\n  \
             folder=$(dirname \"$folder\")\ndone\nprintf '%s\\n' \"$@\" > '{}'\nln -s '{}' '{}'\n",
            built.display(),
            crate::support::PARAMEDIC,
            program.display()
        ),
    );
    runner.program("gh", "#!/bin/sh\necho '[]'\n");
    let commit = "c".repeat(40);
    let environment = [
        ("BASE", "refs/remotes/origin/main"),
        ("HEAD_SHA", &head),
        ("NUMBER", "1"),
        ("PARAMEDIC_SOURCE", "https://git.example/paramedic"),
        ("PARAMEDIC_COMMIT", &commit),
    ];
    let (_, gate) = all.iter().find(|(it, _)| it == "paramedic-gate.yml").unwrap();
    let done: Vec<Ran> =
        steps(gate).filter(|it| it["run"].is_string()).map(|step| runner.step(&world, step, &environment)).collect();
    assert_eq!(done.iter().map(|it| it.code).collect::<Vec<_>>(), [0, 1], "{done:#?}");
    let arguments = fs::read_to_string(built).unwrap();
    assert_eq!(arguments, format!("install\n--locked\n--git\n{}\n--rev\n{commit}\nparamedic\n", environment[3].1));
    assert!(!world.repo().join("owned").exists() && !outside.exists());
    let lines: Vec<&str> = done[1].stdout.lines().collect();
    let fence = lines[0].strip_prefix("::stop-commands::").unwrap();
    assert_eq!((lines[1], *lines.last().unwrap()), ("violation", format!("::{fence}::").as_str()), "{lines:?}");
    assert!(lines.iter().any(|it| it.trim_start().starts_with("::add-mask::violation [")), "{lines:?}");
}

#[test]
fn doctor_says_what_it_thinks_of_the_rules() {
    let world = World::with_repo(BUGGY);
    let told = || {
        let ran = ran(world.command(&["doctor", "--json"]).current_dir(world.repo()));
        let checks = ran.json()["checks"].as_array().unwrap().clone();
        let rules = checks.iter().filter(|it| it["name"] == "rules");
        rules
            .map(|it| format!("{} {}", it["health"].as_str().unwrap(), it["text"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    assert!(told()[0].starts_with("note no .github/auto-heal-config.yml here"), "{:?}", told());
    init(&world, &[]);
    assert_eq!(told(), ["ok .github/auto-heal-config.yml is read"]);
    world.write(RULES, "enabled: false\ncopilot:\n  model: gpt-4\n");
    let remarked = told();
    assert!(remarked[0].contains("healing is off") && remarked[1].starts_with("note line 3: `model`"), "{remarked:?}");
    world.write(RULES, "enabled: true\nauto_merge_on_success: true\n");
    assert!(told()[0].starts_with("broken .github/auto-heal-config.yml, line 2: "), "{:?}", told());
    let outside = world.run(&["doctor", "--json"]).json();
    assert!(outside["checks"].as_array().unwrap().iter().all(|it| it["name"] != "rules"));
}
