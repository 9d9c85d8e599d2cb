//! Files of the repository that its rules want to be shown with a failure: few, small, at the failing commit.
use crate::domain::CiRun;
use crate::engine::analysis::Analyst;
use crate::rules::Rules;

/// Files that are shown.
const MAX_FILES: usize = 20;
/// Bytes of a file that are shown.
const MAX_BYTES: usize = 16 << 10;

impl Analyst {
    /// Returns path and text of the files that `copilot.include_context` names. They only help: what cannot be had is left out.
    pub(super) async fn context_files(&self, repository: &str, run: &CiRun, rules: &Rules) -> Vec<(String, String)> {
        let mut files = Vec::new();
        for path in self.context_paths(repository, run, rules).await {
            let Ok(Some(bytes)) = self.reads.file(repository, &path, &run.commit_sha).await else { continue };
            // Half a secret would not be known for one: masked first, then cut.
            let mut text = crate::evidence::text::clean(&self.masker.mask(&String::from_utf8_lossy(&bytes)));
            text.truncate(text.floor_char_boundary(MAX_BYTES));
            files.push((self.safe(&path), text));
        }
        files
    }

    async fn context_paths(&self, repository: &str, run: &CiRun, rules: &Rules) -> Vec<String> {
        let mut paths: Vec<String> = Vec::new();
        for pattern in &rules.copilot.include_context {
            let found = match pattern.rsplit_once('/').unwrap_or(("", pattern)) {
                // Only the last part of a pattern is looked up: one folder, one question.
                (folder, _) if folder.contains(is_wild) => Vec::new(),
                (folder, name) if name.contains(is_wild) => {
                    self.reads.folder(repository, folder, &run.commit_sha).await.unwrap_or_default()
                }
                _ => vec![pattern.clone()],
            };
            paths.extend(found.into_iter().filter(|it| rules.copilot.context.is_match(it)));
        }
        let mut seen = std::collections::BTreeSet::new();
        paths.retain(|it| seen.insert(it.clone()));
        paths.truncate(MAX_FILES);
        paths
    }
}

fn is_wild(ch: char) -> bool {
    "*?[{".contains(ch)
}
