//! What is read of GitHub, one call of its API (or two) each.
use crate::domain::{Budget, CiJob, CiRun, Deployment};
use crate::forge::github::path::{of_repository, with_query};
use crate::forge::github::{Credential, Github, shapes};
use crate::forge::{
    Abilities, Annotation, Artifact, Check, Comment, CommitFacts, ForgeError, GitToken, Issue, LogEnd, Page,
    PullRequest, PullsQuery, Reads, RepositoryFacts, RunsQuery, Take, TokenKind,
};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::fmt::strtime;
use serde_json::Value;
use std::path::Path;

/// Rows of a list of which all are wanted.
const MAX_ROWS: usize = 1_000;
/// Annotations that GitHub gives at once.
const MAX_ANNOTATIONS: usize = 100;
/// Bytes of a file.
const MAX_FILE: u64 = 1024 * 1024;

#[async_trait]
impl Reads for Github {
    fn web_url(&self, repository: &str) -> String {
        let web = match self.api_url.strip_prefix("https://api.") {
            Some(host) => format!("https://{host}"),
            None => self.api_url.trim_end_matches("/api/v3").to_owned(),
        };
        format!("{web}/{repository}")
    }

    async fn git_token(&self) -> Result<GitToken, ForgeError> {
        let token = self.token().await?.map(|it| GitToken::new(it.reveal().to_owned()));
        token.ok_or_else(|| ForgeError::Unauthorised("there is no token of GitHub".to_owned()))
    }

    fn budget(&self) -> Budget {
        self.pace.budget()
    }

    fn now(&self) -> Timestamp {
        self.pace.now()
    }

    async fn abilities(&self) -> Result<Abilities, ForgeError> {
        let (kind, app) = match &self.credential {
            Credential::None => (TokenKind::None, None),
            Credential::Token(token) => (token.kind(self.is_of_workflow), None),
            Credential::App(app) => (TokenKind::Installation, Some(self.app_facts(app).await?)),
        };
        // An App is nobody, and what it may ask without a person costs nothing. A server may have no limits to tell.
        let is_nobody = matches!(kind, TokenKind::Installation | TokenKind::Actions | TokenKind::None);
        let read = if is_nobody { self.get_if_there("/rate_limit").await? } else { Some(self.get("/user").await?) };
        let header = |name: &str| read.as_ref().and_then(|it| it.headers.get(name)?.to_str().ok());
        let scopes = header("x-oauth-scopes").unwrap_or_default().split(',').map(str::trim);
        let (bot, permissions) = app.unwrap_or_default();
        Ok(Abilities {
            kind,
            login: bot.or_else(|| read.as_ref().and_then(|it| shapes::line_if(&it.document, "/login"))),
            permissions,
            scopes: scopes.filter(|it| !it.is_empty()).map(str::to_owned).collect(),
            expires_at: header("github-authentication-token-expiration").and_then(expiry),
            clock_skew_s: self.pace.skew_s(),
        })
    }

    async fn repository(&self, repository: &str) -> Result<RepositoryFacts, ForgeError> {
        Ok(shapes::repository(&self.get(&of_repository(repository, &[])?).await?.document))
    }

    async fn runs(&self, repository: &str, query: &RunsQuery) -> Result<Page<CiRun>, ForgeError> {
        let asked = [("branch", query.branch.as_deref())];
        let path = of_repository(repository, &["actions", "runs"])?;
        self.rows(&path, &given(&asked), "workflow_runs", query.max, shapes::run).await
    }

    async fn run(&self, repository: &str, id: u64) -> Result<CiRun, ForgeError> {
        self.one(&of_repository(repository, &["actions", "runs", &id.to_string()])?, shapes::run).await
    }

    async fn jobs(&self, repository: &str, run: u64, attempt: Option<u32>) -> Result<Vec<CiJob>, ForgeError> {
        let (run, attempt) = (run.to_string(), attempt.map(|it| it.to_string()));
        let parts = match &attempt {
            Some(attempt) => vec!["actions", "runs", &run, "attempts", attempt, "jobs"],
            None => vec!["actions", "runs", &run, "jobs"],
        };
        let path = of_repository(repository, &parts)?;
        Ok(self.rows(&path, &[], "jobs", MAX_ROWS, shapes::job).await?.items)
    }

