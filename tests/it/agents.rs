//! Agents that start programs: the contract of agents by command, and the playbook's repairs, with real shells in real folders.
use crate::support::eventually_answered;
use paramedic::agent::Account;
use paramedic::agent::Agent;
use paramedic::agent::Task;
use paramedic::agent::Turn;
use paramedic::agent::command::CommandAgent;
use paramedic::agent::command::CommandSettings;
use paramedic::agent::playbook::Playbook;
use paramedic::domain::Attempt;
use paramedic::domain::AttemptFailure;
use paramedic::domain::Author;
use paramedic::domain::Category;
use paramedic::domain::Failure;
use paramedic::domain::Patch;
use paramedic::domain::RunId;
use paramedic::process::Launcher;
use paramedic::process::LauncherOptions;
use paramedic::process::SandboxChoice;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const SECRET: &str = "ghs_secretsecretsecretsecretsecretsec";

/// A tree with a failure, and a launcher whose own environment holds secrets.
struct Stage {
    tree: TempDir,
    scratch: TempDir,
    failure: Failure,
    earlier: Vec<Attempt>,
    run_id: RunId,
    timeout: Duration,
    path: OsString,
}

impl Stage {
    fn new(files: &[(&str, &str)]) -> Self {
        let tree = tempfile::tempdir().unwrap();
        for (file, content) in files {
            let path = tree.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        Self {
            tree,
            scratch: tempfile::tempdir().unwrap(),
            failure: failure("   1| E   assert 1 == 2"),
            earlier: Vec::new(),
            run_id: RunId::random(),
            timeout: Duration::from_mins(1),
            path: "/usr/local/bin:/usr/bin:/bin".into(),
        }
    }

    fn launcher(&self) -> Launcher {
        let variables = ["GITHUB_TOKEN", "GH_TOKEN", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "MY_PASSWORD"];
        let secrets = variables.map(|it| (OsString::from(it), OsString::from(SECRET)));
        Launcher::new(LauncherOptions {
            supervisor: PathBuf::from(env!("CARGO_BIN_EXE_paramedic")),
            environment: [("PATH".into(), self.path.clone())].into_iter().chain(secrets).collect(),
            sandbox: SandboxChoice::Auto,
            private: Vec::new(),
        })
    }

    fn task(&self) -> Task<'_> {
        Task {
            run_id: self.run_id,
            repository: "owner/name",
            attempt_no: u32::try_from(self.earlier.len()).unwrap() + 1,
            max_attempts: 3,
            test_command: "sh test.sh",
            failure: &self.failure,
            order: None,
            earlier: &self.earlier,
            progress: Some("still failing: t::a"),
            hint: Some("look at the lexer"),
            tree: self.tree.path(),
            scratch: self.scratch.path(),
            git_dir: self.scratch.path(),
            timeout: self.timeout,
        }
    }

    async fn command(&self, command: &str) -> Turn {
        self.command_with(command, CommandSettings::default()).await
    }

    async fn command_with(&self, command: &str, settings: CommandSettings) -> Turn {
        let agent = CommandAgent::new("mine", command, self.launcher(), settings);
        assert_eq!(agent.name(), "mine");
        agent.propose(&self.task(), &CancellationToken::new()).await
    }

    async fn playbook(&self) -> Turn {
        Playbook::new(self.launcher()).propose(&self.task(), &CancellationToken::new()).await
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.tree.path().join(file)).unwrap()
    }

    fn program(&self, file: &str, script: &str) {
        let path = self.tree.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, script).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn failure(log: &str) -> Failure {
    Failure {
        category: Category::Test,
        confidence: 0.8,
        error_type: "AssertionError".to_owned(),
        summary: "assert 1 == 2".to_owned(),
        hash: "v1:00".to_owned(),
        lines: Vec::new(),
        files: vec!["calc.py".to_owned()],
        reduced_log: log.to_owned(),
        report: None,
        total_lines: 1,
        total_bytes: 20,
    }
}

fn edited(turn: Turn) -> Account {
    match turn {
        Turn::Edited(account) => account,
        turn => panic!("not edited: {turn:?}"),
    }
}

fn failed(turn: Turn) -> (AttemptFailure, String, Account) {
    match turn {
        Turn::Failed { kind, reason, account } => (kind, reason, account),
        turn => panic!("not failed: {turn:?}"),
    }
}

fn declined(turn: Turn) -> String {
    match turn {
        Turn::Declined(reason) => reason,
        turn => panic!("not declined: {turn:?}"),
    }
}

