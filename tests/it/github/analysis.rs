//! What is read out of a red run, whatever state its logs are in.
use super::watch::{Place, SHOP, log};
use crate::support::github::{Fault, RunSpec, TOKEN};
use paramedic::domain::{Category, CiRun};
use paramedic::engine::analysis::{Analysis, Analyst};
use paramedic::forge::Reads;
use paramedic::rules::Rules;
use serde_json::{Value, json};
use std::io::{Cursor, Write as _};
use std::sync::Arc;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

impl Place {
    async fn read(&self, id: u64, rules: &str) -> Analysis {
        let reads: Arc<dyn Reads> = Arc::new(self.fake.client());
        let run: CiRun = reads.run(SHOP, id).await.unwrap();
        let rules = Rules::read(rules.as_bytes()).unwrap().0;
        Analyst::new(&self.engine, reads).analyse(SHOP, &run, &rules, "main").await.unwrap()
    }

    fn no_logs(&self) {
        self.fake.always("GET /repos/acme/shop/actions/jobs", Fault::status(404));
    }
}

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn file(analysis: &Analysis, name: &str) -> String {
    let found = analysis.artifacts.iter().find(|it| it.name == name).unwrap();
    String::from_utf8(found.bytes.clone()).unwrap()
}

#[tokio::test]
async fn failed_jobs_steps_and_logs_are_told_in_the_words_of_the_seed() {
    let place = Place::new().await;
    place.fake.commit(SHOP, "main", &[("README.md", "# Shop"), (".github/workflows/ci.yml", "on: push"), ("x.py", "")]);
    let failing = log("add");
    let jobs = [
        ("lint", "success", &b"fine"[..]),
        ("done", "failure", b"##[error]one of the jobs failed\n"),
        ("test", "failure", failing.as_bytes()),
    ];
    let id = place.fake.run(SHOP, &RunSpec { jobs: &jobs, ..RunSpec::default() });
    let rules = "copilot: {include_context: [README.md, '.github/workflows/*.yml', gone.txt]}\nanalysis: {failure_patterns: [{pattern: 'AssertionError: a.d', suggestion: 'look at the sum'}]}\n";
    let analysis = place.read(id, rules).await;
    assert_eq!(analysis.failure.error_type, "AssertionError");
    assert_eq!(analysis.failure.files, ["add.py"]);
    assert_eq!(analysis.suggestions, ["look at the sum"]);
    assert_eq!(analysis.jobs.iter().map(|it| it.job.name.as_str()).collect::<Vec<_>>(), ["done", "test"]);
    let told: Value = serde_json::from_str(&file(&analysis, "failure_analysis.json")).unwrap();
    assert_eq!(told["failed_jobs"][1]["steps"], json!([{ "name": "Run tests", "conclusion": "failure", "number": 2 }]));
    assert_eq!(told["failed_jobs_count"], 2);
    assert!(told["failure_details"][1]["error_logs"].as_str().unwrap().contains("AssertionError: add"));
    let prompt = file(&analysis, "copilot_healing_prompt.md");
    assert!(prompt.contains("# Shop") && prompt.contains("on: push") && !prompt.contains("gone.txt"), "{prompt}");
    assert!(file(&analysis, "failure_report.md").contains("look at the sum"));
    assert!(String::from_utf8(analysis.log.bytes).unwrap().contains("FAIL: test_add"));
}