    async fn job_log(&self, repository: &str, job: u64, max: u64, take: &mut Take<'_>) -> Result<LogEnd, ForgeError> {
        let path = of_repository(repository, &["actions", "jobs", &job.to_string(), "logs"])?;
        self.stream(&path, max, take).await
    }

    async fn log_archive(
        &self,
        repository: &str,
        run: u64,
        attempt: u32,
        to: &Path,
        max: u64,
    ) -> Result<u64, ForgeError> {
        let (run, attempt) = (run.to_string(), attempt.to_string());
        let path = of_repository(repository, &["actions", "runs", &run, "attempts", &attempt, "logs"])?;
        self.download(&path, to, max).await
    }

    async fn artifacts(&self, repository: &str, run: u64) -> Result<Vec<Artifact>, ForgeError> {
        let path = of_repository(repository, &["actions", "runs", &run.to_string(), "artifacts"])?;
        Ok(self.rows(&path, &[], "artifacts", MAX_ROWS, shapes::artifact).await?.items)
    }

    async fn artifact(&self, repository: &str, id: u64, to: &Path, max: u64) -> Result<u64, ForgeError> {
        let path = of_repository(repository, &["actions", "artifacts", &id.to_string(), "zip"])?;
        self.download(&path, to, max).await
    }

    async fn annotations(&self, repository: &str, check_run: u64) -> Result<Vec<Annotation>, ForgeError> {
        let path = of_repository(repository, &["check-runs", &check_run.to_string(), "annotations"])?;
        Ok(self.rows(&path, &[], "", MAX_ANNOTATIONS, shapes::annotation).await?.items)
    }

    async fn deployments(&self, repository: &str, run: u64) -> Result<Vec<Deployment>, ForgeError> {
        let path = of_repository(repository, &["actions", "runs", &run.to_string(), "pending_deployments"])?;
        let read = self.get(&path).await?.document;
        Ok(read.as_array().into_iter().flatten().filter_map(shapes::deployment).collect())
    }

    async fn checks(&self, repository: &str, commit: &str) -> Result<Vec<Check>, ForgeError> {
        let path = of_repository(repository, &["commits", commit, "check-runs"])?;
        let runs = self.rows(&path, &[], "check_runs", MAX_ROWS, shapes::check_run).await?;
        let path = of_repository(repository, &["commits", commit, "status"])?;
        let statuses = self.rows(&path, &[], "statuses", MAX_ROWS, shapes::status).await?;
        // Of a part nothing follows: what is red may be in the rest.
        if !(runs.is_last && statuses.is_last) {
            return Err(ForgeError::TooLarge(format!("the commit has more than {MAX_ROWS} checks")));
        }
        Ok(runs.items.into_iter().chain(statuses.items).collect())
    }

    async fn branch(&self, repository: &str, name: &str) -> Result<Option<String>, ForgeError> {
        let read = self.get_if_there(&of_repository(repository, &["branches", name])?).await?;
        // A name that a branch had before leads to what it is called now: that is another branch.
        let is_it = |it: &Value| shapes::line_if(it, "/name").is_none_or(|it| it == name);
        Ok(read.filter(|it| is_it(&it.document)).and_then(|it| shapes::line_if(&it.document, "/commit/sha")))
    }

    async fn is_on(&self, repository: &str, commit: &str, branch: &str) -> Result<bool, ForgeError> {
        let path = of_repository(repository, &["compare", &format!("{commit}...{branch}")])?;
        // The files that differ are on the first page alone, and not wanted.
        let read = self.get_if_there(&with_query(&path, &[("per_page", "1"), ("page", "2")])).await?;
        let status = read.and_then(|it| shapes::line_if(&it.document, "/status"));
        Ok(matches!(status.as_deref(), Some("ahead" | "identical")))
    }

    async fn branches(&self, repository: &str, prefix: &str) -> Result<Vec<(String, String)>, ForgeError> {
        let path = of_repository(repository, &["git", "matching-refs", &format!("heads/{prefix}")])?;
        Ok(self.rows(&path, &[], "", MAX_ROWS, shapes::branch).await?.items)
    }

    async fn commit(&self, repository: &str, sha: &str) -> Result<CommitFacts, ForgeError> {
        // A page of one file: what the commit changes is not wanted.
        let path = with_query(&of_repository(repository, &["commits", sha])?, &[("per_page", "1")]);
        self.one(&path, shapes::commit).await
    }