#[tokio::test]
async fn a_program_edits_the_tree_and_what_it_prints_is_the_diagnosis() {
    let stage = Stage::new(&[("calc.py", "return 1\n")]);
    let turn =
        stage.command("echo 'return 2' > calc.py; mkdir new; echo x > new/file; echo 'off by one'; echo why >&2").await;
    let account = edited(turn);
    assert_eq!(account.diagnosis, "off by one\nwhy");
    assert_eq!(account.output, b"off by one\nwhy\n");
    assert!(!account.recorded);
    assert_eq!((stage.read("calc.py").as_str(), stage.read("new/file").as_str()), ("return 2\n", "x\n"));
}

#[tokio::test]
async fn a_program_that_changes_nothing_is_left_to_the_difference() {
    let stage = Stage::new(&[]);
    assert_eq!(edited(stage.command("exit 0").await).diagnosis, "");
}

#[tokio::test]
async fn standard_input_is_the_prompt() {
    let stage = Stage::new(&[]);
    let account = edited(
        stage
            .command("prompt=$(cat); [ \"$prompt\" = \"$(cat \"$PARAMEDIC_PROMPT\")\" ] && echo \"same: $prompt\"")
            .await,
    );
    let said = String::from_utf8(account.output).unwrap();
    assert!(
        said.starts_with("same: ") && said.contains("assert 1 == 2") && said.contains("look at the lexer"),
        "{said}"
    );
}

#[tokio::test]
async fn the_environment_tells_the_task_and_no_secret() {
    let mut stage = Stage::new(&[]);
    let mut earlier = Attempt::started(1, Author::Agent("mine".to_owned()), None, jiff::Timestamp::UNIX_EPOCH);
    earlier.proposed_fix = Some(Patch("diff --git a/x b/x\n".to_owned()));
    earlier.failure_kind = Some(AttemptFailure::StillRed);
    earlier.validation_log = "still red".to_owned();
    stage.earlier.push(earlier);
    let settings = CommandSettings {
        network: false,
        env: vec![("ANTHROPIC_API_KEY".into(), "given".into()), ("PARAMEDIC_ATTEMPT".into(), "9".into())],
    };
    let account =
        edited(stage.command_with("env; pwd > where; cat \"$PARAMEDIC_CONTEXT\" > context.json", settings).await);
    let env = String::from_utf8(account.output).unwrap();
    let run_id = format!("PARAMEDIC_RUN_ID={}", stage.run_id);
    for line in [&run_id, "PARAMEDIC_ATTEMPT=2", "PARAMEDIC_MAX_ATTEMPTS=3", "ANTHROPIC_API_KEY=given"] {
        assert!(env.lines().any(|it| it == line), "{line} is missing in\n{env}");
    }
    assert!(!env.contains(SECRET), "{env}");
    let here = stage.tree.path().canonicalize().unwrap();
    assert_eq!(stage.read("where").trim(), here.to_str().unwrap());

    let context: serde_json::Value = serde_json::from_str(&stage.read("context.json")).unwrap();
    assert_eq!(context["version"], 1);
    assert_eq!(context["run"]["id"], stage.run_id.to_string());
    assert_eq!(context["run"]["attempt"], 2);
    assert_eq!(context["testCommand"], "sh test.sh");
    assert_eq!(context["failure"]["errorType"], "AssertionError");
    assert_eq!(context["reducedLog"], stage.failure.reduced_log);
    assert_eq!(context["hints"][0], "look at the lexer");
    assert_eq!(context["progress"], "still failing: t::a");
    let attempt = &context["attempts"][0];
    assert_eq!((&attempt["patch"], &attempt["output"]), (&"diff --git a/x b/x\n".into(), &"still red".into()));
    assert_eq!((&attempt["failureKind"], &attempt["author"]), (&"still_red".into(), &"mine".into()));
    let left: Vec<_> = fs::read_dir(stage.scratch.path()).unwrap().flatten().map(|it| it.file_name()).collect();
    assert!(
        !left.iter().any(|it| it.to_string_lossy().starts_with("paramedic-")),
        "the context is left behind: {left:?}"
    );
}

#[tokio::test]
async fn a_crash_is_told_with_its_last_words() {
    let stage = Stage::new(&[]);
    let (kind, reason, account) = failed(stage.command("echo thinking; echo 'no model' >&2; exit 3").await);
    assert_eq!(kind, AttemptFailure::AgentCrashed);
    assert_eq!(reason, "the agent ended with exit status 3: thinking | no model");
    assert_eq!(account.diagnosis, "thinking\nno model");
    let (kind, reason, _) = failed(stage.command("no-such-agent-program").await);
    assert!(kind == AttemptFailure::AgentCrashed && reason.contains("there is no such program"), "{reason}");
    let (kind, reason, _) = failed(stage.command("kill -9 $$").await);
    assert!(
        kind == AttemptFailure::AgentCrashed && (reason.contains("signal 9") || reason.contains("137")),
        "{reason}"
    );
}

