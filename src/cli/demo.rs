//! `paramedic demo`: makes the stories' repositories, heals them for real, and opens the console on them.
use crate::cli::Context;
use crate::cli::error::{CliError, Ended, FAILED, OK};
use crate::cli::follow::Progress;
use crate::cli::out;
use crate::cli::signals::Signals;
use crate::demo::{Expected, Story, stories};
use crate::domain::{RunDetail, Status};
use crate::wiring::{App, LocalOrder};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    name: String,
    about: String,
    expected: Expected,
    as_expected: bool,
    run: RunDetail,
}

#[derive(Debug, Serialize)]
struct Skipped {
    name: String,
    reason: String,
}

#[derive(Debug, Serialize)]
struct Report {
    stories: Vec<Told>,
    skipped: Vec<Skipped>,
}

pub(super) async fn run(context: &Context, is_headless: bool, dir: Option<&Path>) -> Ended {
    context.local()?;
    let place = Place::new(dir)?;
    let mut config = context.config.clone();
    config.data_dir = place.path.join("state");
    let app = App::open(&config, &context.environment).await.map_err(CliError::failed)?;
    let stories = stories().map_err(CliError::failed)?;
    out::note(&format!("{} stories in {}", stories.len(), place.path.display()));
    let mut report = Report { stories: Vec::new(), skipped: Vec::new() };
    let total = stories.len();
    for (idx, story) in stories.iter().enumerate() {
        let missing = missing_program(&app, story).await;
        if let Some(program) = missing {
            out::note(&format!("[{}/{total} {}] left out: {program} is not installed", idx + 1, story.name));
            report.skipped.push(Skipped { name: story.name.clone(), reason: format!("{program} is not installed") });
            continue;
        }
        out::note(&format!("[{}/{total} {}] {}", idx + 1, story.name, story.about));
        let told = Box::pin(tell(&app, story, &place.path, config.max_attempts)).await?;
        let mark = if told.as_expected { "as told" } else { "NOT as told" };
        out::note(&format!("[{}/{total} {}] {} {mark}", idx + 1, story.name, outcome(&told.run)));
        report.stories.push(told);
    }
    let is_all_told = report.stories.iter().all(|it| it.as_expected) && !report.stories.is_empty();
    if context.is_json {
        out::json(&report);
    } else {
        out::line(summary(&report).trim_end());
    }
    if !is_headless && out::is_terminal() && !context.is_json {
        let demo = Context { config, environment: context.environment.clone(), is_json: false, color: context.color };
        Box::pin(crate::cli::console::run(&demo, None, None)).await?;
    }
    if dir.is_some() {
        out::note(&format!("kept in {0}; look again with: paramedic --data-dir {0}/state", place.path.display()));
    }
    Ok(if is_all_told { OK } else { FAILED })
}

async fn tell(app: &App, story: &Story, place: &Path, max_attempts: u32) -> Result<Told, CliError> {
    let repo = place.join("repositories").join(&story.name);
    let failed = |it: std::io::Error| CliError::failed(format!("story {}: {it}", story.name));
    story.build(&repo, &app.engine.launcher).await.map_err(failed)?;
    let order = story.order().map_err(CliError::failed)?;
    let (run, _) = app.engine.take_in(&LocalOrder { repo: &repo, order, max_attempts }).await?;
    let worker = app.worker();
    let shutdown = CancellationToken::new();
    let mut progress = Progress::new(app.backlog.as_ref(), run.id).with_prefix("    ".to_owned());
    let work = worker.follow(run.id, &shutdown);
    tokio::pin!(work);
    let mut signals = Signals::listen()?;
    let ended = tokio::select! {
        ended = &mut work => ended,
        error = progress.endlessly() => return Err(error.into()),
        _ = signals.next() => {
            shutdown.cancel();
            let _ = work.await;
            return Err(CliError { code: 130, text: "stopped".to_owned() });
        }
    };
    progress.clear();
    let run = ended?;
    progress.step().await?;
    progress.clear();
    let detail = app.backlog.run(run.id).await?;
    Ok(Told {
        name: story.name.clone(),
        about: story.about.clone(),
        expected: story.expected.clone(),
        as_expected: story.expected.is_met_by(&run),
        run: detail,
    })
}

/// Returns the first program a story needs that does not run here.
async fn missing_program(app: &App, story: &Story) -> Option<String> {
    for program in &story.needs {
        if crate::wiring::version_of(&app.engine.launcher, program).await.is_none() {
            return Some(program.clone());
        }
    }
    None
}

fn outcome(detail: &RunDetail) -> String {
    let run = &detail.run;
    let recorded = if detail.attempts.iter().any(|it| it.recorded) { ", recorded answers" } else { "" };
    match (run.status, run.escalation_reason) {
        (Status::Fixed, _) => format!("fixed in attempt {}{recorded},", run.attempt_count),
        (status, Some(reason)) => format!("{status} ({reason}{recorded}),"),
        (status, None) => format!("{status}{recorded},"),
    }
}

fn summary(report: &Report) -> String {
    let head = ["STORY", "RUN", "ENDED", "ATTEMPTS", "AS TOLD", "DECIDED BY"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for told in &report.stories {
        let run = &told.run.run;
        let ended = run.escalation_reason.map_or(run.status.to_string(), |it| format!("{} ({it})", run.status));
        let authors: Vec<String> = told
            .run
            .attempts
            .iter()
            .map(|it| if it.recorded { format!("{} (recorded)", it.author) } else { it.author.to_string() })
            .collect();
        rows.push(vec![
            told.name.clone(),
            run.id.short(),
            ended,
            run.attempt_count.to_string(),
            if told.as_expected { "yes" } else { "NO" }.to_owned(),
            authors.join(", "),
        ]);
    }
    for skipped in &report.skipped {
        rows.push(vec![skipped.name.clone(), "-".to_owned(), format!("left out: {}", skipped.reason)]);
    }
    out::table(&rows)
}

/// Where the demonstration lives: a folder of the user's, or a temporary one that is gone at the end.
struct Place {
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Place {
    fn new(dir: Option<&Path>) -> Result<Self, CliError> {
        let Some(dir) = dir else {
            let made = tempfile::Builder::new().prefix("paramedic-demo-").tempdir();
            let temporary = made.map_err(|it| CliError::failed(format!("no temporary folder: {it}")))?;
            return Ok(Self { path: temporary.path().to_owned(), _temporary: Some(temporary) });
        };
        let path = std::path::absolute(dir).map_err(|it| CliError::usage(it.to_string()))?;
        let is_used = fs::read_dir(&path).is_ok_and(|mut it| it.next().is_some());
        if is_used {
            return Err(CliError::usage(format!("{} is not empty; choose a new folder", path.display())));
        }
        fs::create_dir_all(&path).map_err(|it| CliError::usage(format!("{}: {it}", path.display())))?;
        Ok(Self { path, _temporary: None })
    }
}