    async fn file(&self, repository: &str, path: &str, at: &str) -> Result<Option<Vec<u8>>, ForgeError> {
        let asked = with_query(&of_repository(repository, &["contents", path])?, &[("ref", at)]);
        let Some(read) = self.get_if_there(&asked).await? else { return Ok(None) };
        let read = read.document;
        if shapes::number(&read, "/size").is_some_and(|it| it > MAX_FILE) {
            return Err(ForgeError::TooLarge("the file at GitHub is larger than 1 MiB".to_owned()));
        }
        let content = read["content"].as_str().filter(|_| read["encoding"] == "base64");
        let content = content.map(|it| it.bytes().filter(|it| !it.is_ascii_whitespace()).collect::<Vec<_>>());
        let content = content.and_then(|it| STANDARD.decode(it).ok());
        content.map(Some).ok_or_else(|| ForgeError::Odd("what GitHub has there is not a file".to_owned()))
    }

    async fn folder(&self, repository: &str, path: &str, at: &str) -> Result<Vec<String>, ForgeError> {
        let place = match path.trim_end_matches('/') {
            "" => format!("{}/", of_repository(repository, &["contents"])?),
            path => of_repository(repository, &["contents", path])?,
        };
        let read = self.get_if_there(&with_query(&place, &[("ref", at)])).await?;
        let files = read.as_ref().and_then(|it| it.document.as_array()).into_iter().flatten();
        let files = files.filter(|it| it["type"] == "file");
        Ok(files.filter_map(|it: &Value| shapes::line_if(it, "/path")).take(MAX_ROWS).collect())
    }

    async fn pulls(&self, repository: &str, query: &PullsQuery) -> Result<Page<PullRequest>, ForgeError> {
        let state = if query.is_open { "open" } else { "all" };
        let asked = [("state", Some(state)), ("head", query.head.as_deref())];
        let path = of_repository(repository, &["pulls"])?;
        self.rows(&path, &given(&asked), "", query.max, shapes::pull).await
    }

    async fn pull(&self, repository: &str, number: u64) -> Result<PullRequest, ForgeError> {
        self.one(&of_repository(repository, &["pulls", &number.to_string()])?, shapes::pull).await
    }

    async fn issues(&self, repository: &str, labels: &[&str], max: usize) -> Result<Vec<Issue>, ForgeError> {
        let labels = Some(labels.join(",")).filter(|it| !it.is_empty());
        let asked = [("state", Some("all")), ("labels", labels.as_deref())];
        let path = of_repository(repository, &["issues"])?;
        Ok(self.rows(&path, &given(&asked), "", max, shapes::issue).await?.items)
    }

    async fn issue(&self, repository: &str, number: u64) -> Result<Issue, ForgeError> {
        self.one(&of_repository(repository, &["issues", &number.to_string()])?, shapes::issue).await
    }

    async fn comments(&self, repository: &str, issue: u64) -> Result<Vec<Comment>, ForgeError> {
        let path = of_repository(repository, &["issues", &issue.to_string(), "comments"])?;
        Ok(self.rows(&path, &[], "", MAX_ROWS, shapes::comment).await?.items)
    }
}

/// Returns what of a query is given.
fn given<'a>(asked: &[(&'a str, Option<&'a str>)]) -> Vec<(&'a str, &'a str)> {
    asked.iter().filter_map(|(name, value)| Some((*name, (*value)?))).collect()
}

/// Returns the time in `2026-12-31 10:00:00 UTC`, or with an offset such as `+0200`.
fn expiry(text: &str) -> Option<Timestamp> {
    let text = text.trim().replace("UTC", "+0000");
    strtime::parse("%Y-%m-%d %H:%M:%S %z", &text).ok()?.to_timestamp().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_read_with_its_offset() {
        for (text, expected) in [
            ("2026-12-31 10:00:00 UTC", Some("2026-12-31T10:00:00Z")),
            ("2026-12-31 10:00:00 +0200", Some("2026-12-31T08:00:00Z")),
            ("soon", None),
        ] {
            assert_eq!(expiry(text).map(|it| it.to_string()).as_deref(), expected, "{text}");
        }
    }
}
