//! Dependencies: from the usual registries, and with their manifest.
use crate::guard::diff::ChangeKind;
use crate::guard::findings::Findings;
use crate::guard::findings::excerpt;
use crate::guard::scene::Scene;
use crate::guard::scene::pattern;
use crate::guard::view::FileView;
use crate::guard::view::Of;
use regex::Regex;
use std::sync::LazyLock;

/// Lock files with the manifests they follow.
const LOCKS: &[(&str, &[&str])] = &[
    ("Cargo.lock", &["Cargo.toml"]),
    ("package-lock.json", &["package.json"]),
    ("npm-shrinkwrap.json", &["package.json"]),
    ("yarn.lock", &["package.json"]),
    ("pnpm-lock.yaml", &["package.json"]),
    ("bun.lock", &["package.json"]),
    ("bun.lockb", &["package.json"]),
    ("deno.lock", &["deno.json", "package.json"]),
    ("poetry.lock", &["pyproject.toml"]),
    ("uv.lock", &["pyproject.toml"]),
    ("pdm.lock", &["pyproject.toml"]),
    ("Pipfile.lock", &["Pipfile"]),
    ("go.sum", &["go.mod"]),
    ("Gemfile.lock", &["Gemfile"]),
    ("composer.lock", &["composer.json"]),
    ("mix.lock", &["mix.exs"]),
    ("Podfile.lock", &["Podfile"]),
];
const MANIFESTS: &[&str] = &[
    "package.json",
    "pyproject.toml",
    "Cargo.toml",
    "go.mod",
    "Pipfile",
    "Gemfile",
    "composer.json",
    "setup.cfg",
    "setup.py",
    "mix.exs",
    "environment.yml",
    "pubspec.yaml",
    "Podfile",
];

static FOREIGN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)\bgit\+|\b(?:git|ssh)://|git@|\bgit\s*[:=]|\bgithub\s*[:=]|"(?:github|gitlab|bitbucket|gist|file|link|portal):|\b(?:url|registry|path)\s*=\s*["']?(?:https?:|/|\.\.)|(?:^|[\s@"'=])(?:https?|file)://\S+\.(?:whl|zip|tgz|tar|git|gz|bz2|egg)|@\s*(?:https?|file)://|^\s*(?:-e|--editable)\s+(?:[^.\s]|\.\.)|^\s*(?:-i|-f|--(?:extra-)?index-url|--find-links|--trusted-host)\b|^\s*replace\b|=>\s*\S+/|\.\./"#,
    )
});
/// A dependency on a folder, and nothing else.
static LOCAL_PATH: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r#"^\s*[\w-]+\s*=\s*\{\s*(?:version\s*=\s*"[^"]*"\s*,\s*)?path\s*=\s*"([^"/][^"]*)"[^{}]*\}\s*$"#)
});
/// `"name": "owner/repository"` in a `package.json`.
static NPM_SHORTHAND: LazyLock<Regex> = LazyLock::new(|| pattern(r#""\s*:\s*"[\w.-]+/[\w.#-]+"\s*,?\s*$"#));
static NPM_URL: LazyLock<Regex> = LazyLock::new(|| pattern(r#""\s*:\s*"(?:https?|git|ssh)[:+]"#));
static LOCK_URL: LazyLock<Regex> = LazyLock::new(|| pattern(r#"(?:git\+)?[a-z]+://([^/\s"'@]+@)?[^/\s"'@]+"#));
/// Lines of a lock file that say where a package comes from; others link to sponsors and home pages.
static LOCK_SOURCE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\bresolved\b|\bsource\b|\burl\s*=|\btarball\b|\bremote:|\bregistry\b|\brevision\b|\brepo(?:sitory)?\s*[:=]",
    )
});
const REGISTRIES: &[&str] = &[
    "https://registry.npmjs.org",
    "https://registry.yarnpkg.com",
    "https://pypi.org",
    "https://files.pythonhosted.org",
    "https://static.crates.io",
    "https://index.crates.io",
    "https://rubygems.org",
    "https://deno.land",
    "https://jsr.io",
];

pub(crate) fn check(scene: &Scene<'_>, file: &FileView<'_>, findings: &mut Findings) {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    if let Some((_, manifests)) = LOCKS.iter().find(|(lock, _)| *lock == name) {
        check_lock(scene, file, manifests, findings);
    } else if MANIFESTS.contains(&name) || is_requirements(name) {
        check_sources(file, name, findings);
    }
}

fn is_requirements(name: &str) -> bool {
    let name = name.to_lowercase();
    let is_list = [".txt", ".in"].iter().any(|it| name.ends_with(it));
    is_list && (name.contains("requirements") || name.contains("constraints"))
}

fn check_sources(file: &FileView<'_>, name: &str, findings: &mut Findings) {
    let mut foreign = file.fresh(&FOREIGN, Of::Raw);
    if name == "package.json" {
        let is_meta = |raw: &str| {
            ["\"url\"", "\"homepage\"", "\"repository\"", "\"main\"", "\"type", "\"module\"", "\"bin\"", "\"browser\""]
                .iter()
                .any(|it| raw.contains(it))
        };
        foreign.extend(
            file.fresh(&NPM_SHORTHAND, Of::Raw)
                .into_iter()
                .filter(|(line, _)| !is_meta(line.raw) && !line.raw.contains("\"./")),
        );
        foreign.extend(file.fresh(&NPM_URL, Of::Raw).into_iter().filter(|(line, _)| !is_meta(line.raw)));
    }
    foreign.retain(|(line, _)| !is_inside(file.path, line.raw));
    for (line, _) in foreign {
        let reason =
            format!("takes a dependency from outside the registry: {}; name a released version", excerpt(line.raw));
        findings.violation(file.path, Some(line.number), "dependency-source", reason);
    }
}

/// Whether a line names nothing but a folder of the same tree.
fn is_inside(manifest: &str, raw: &str) -> bool {
    let depth = manifest.matches('/').count();
    let Some(target) = LOCAL_PATH.captures(raw).filter(|_| !raw.contains("git")) else { return false };
    let below = target[1].trim_start_matches("../");
    let n_up = (target[1].len() - below.len()) / 3;
    n_up <= depth && !below.split('/').any(|it| it == "..")
}

fn check_lock(scene: &Scene<'_>, file: &FileView<'_>, manifests: &[&str], findings: &mut Findings) {
    let dir = file.path.rsplit_once('/').map_or("", |(dir, _)| dir);
    let is_manifest = |path: &str| {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        // The manifest of a workspace member lies below its lock file.
        manifests.contains(&name) && (dir.is_empty() || parent == dir || parent.starts_with(&format!("{dir}/")))
    };
    let has_manifest = scene.files.iter().any(|it| it.change.kind != ChangeKind::Deleted && is_manifest(it.path));
    if !has_manifest {
        let reason = "the lock file changes without its manifest: two people must approve";
        findings.two_keys(file.path, None, "lockfile-alone", reason);
    }
    for (line, url) in file.fresh(&LOCK_URL, Of::Raw).into_iter().filter(|(line, _)| LOCK_SOURCE.is_match(line.raw)) {
        let is_registry =
            REGISTRIES.contains(&url) || line.raw.contains("registry+https://github.com/rust-lang/crates.io-index");
        let is_git = line.raw.contains("git+") || line.raw.contains("git://");
        if !is_registry || is_git {
            let reason = format!("locks a dependency from outside the known registries: {}", excerpt(url));
            findings.violation(file.path, Some(line.number), "dependency-source", reason);
        }
    }
}
