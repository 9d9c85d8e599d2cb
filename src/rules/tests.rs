//! Every key of seed 001's file: what is honoured, what is refused, and at which line.
use super::*;

/// Seed 001's own file, shortened in its descriptions alone.
const SEED: &str = r#"# Auto-Healing Configuration
enabled: true
monitored_workflows:
  - "*"
excluded_workflows:
  - "Auto-Heal Workflow Failures"
  - "Weekly Documentation Maintenance"
max_heal_attempts_per_day: 3
require_manual_approval: false
auto_merge_on_success: false
labels:
  issues:
    - "auto-heal"
    - "workflow-failure"
    - "automated"
  pull_requests: ["auto-heal", "automated-fix", "needs-review"]
notifications:
  create_issue: true
  mentions:
    "Docker Build": ["@ann", "acme/ci-team"]
    default: []
copilot:
  enabled: true
  model: "gpt-4"
  temperature: 0.2
  include_context:
    - "README.md"
    - ".github/workflows/*.yml"
analysis:
  max_log_lines: 200
  error_keywords: ["error", "failed", "exit code"]
  failure_patterns:
    - pattern: "no space left on device"
      suggestion: "Add disk cleanup step"
    - pattern: "docker.*build.*failed"
      suggestion: "Look at the Dockerfile"
branch_naming:
  prefix: "auto-heal"
  include_workflow_id: true
  include_timestamp: true
pull_request:
  title_template: "🤖 Auto-Heal: Fix {workflow_name} Failure (Run #{run_id})"
  description_template: |
    ## Fix
    {workflow_name} on {branch}: {failed_jobs_count} job(s), #{issue_number}
    {changes_description}
  draft: true
  reviewers: []
  team_reviewers: []
retry:
  retry_on_merge: true
  retry_delay: 5
logging:
  retention_days: 30
  include_full_logs: true
  generate_reports: true
security:
  trusted_branches:
    - "main"
    - "develop"
  require_code_review: true
  run_security_scans: true
  max_file_changes: 20
"#;

fn read(text: &str) -> Result<(Rules, Vec<Remark>), RuleError> {
    Rules::read(text.as_bytes())
}

/// Returns the error about a text that must not be read.
fn refused(text: &str) -> RuleError {
    read(text).map(|_| ()).expect_err(text)
}

fn rules(text: &str) -> Rules {
    read(text).unwrap_or_else(|error| panic!("{error}\n{text}")).0
}

#[test]
fn the_file_of_seed_001_is_read() {
    let (rules, remarks) = read(SEED).unwrap();
    assert!(rules.is_enabled && !rules.needs_approval && rules.notifications.creates_issue);
    assert_eq!((rules.heals_per_day, rules.max_file_changes), (Some(3), 20));
    assert_eq!(rules.labels.issues, ["auto-heal", "workflow-failure", "automated"]);
    assert_eq!(rules.labels.pull_requests, ["auto-heal", "automated-fix", "needs-review"]);
    assert_eq!(rules.notifications.mentions("docker build"), ["ann", "acme/ci-team"]);
    assert!(rules.notifications.mentions("Tests").is_empty());
    assert_eq!(rules.copilot.include_context, ["README.md", ".github/workflows/*.yml"]);
    assert!(rules.copilot.is_enabled);
    assert_eq!((rules.analysis.max_log_lines, rules.analysis.error_keywords.len()), (200, 3));
    let pattern = &rules.analysis.failure_patterns[1];
    assert!(pattern.pattern.is_match("Docker image BUILD has failed"), "upper and lower case are the same");
    assert_eq!(pattern.suggestion, "Look at the Dockerfile");
    let naming = &rules.branch_naming;
    assert_eq!((naming.prefix.as_str(), naming.has_workflow_id, naming.has_timestamp), ("auto-heal", true, true));
    let pull_request = &rules.pull_request;
    assert!(pull_request.is_draft && pull_request.reviewers.is_empty() && pull_request.team_reviewers.is_empty());
    let title = pull_request.title.as_ref().unwrap().fill(|it| format!("{it:?}"));
    assert_eq!(title, "🤖 Auto-Heal: Fix WorkflowName Failure (Run #RunId)");
    let description = pull_request.description.as_ref().unwrap().fill(|it| format!("{it:?}"));
    assert!(description.ends_with("Branch: FailedJobsCount job(s), #IssueNumber\nChangesDescription"), "{description}");
    assert!(rules.retry.is_on_merge && rules.retry.delay == Duration::from_mins(5));
    let logging = &rules.logging;
    assert!(logging.keeps_full_logs && logging.writes_reports && logging.retention_days == 30);
    let lines: Vec<(u32, bool)> = remarks.iter().map(|it| (it.line, it.message.contains("no effect"))).collect();
    assert_eq!(lines, [(24, true), (25, true), (62, true)], "model, temperature, run_security_scans");
}

