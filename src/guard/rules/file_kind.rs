//! Kinds of change that cannot be reviewed as text, or that reach beyond the file.
use crate::guard::diff::ChangeKind;
use crate::guard::diff::Mode;
use crate::guard::findings::Findings;
use crate::guard::lang::Lang;
use crate::guard::scene::Scene;
use crate::guard::view::FileView;

pub(crate) fn check(_scene: &Scene<'_>, file: &FileView<'_>, findings: &mut Findings) {
    let change = file.change;
    if change.has_mode(Mode::Symlink) {
        findings.violation(
            file.path,
            None,
            "symlink",
            "symbolic links can lead out of the tree; change the file itself",
        );
    }
    if change.has_mode(Mode::Submodule) {
        findings.violation(file.path, None, "submodule", "a submodule brings in code that was not judged");
    }
    if change.is_binary {
        findings.violation(file.path, None, "binary", "binary changes cannot be reviewed");
    }
    if change.kind == ChangeKind::Copied {
        findings.violation(file.path, None, "copied-file", "a copy hides its text from review; add it as a new file");
    }
    check_mode(file, findings);
}

fn check_mode(file: &FileView<'_>, findings: &mut Findings) {
    let reason = match (file.change.kind, file.change.old_mode, file.change.new_mode) {
        (ChangeKind::Added, _, Some(Mode::Executable)) if !is_script(file) => {
            "a new file that is no script is executable"
        }
        (ChangeKind::Modified | ChangeKind::Renamed, Some(Mode::Regular), Some(Mode::Executable))
            if !is_script(file) =>
        {
            "makes a file executable that is no script"
        }
        (ChangeKind::Modified | ChangeKind::Renamed, Some(Mode::Executable), Some(Mode::Regular)) => {
            "takes the executable bit away"
        }
        _ => return,
    };
    findings.violation(file.path, None, "mode-change", format!("{reason}; only a script's lost bit may be restored"));
}

fn is_script(file: &FileView<'_>) -> bool {
    let first = file.after.first().filter(|it| it.first == 1).and_then(|it| it.raw.first());
    let has_interpreter = first.is_some_and(|it| it.starts_with("#!"));
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let is_script_by_name = matches!(file.lang, Lang::Shell | Lang::Python | Lang::Ruby)
        || matches!(name, "gradlew" | "mvnw" | "configure")
        || [".pl", ".js", ".mjs", ".php"].iter().any(|it| name.ends_with(it));
    // A file of unknown content and without extension is believed: a script that cannot start is the failure to heal.
    has_interpreter || is_script_by_name || (!file.is_whole && !name.contains('.'))
}