#[tokio::test]
async fn of_too_many_failed_jobs_those_that_differ_are_read_and_the_others_counted() {
    let place = Place::new().await;
    let failing = log("add");
    let legs: Vec<String> = (10..40).map(|n| format!("test (linux, {n})")).collect();
    let mut jobs: Vec<(&str, &str, &[u8])> =
        legs.iter().map(|it| (it.as_str(), "failure", &b"one of many\n"[..])).collect();
    jobs.push(("unit", "failure", failing.as_bytes()));
    let id = place.fake.run(SHOP, &RunSpec { jobs: &jobs, ..RunSpec::default() });
    let analysis = place.read(id, "").await;
    assert_eq!((analysis.jobs.len(), analysis.failure.error_type.as_str()), (20, "AssertionError"));
    assert!(
        analysis
            .notes
            .iter()
            .any(|it| it.starts_with("11 more jobs failed, their logs were not read: test (linux, 29)")),
        "{:?}",
        analysis.notes
    );
    let told: Value = serde_json::from_str(&file(&analysis, "failure_analysis.json")).unwrap();
    assert_eq!((&told["failed_jobs_count"], &told["paramedic"]["unread_jobs_count"]), (&31.into(), &11.into()));
    assert!(file(&analysis, "failure_report.md").contains("31, the logs of 11 were not read"));
    assert!(file(&analysis, "healing_context.json").contains("\"failed_jobs_count\": \"31\""));
}

#[tokio::test]
async fn a_log_that_is_gone_comes_from_the_archive() {
    let place = Place::new().await;
    let id = place.fake.red_run(SHOP, "CI", "main", "");
    place.no_logs();
    let steps = zipped(&[
        ("build/2_Run tests.txt", log("add").as_bytes()),
        ("../../etc/x", b"y"),
        ("build/1_Set up.txt", b"hello\n"),
    ]);
    place.fake.state().shop().add_archive(id, 1, steps);
    let analysis = place.read(id, "").await;
    assert_eq!((analysis.failure.error_type.as_str(), analysis.lacks_log), ("AssertionError", false));
    assert!(analysis.notes.iter().any(|it| it.contains("from the archive")), "{:?}", analysis.notes);
    assert!(analysis.log.bytes.starts_with(b"hello\n"), "in the order of the steps");
}

#[tokio::test]
async fn what_has_no_log_at_all_is_known_by_its_steps_and_marks() {
    for with_archive in [false, true] {
        let place = Place::new().await;
        let id = place.fake.red_run(SHOP, "CI", "main", "");
        if with_archive {
            place.no_logs();
            place.fake.state().shop().add_archive(id, 1, b"this is no archive".to_vec());
        }
        let job = place.fake.state().shop().jobs[0]["id"].as_u64().unwrap();
        let mark = |level: &str, message: &str| json!({ "path": "src/a.py", "start_line": 7, "end_line": 7, "annotation_level": level, "title": "", "message": message, "raw_details": null, "blob_href": "" });
        let marks = vec![mark("failure", "KeyError: 'apples'"), mark("warning", "ValueError: old")];
        place.fake.state().shop().annotations.insert(job, marks);
        let analysis = place.read(id, "").await;
        assert!(analysis.lacks_log && analysis.notes.iter().any(|it| it.contains("no log of job build")));
        let log = String::from_utf8(analysis.log.bytes).unwrap();
        assert!(
            log.contains("src/a.py:7: KeyError: 'apples'") && log.contains("step Run tests") && !log.contains("old")
        );
        assert!(!analysis.failure.hash.is_empty());
    }
}

#[tokio::test]
async fn a_workflow_that_could_not_start_is_said_to_be_one() {
    let place = Place::new().await;
    let id = place.fake.run(SHOP, &RunSpec { conclusion: Some("startup_failure"), ..RunSpec::default() });
    let analysis = place.read(id, "").await;
    assert!(analysis.jobs.is_empty() && analysis.failure.summary.contains("could not start"), "{analysis:?}");
}