#[test]
fn without_a_file_the_defaults_hold() {
    for text in ["", "\n", "# nothing\n", "---\n", "{}\n", "labels:\nretry:\nreviewers_are_elsewhere: {}\n"] {
        let read = read(text);
        if text.contains("elsewhere") {
            assert_eq!(read.unwrap_err().line, 3, "a section without keys is none");
            continue;
        }
        let (rules, remarks) = read.unwrap();
        assert!(remarks.is_empty() && rules.is_enabled && rules.pull_request.is_draft);
        assert_eq!((rules.heals_per_day, rules.branch_naming.prefix.as_str()), (None, "heal"));
        assert_eq!((rules.retry.is_on_merge, rules.max_file_changes), (false, 20));
        assert_eq!(rules.analysis.error_keywords.len(), 9);
        assert_eq!(rules.labels.issues[0], "auto-heal");
        assert!(rules.is_trusted("trunk", "trunk") && rules.is_trusted("develop", "trunk"));
        assert!(!rules.is_trusted("feature", "trunk") && rules.pull_request.title.is_none());
    }
}

/// Writes a value for a key with dots at its place; the value is at the last line.
fn written(key: &str, value: &str) -> (String, u32) {
    match key.split_once('.') {
        Some((section, name)) => (format!("{section}:\n  {name}: {value}\n"), 2),
        None => (format!("{key}: {value}\n"), 1),
    }
}