#[tokio::test]
async fn time_over_is_told_apart_from_a_crash() {
    let mut stage = Stage::new(&[]);
    stage.timeout = Duration::from_secs(1);
    let (kind, reason, account) = failed(stage.command("echo begun; sleep 600").await);
    assert_eq!((kind, account.diagnosis.as_str()), (AttemptFailure::AgentTimedOut, "begun"));
    assert!(reason.contains("1s"), "{reason}");
}

#[tokio::test]
async fn an_agent_stops_when_it_is_told_to() {
    let stage = Stage::new(&[]);
    let agent = CommandAgent::new("mine", "echo x > ready; sleep 600", stage.launcher(), CommandSettings::default());
    let cancel = CancellationToken::new();
    let (task, ready) = (stage.task(), stage.tree.path().join("ready"));
    let stop = async {
        eventually_answered(async || ready.exists().then_some(())).await;
        cancel.cancel();
    };
    let both = async { tokio::join!(agent.propose(&task, &cancel), stop) };
    let (turn, ()) = tokio::time::timeout(Duration::from_secs(50), both).await.expect("still running");
    let (kind, reason, _) = failed(turn);
    assert!(kind == AttemptFailure::AgentCrashed && reason.contains("stopped on request"), "{reason}");
}

#[tokio::test]
async fn an_output_of_any_size_is_bounded() {
    let stage = Stage::new(&[]);
    let account = edited(stage.command("head -c 30000000 /dev/zero | tr '\\0' 'x'; printf '\\377\\nthe end\\n'").await);
    assert!(account.output.len() < 8 * 1024 * 1024, "{}", account.output.len());
    assert!(
        account.diagnosis.len() <= 9 * 1024 && account.diagnosis.ends_with("the end"),
        "{}",
        account.diagnosis.len()
    );
}

const DRIFT: &str = "  12| [warn] Code style issues found in a.js. Run Prettier with --write to fix.";

fn drifted() -> Stage {
    let mut stage = Stage::new(&[("package.json", "{}"), ("a.js", "x"), ("b.js", "y"), ("notes.bin", "z")]);
    stage.failure = failure(DRIFT);
    stage
}

#[tokio::test]
async fn a_repair_that_the_log_names_is_run() {
    let stage = drifted();
    stage.program(
        "node_modules/.bin/prettier",
        "#!/bin/sh\n[ \"$*\" = '--write .' ] && echo 'x;' > a.js && echo done\n",
    );
    let account = edited(stage.playbook().await);
    assert_eq!(stage.read("a.js"), "x;\n");
    assert!(account.diagnosis.starts_with("fixer repair-command\n"), "{}", account.diagnosis);
    assert!(
        account.diagnosis.contains("log line 12") && account.diagnosis.contains("changed a.js"),
        "{}",
        account.diagnosis
    );
    assert_eq!(account.output, b"done\n");
}

#[tokio::test]
async fn a_repair_that_fails_leaves_the_tree_as_it_was() {
    let stage = drifted();
    stage.program(
        "node_modules/.bin/prettier",
        "#!/bin/sh\necho broken > a.js; echo new > c.js; rm b.js; echo 'bad syntax'; exit 2\n",
    );
    let reason = declined(stage.playbook().await);
    assert!(reason.contains("exit status 2") && reason.contains("bad syntax"), "{reason}");
    assert_eq!((stage.read("a.js").as_str(), stage.read("b.js").as_str()), ("x", "y"));
    assert!(!stage.tree.path().join("c.js").exists());
}

#[tokio::test]
async fn a_repair_that_changes_nothing_or_is_not_there_is_declined() {
    let mut stage = drifted();
    stage.program("node_modules/.bin/prettier", "#!/bin/sh\nexit 0\n");
    let reason = declined(stage.playbook().await);
    assert!(reason.contains("changed nothing"), "{reason}");
    fs::remove_dir_all(stage.tree.path().join("node_modules")).unwrap();
    let empty = tempfile::tempdir().unwrap();
    stage.path = empty.path().into();
    let reason = declined(stage.playbook().await);
    assert!(reason.contains("not installed"), "{reason}");
}