#[tokio::test]
async fn steps_without_names_and_hostile_bytes_do_no_harm() {
    let place = Place::new().await;
    let mut hostile = b"\xff\xfe\x00\x1b]0;owned\x07\x1b[2J\xe2\x80\xae``` @everyone <script>\r\r\n".to_vec();
    hostile.extend(log("add").replace("add", "``` @all \u{202e} add").bytes());
    hostile.extend(format!("token {TOKEN}\n").bytes());
    hostile.extend(vec![b'x'; 3 << 20]);
    let jobs = [("build \u{1b}[31m | `x`\n", "failure", hostile.as_slice())];
    let id = place.fake.run(SHOP, &RunSpec { jobs: &jobs, ..RunSpec::default() });
    {
        let mut state = place.fake.state();
        let job = &mut state.shop().jobs[0];
        job["steps"] = json!([{ "status": "completed", "conclusion": "failure" }, 7, null]);
    }
    let analysis = place.read(id, "").await;
    assert_eq!(analysis.jobs[0].failed_steps().next().unwrap().name, "UNKNOWN STEP");
    for it in &analysis.artifacts {
        let text = String::from_utf8(it.bytes.clone()).unwrap();
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\0']), "{}", it.name);
        assert!(!text.contains(TOKEN), "{}", it.name);
    }
    assert!(!String::from_utf8_lossy(&analysis.log.bytes).contains(TOKEN));
    // Whatever the log says, it stays in its block.
    let report = file(&analysis, "failure_report.md");
    let mut fence = None;
    for line in report.lines() {
        match fence {
            None if line.starts_with("```") => fence = Some(line.trim_end_matches(char::is_alphabetic).to_owned()),
            None => assert!(!line.contains("@all") || line.contains('`'), "{line}"),
            Some(ref end) if line == end => fence = None,
            Some(_) => {}
        }
    }
}

#[tokio::test]
async fn a_log_of_80_megabytes_is_read_whole_and_kept_in_part() {
    let place = Place::new().await;
    let line = format!("2026-11-20T10:00:00.1234567Z {}\n", "all is well and nothing happens here ".repeat(100));
    let mut long = line.repeat((80 << 20) / line.len()).into_bytes();
    long.extend(log("add").bytes());
    let n = long.len() as u64;
    let id = place.fake.run(SHOP, &RunSpec { jobs: &[("build", "failure", &long)], ..RunSpec::default() });
    let analysis = place.read(id, "").await;
    assert_eq!((analysis.failure.error_type.as_str(), analysis.failure.total_bytes), ("AssertionError", n));
    assert!(analysis.log.bytes.len() <= (8 << 20) + 200 && analysis.log.dropped_bytes > 70 << 20);
    // The end of it in an archive, where it is next to nothing.
    place.no_logs();
    let end = &long[long.len() - (20 << 20)..];
    place.fake.state().shop().add_archive(id, 1, zipped(&[("0_build.txt", end)]));
    let archived = place.read(id, "").await;
    assert_eq!((archived.failure.hash, archived.failure.total_bytes), (analysis.failure.hash, 20 << 20));
}

/// Returns the most memory that the process had since it was last asked, and what it has now, in bytes.
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|it| it.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
    };
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    (field("VmHWM:"), field("VmRSS:"))
}

#[tokio::test]
#[ignore = "measures the whole process: run it alone, with --ignored"]
async fn archives_of_80_megabytes_and_bombs_take_little_memory() {
    let place = Place::new().await;
    place.no_logs();
    let hex = |n: u64| paramedic::domain::Digest::of(n.to_string());
    let part: Vec<String> = (0..60_000_u64).map(|n| format!("2026-11-20T10:00:00.1234567Z {}\n", hex(n))).collect();
    let log = part.concat() + &log("add");
    let names: Vec<String> = (0..20).map(|n| format!("job {n}")).collect();
    let jobs: Vec<_> = names.iter().map(|it| (it.as_str(), "failure", &b""[..])).collect();
    let run = async |what: &str, zip: Vec<u8>| {
        let id = place.fake.run(SHOP, &RunSpec { jobs: &jobs, ..RunSpec::default() });
        let n_bytes = zip.len();
        place.fake.state().shop().add_archive(id, 1, zip);
        let before = memory().1;
        let analysis = place.read(id, "").await;
        let peak = memory().0 - before;
        assert!(peak < 150 << 20, "{what}: an archive of {} MB took {} MB", n_bytes >> 20, peak >> 20);
        analysis
    };
    let files: Vec<(String, &[u8])> =
        names.iter().enumerate().map(|(n, it)| (format!("{n}_{it}.txt"), log.as_bytes())).collect();
    let mut files: Vec<(&str, &[u8])> = files.iter().map(|(name, log)| (name.as_str(), *log)).collect();
    files.push(("../../etc/passwd", b"evil"));
    assert!(files.iter().map(|it| it.1.len()).sum::<usize>() > 80 << 20);
    let analysis = run("many jobs", zipped(&files)).await;
    assert_eq!((analysis.jobs.len(), analysis.failure.error_type.as_str()), (20, "AssertionError"));
    let bomb = "all is well and nothing happens here\n".repeat((300 << 20) / 37).into_bytes();
    let bomb = zipped(&[("0_job 0.txt", bomb.as_slice()), ("1_job 1.txt", log.as_bytes())]);
    assert!(bomb.len() < 4 << 20);
    let analysis = run("a bomb", bomb).await;
    assert!(analysis.notes.iter().any(|it| it.contains("only the first")), "{:?}", analysis.notes);
}