#[test]
fn every_key_takes_what_is_right_and_refuses_the_rest_with_its_line() {
    let long = "x".repeat(201);
    let many = format!("[{}]", ["a"; 201].join(", "));
    let table: &[(&str, &[&str], &[&str])] = &[
        ("enabled", &["true", "false"], &["yes", "1", "[]"]),
        ("monitored_workflows", &["[\"*\"]", "[CI, \"Deploy *\"]", "[]"], &["\"*\"", "[\"\"]", &many]),
        ("excluded_workflows", &["[]", "[\".github/workflows/x.yml\"]", "[\"a [b\"]"], &["{a: b}", "[[a]]"]),
        ("max_heal_attempts_per_day", &["0", "-1", "3"], &["-2", "1001", "3.5", "many", "99999999999999999999"]),
        ("require_manual_approval", &["true", "false"], &["maybe"]),
        ("auto_merge_on_success", &["false"], &["true", "never"]),
        ("labels.issues", &["[]", "[a, \"b c\"]"], &["a", "[\"a,b\"]", "[\"\"]", "[\"a\\nb\"]"]),
        (
            "labels.pull_requests",
            &["[x]"],
            &["[\"a\\u001bb\"]", "[\"12345678901234567890123456789012345678901234567890x\"]"],
        ),
        ("notifications.create_issue", &["false"], &["0"]),
        (
            "notifications.mentions",
            &["{}", "{CI: [ann, \"@bob\", acme/team]}"],
            &["[ann]", "{CI: [\"a b\"]}", "{CI: [\"-x\"]}", "{CI: [a/b/c]}"],
        ),
        ("copilot.enabled", &["false"], &["off"]),
        ("copilot.model", &["gpt-4", "\"x\""], &["[x]"]),
        ("copilot.temperature", &["0.2", "1"], &["warm"]),
        (
            "copilot.include_context",
            &["[README.md, \"docs/*.md\"]"],
            &["[/etc/passwd]", "[../x]", "[\"**/*.py\"]", "[\"a\\\\b\"]", "[\"[a\"]"],
        ),
        ("analysis.max_log_lines", &["1", "5000"], &["0", "5001", "-1"]),
        ("analysis.error_keywords", &["[]", "[boom]"], &["boom", "[\"\"]"]),
        (
            "analysis.failure_patterns",
            &["[]", "[{pattern: \"a.*b\", suggestion: c}]"],
            &[
                "[{pattern: \"(\", suggestion: c}]",
                "[{pattern: a}]",
                "[{pattern: a, suggestion: b, more: c}]",
                "[{pattern: \"(a{1000}){1000}\", suggestion: c}]",
                "[{pattern: \"\", suggestion: c}]",
            ],
        ),
        (
            "branch_naming.prefix",
            &["heal", "auto-heal", "a.b_c"],
            &[
                "\"-x\"",
                "a/b",
                "Heal",
                "a..b",
                "x.lock",
                "copilot",
                "\"\"",
                "a234567890123456789012345678901234567890b",
            ],
        ),
        ("branch_naming.include_workflow_id", &["true"], &["2"]),
        ("branch_naming.include_timestamp", &["true"], &["[]"]),
        (
            "pull_request.title_template",
            &["\"Fix {workflow_name}\"", "plain"],
            &["\"{who}\"", "\"a\\nb\"", "\"\"", &long],
        ),
        ("pull_request.description_template", &["\"{changes_description}\\n\\n{branch}\""], &["\"{x}\"", "{a: b}"]),
        ("pull_request.draft", &["false"], &["sometimes"]),
        ("pull_request.reviewers", &["[ann]"], &["[acme/team]", "[\"a b\"]", "ann"]),
        ("pull_request.team_reviewers", &["[ci-team]"], &["[\"$(id)\"]"]),
        ("retry.retry_on_merge", &["true"], &["7"]),
        ("retry.retry_delay", &["0", "1440"], &["-1", "1441", "5m"]),
        ("logging.retention_days", &["1", "400"], &["0", "401"]),
        ("logging.include_full_logs", &["false"], &["\"no\""]),
        ("logging.generate_reports", &["false"], &["~x"]),
        ("security.trusted_branches", &["[main, \"release/*\"]", "[]"], &["main", "[\"a[\"]"]),
        ("security.require_code_review", &["true"], &["false"]),
        ("security.run_security_scans", &["true", "false"], &["deep"]),
        ("security.max_file_changes", &["1", "20"], &["0", "21"]),
    ];
    let keys: Vec<&str> = table.iter().map(|(key, ..)| *key).collect();
    assert_eq!(keys, KEYS, "the table has every key");
    for (key, good, bad) in table {
        for value in *good {
            rules(&written(key, value).0);
        }
        for value in *bad {
            let (text, line) = written(key, value);
            let error = refused(&text);
            assert_eq!(error.line, line, "{text}: {error}");
            assert!(!error.message.is_empty() && !error.message.contains('\n'), "{error:?}");
        }
    }
}

#[test]
fn what_is_refused_says_what_to_do() {
    let deep = format!("monitored_workflows: {}{}\n", "[".repeat(200), "]".repeat(200));
    let bomb = "monitored_workflows: &a [x, x, x, x, x]\nexcluded_workflows: [*a, *a, *a, *a, *a]\n";
    for (text, line, says) in [
        ("enabled: true\n\nautomerge: true\n", 3, "`automerge` is no key"),
        ("failure_patterns:\n  - pattern: x\n", 1, "belongs below `analysis:`"),
        ("security:\n  enabled: true\n", 2, "copilot"),
        ("enabled: true\nauto_merge_on_success: true\n", 2, "never merges by itself"),
        ("security:\n  trusted_branches: [main]\n  require_code_review: false\n", 3, "write true"),
        ("enabled: true\nenabled: false\n", 2, "second time"),
        ("labels:\n  issues: [a]\n  issues: [b]\n", 3, "second time"),
        (bomb, 1, "anchors and aliases"),
        ("enabled: *x\n", 1, ""),
        ("retry: {retry_delay: 5}\n<<: {enabled: true}\n", 2, "`<<`"),
        ("enabled: true\n---\nenabled: false\n", 2, "second document"),
        (&deep, 1, "nested too deeply"),
        ("enabled: yes\n", 1, "true or false"),
        ("labels:\n  issues: a\n", 2, "a list is wanted"),
        ("notifications:\n  mentions: [a]\n", 2, "keys are wanted"),
        ("max_heal_attempts_per_day: 3.5\n", 1, "whole number"),
        ("retry:\n\tretry_delay: 5\n", 2, "tab"),
        ("retry:\n\t\tretry_delay: 5\n", 2, "tab"),
        ("enabled: !!python/object x\n", 1, ""),
        ("enabled: true\nmonitored_workflows: [\"a\"\nx: y\n", 3, ""),
        ("enabled: true\u{0}\n", 1, "U+0000"),
        ("# a\n# \u{1b}[31m\n", 2, "U+001B"),
        ("- a\n- b\n", 1, ""),
        ("just words\n", 1, ""),
        (
            "pull_request:\n  description_template: |\n    fine\n    {branch} {secret}\n",
            4,
            "`{secret}` stands for nothing",
        ),
        ("security:\n  trusted_branches:\n    - \"[x\"\n", 3, "`[x` is no pattern"),
    ] {
        let error = refused(text);
        assert!(error.message.contains(says), "{text}: {error}");
        assert_eq!(error.line, line, "{text}: {error}");
        assert!(!error.message.is_empty() && error.message.chars().count() <= 500, "{error}");
        assert_eq!(error.to_string(), format!("line {line}: {}", error.message));
    }
}

#[test]
fn a_tab_in_a_text_is_a_tab() {
    let rules = rules("pull_request:\n  description_template: |\n    make:\n    \tall\n");
    assert_eq!(rules.pull_request.description.unwrap().fill(|_| String::new()), "make:\n\tall");
}

#[test]
fn bytes_of_any_kind_are_bounded() {
    let large = "enabled: true\n".repeat(80_000);
    assert!(large.len() > 1 << 20);
    let error = refused(&large);
    assert!(error.line > 4_000 && error.message.contains("64 KiB"), "{error}");
    let error = Rules::read(b"enabled: true\n# caf\xe9\n").unwrap_err();
    assert_eq!((error.line, error.message.contains("UTF-8")), (2, true));
    assert!(Rules::read(b"\xef\xbb\xbfenabled: false\r\n").is_ok_and(|(it, _)| !it.is_enabled));
    // Just below the bound, and as nasty as it gets.
    for text in [
        "[".repeat(MAX_BYTES),
        "{a: ".repeat(MAX_BYTES / 4),
        "- ".repeat(MAX_BYTES / 2),
        "? ".repeat(MAX_BYTES / 2),
        "a: ".repeat(MAX_BYTES / 3),
        "&a ".repeat(MAX_BYTES / 3),
        "\"".repeat(MAX_BYTES),
        "|\n ".repeat(MAX_BYTES / 3),
        format!("monitored_workflows: [{}]", "a,".repeat(MAX_BYTES / 2 - 20)),
        format!("monitored_workflows: [\"{}\"]", "{a,".repeat(20_000)),
        format!("labels: {{issues: [{}]}}", "x".repeat(MAX_BYTES - 100)),
    ] {
        assert!(read(&text).is_err(), "{}", &text[..20]);
    }
}