#[tokio::test]
async fn an_error_hides_a_green_log_from_one_reading_alone() {
    let place = Place::new().await;
    let green = place.fake.green_run(SHOP, "CI", "main");
    let id = place.fake.red_run(SHOP, "CI", "main", &log("add"));
    let reads: Arc<dyn Reads> = Arc::new(place.fake.client());
    let run: CiRun = reads.run(SHOP, id).await.unwrap();
    let (rules, analyst) = (Rules::default(), Analyst::new(&place.engine, reads));
    let jobs = format!("GET /repos/acme/shop/actions/runs/{green}/attempts/1/jobs");
    place.fake.next(&jobs, Fault::said(403, "Resource not accessible"));
    for n_asked in [1, 2, 2] {
        analyst.analyse(SHOP, &run, &rules, "main").await.unwrap();
        assert_eq!(place.fake.count(&jobs), n_asked);
    }
}

#[tokio::test]
async fn what_is_green_is_left_out_and_the_hash_stays() {
    let place = Place::new().await;
    let noise = "ERROR: cache 17 is cold, going on without it\n".repeat(600);
    let red = format!("{noise}{}", log("add"));
    let id = place.fake.red_run(SHOP, "CI", "main", &red);
    let rules = "analysis: {max_log_lines: 40}";
    let alone = place.read(id, rules).await;
    let green = [("build", "success", noise.as_bytes())];
    place.fake.run(SHOP, &RunSpec { conclusion: Some("success"), jobs: &green, ..RunSpec::default() });
    let beside = place.read(id, rules).await;
    let cold = |it: &Analysis| it.failure.reduced_log.matches("is cold").count();
    assert!(cold(&alone) > cold(&beside), "{} {}", cold(&alone), cold(&beside));
    assert_eq!((alone.failure.hash, alone.failure.lines), (beside.failure.hash, beside.failure.lines));
}

#[tokio::test]
async fn test_reports_speak_where_the_log_does_not() {
    let place = Place::new().await;
    let id = place.fake.red_run(SHOP, "CI", "main", "##[error]Process completed with exit code 1.\n");
    let xml = b"<testsuite><testcase classname='m' name='a'><failure>KeyError: 1</failure></testcase><testcase classname='m' name='b'/></testsuite>";
    let zip = zipped(&[("out/TEST-m.xml", xml), ("out/readme.txt", b"no")]);
    place.fake.state().shop().add_artifact(5, id, "JUnit-results", zip);
    place.fake.state().shop().add_artifact(6, id, "junit-broken", b"no archive".to_vec());
    let report = place.read(id, "").await.failure.report.unwrap();
    assert_eq!((report.total, report.failing()), (Some(2), vec!["m.a".to_owned()]));
    assert!(place.fake.writes().is_empty());
}

#[tokio::test]
async fn a_kind_that_is_for_people_is_seen_in_ci_log() {
    let place = Place::new().await;
    let id = place.fake.red_run(SHOP, "CI", "main", "fatal: Authentication failed for 'https://github.com/x/y/'\n");
    assert_eq!(place.read(id, "").await.failure.category, Category::Auth);
}