proptest::proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        let _ = Rules::read(&bytes);
    }

    #[test]
    fn no_text_like_it_makes_it_panic(text in "([a-z_]{1,12}: ?|\\[|\\]|\\{|\\}|- |\n|  |\"|'|&a|\\*a|\\||é|\t){0,60}") {
        if let Err(error) = Rules::read(text.as_bytes()) {
            proptest::prop_assert!(error.line >= 1 && (error.line as usize) <= text.lines().count().max(1) + 1);
        }
    }
}

#[test]
fn remarks_name_what_is_accepted_without_effect() {
    let (_, remarks) = read("monitored_workflows: []\nsecurity:\n  trusted_branches: [main, \"*\"]\n").unwrap();
    assert_eq!(remarks.iter().map(|it| it.line).collect::<Vec<_>>(), [1, 3]);
    assert!(remarks[1].to_string().starts_with("line 3: every branch is trusted"));
}

#[test]
fn a_build_is_healed_kept_here_or_left_alone() {
    let rules = rules(
        "monitored_workflows: [\"CI*\", \".github/workflows/deploy.yml\"]\nexcluded_workflows: [\"ci nightly\"]\n\
         branch_naming: {prefix: auto-heal}\nsecurity: {trusted_branches: [\"release/*\"]}\n",
    );
    let ci = Build {
        workflow: "CI",
        workflow_path: ".github/workflows/ci.yml",
        branch: "main",
        default_branch: "main",
        is_fork: false,
    };
    assert_eq!(rules.treatment(&ci), Treatment::Heal);
    assert_eq!(rules.treatment(&Build { branch: "release/1.2", ..ci }), Treatment::Heal);
    let deploy = Build { workflow: "x / y", workflow_path: ".github/workflows/deploy.yml", ..ci };
    assert_eq!(rules.treatment(&deploy), Treatment::Heal);
    assert_eq!(rules.treatment(&Build { workflow: "ci / unit", ..ci }), Treatment::Heal, "`*` is any text");
    let patch_only = |build: Build<'_>| matches!(rules.treatment(&build), Treatment::PatchOnly(_));
    assert!(patch_only(Build { branch: "feature", ..ci }));
    assert!(patch_only(Build { branch: "release/1/2", ..ci }));
    assert!(patch_only(Build { is_fork: true, ..ci }));
    for (build, why) in [
        (Build { workflow: "CI Nightly", ..ci }, "excluded_workflows"),
        (Build { workflow: "Docs", workflow_path: ".github/workflows/docs.yml", ..ci }, "monitored_workflows"),
        (Build { branch: "heal/12345678-abcdef01", ..ci }, "ours"),
        (Build { branch: "auto-heal/12345678-abcdef01", ..ci }, "ours"),
        (Build { workflow: "CI", workflow_path: ".github/workflows/paramedic-heal.yml", ..ci }, "ours"),
    ] {
        assert!(matches!(rules.treatment(&build), Treatment::Leave(it) if it.contains(why)), "{build:?}");
    }
    let person = Build { branch: "auto-heal/login", ..ci };
    assert!(patch_only(person), "a person's branch is none of ours, whatever its prefix");
    let off = self::rules("enabled: false\n");
    assert!(matches!(off.treatment(&ci), Treatment::Leave(it) if it.contains("off")));
}

#[test]
fn a_branch_of_ours_is_known_by_its_name() {
    for branch in ["heal/1a2b3c4d-deadbeef", "heal/1a2b3c4d-deadbeef-w12-1772323200-r2", "heal/revert-1a2b3c4d"] {
        assert!(is_heal_branch("heal", branch), "{branch}");
    }
    for branch in [
        "heal/mine",
        "heal/1a2b3c4d",
        "healing/1a2b3c4d-deadbeef",
        "main",
        "heal/revert-me",
        "heal/1a2b3c4d-deadbeef/x",
    ] {
        assert!(!is_heal_branch("heal", branch), "{branch}");
    }
}
