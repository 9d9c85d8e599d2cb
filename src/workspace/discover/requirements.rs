//! Python requirements as a repository writes them down: requirements files and pyproject.toml.
use crate::workspace::discover::files;
use crate::workspace::discover::files::Files;

/// The files whose requirements tests need, by the names that people give them.
const FILES: &[&str] = &[
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-test.txt",
    "requirements-tests.txt",
    "requirements_dev.txt",
    "requirements_test.txt",
    "dev-requirements.txt",
    "test-requirements.txt",
    "requirements/base.txt",
    "requirements/dev.txt",
    "requirements/test.txt",
    "requirements/tests.txt",
    "requirements/testing.txt",
    "requirements/ci.txt",
];
/// The optional groups of pyproject.toml that tests need.
const GROUPS: &[&str] = &["test", "tests", "testing", "dev"];
const MAX_INCLUDES: usize = 20;

/// Requirements and where they are written.
#[derive(Debug, Default)]
pub(super) struct Requirements {
    /// Requirements files, to be named on a command line.
    pub(super) files: Vec<&'static str>,
    pub(super) has_pyproject: bool,
    pub(super) lines: Vec<String>,
    /// Whether the lines say it all: no option, and nothing that is in the tree or at an address.
    pub(super) is_plain: bool,
}

impl Requirements {
    /// Reads all requirements of a tree.
    pub(super) fn read(files: &Files) -> Self {
        let mut found = Self { files: FILES.iter().copied().filter(|it| files.has(it)).collect(), ..Self::default() };
        for name in found.files.clone() {
            let mut n_left = MAX_INCLUDES;
            read_file(files, name, &mut n_left, &mut found.lines);
        }
        let has_option = |it: &&str| lines(&files.read(it).unwrap_or_default()).any(|it| it.starts_with('-'));
        let has_options = found.files.iter().any(has_option);
        let declared = pyproject(files);
        found.has_pyproject = !declared.is_empty();
        found.lines.extend(declared);
        found.is_plain = !has_options && !found.lines.iter().any(|it| it.starts_with('.') || it.contains('/'));
        found
    }

    /// Returns the first place where `package` is required.
    pub(super) fn place_of(files: &Files, package: &str) -> Option<String> {
        let in_dir = files.list("requirements").into_iter().map(|it| format!("requirements/{it}"));
        let in_root = files.list("").into_iter().filter(|it| it.contains("requirements"));
        let names =
            in_root.chain(in_dir).filter(|it| files::has_extension(it, "txt") || files::has_extension(it, "in"));
        let mut names = names.take(50);
        let file = names.find(|it| files.read(it).is_some_and(|text| lines(&text).any(|it| is_named(&it, package))));
        file.or_else(|| pyproject(files).iter().any(|it| is_named(it, package)).then(|| "pyproject.toml".to_owned()))
    }
}

fn read_file(files: &Files, name: &str, n_left: &mut usize, found: &mut Vec<String>) {
    if *n_left == 0 {
        return;
    }
    *n_left -= 1;
    let text = files.read(name).unwrap_or_default();
    for line in lines(&text) {
        let included = line.strip_prefix("-r").or_else(|| line.strip_prefix("--requirement"));
        match included {
            Some(path) => {
                let dir = name.rsplit_once('/').map_or("", |(dir, _)| dir);
                let path = path.trim_start_matches([' ', '=']).trim();
                let path = if dir.is_empty() { path.to_owned() } else { format!("{dir}/{path}") };
                read_file(files, &path, n_left, found);
            }
            None if line.starts_with('-') => {}
            None => found.push(line.split(" --").next().unwrap_or_default().trim().to_owned()),
        }
    }
}

/// Lines of a requirements file without comments, continuations joined.
fn lines(text: &str) -> impl Iterator<Item = String> {
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let lines: Vec<String> = joined
        .lines()
        .map(|it| it.split(" #").next().unwrap_or_default().trim().to_owned())
        .filter(|it| !it.is_empty() && !it.starts_with('#'))
        .collect();
    lines.into_iter()
}

fn pyproject(files: &Files) -> Vec<String> {
    let table: toml::Table = files.read("pyproject.toml").and_then(|it| it.parse().ok()).unwrap_or_default();
    let project = table.get("project");
    let dependencies = project.and_then(|it| it.get("dependencies"));
    let groups = [project.and_then(|it| it.get("optional-dependencies")), table.get("dependency-groups")];
    let grouped = groups.into_iter().flatten().flat_map(|it| GROUPS.iter().filter_map(move |name| it.get(name)));
    let lists = dependencies.into_iter().chain(grouped).filter_map(toml::Value::as_array).flatten();
    let lines = lists.filter_map(toml::Value::as_str).map(str::trim);
    lines.filter(|it| !it.is_empty() && !it.starts_with('-')).map(str::to_owned).collect()
}

fn is_named(line: &str, package: &str) -> bool {
    let end = line.find(|it: char| !it.is_ascii_alphanumeric() && !matches!(it, '-' | '_' | '.')).unwrap_or(line.len());
    line[..end].eq_ignore_ascii_case(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_comments_and_keep_markers() {
        let text = "# top\nrequests>=2 # why\nflask \\\n  ==1.0\n\nx; python_version < '3'\n";
        let found: Vec<_> = lines(text).collect();
        assert_eq!(found, ["requests>=2", "flask    ==1.0", "x; python_version < '3'"]);
    }

    #[test]
    fn a_package_is_not_its_plugin() {
        assert!(is_named("pytest>=7", "pytest"));
        assert!(is_named("PyTest[extra]", "pytest"));
        assert!(!is_named("pytest-cov", "pytest"));
    }

    #[test]
    fn includes_are_followed_but_not_for_ever_and_not_outside() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("tree");
        std::fs::create_dir_all(root.join("requirements")).unwrap();
        std::fs::write(home.path().join("outside.txt"), "secret\n").unwrap();
        let text = "-r dev.txt\n-r ../../outside.txt\none==1 --hash=sha256:00\n-e .\n--index-url x\n";
        std::fs::write(root.join("requirements/dev.txt"), text).unwrap();
        let found = Requirements::read(&Files::new(&root));
        assert_eq!(found.files, ["requirements/dev.txt"]);
        assert_eq!(found.lines.len(), MAX_INCLUDES);
        assert!(found.lines.iter().all(|it| it == "one==1"));
        assert!(!found.is_plain);
        for (text, is_plain) in
            [("a==1\nb[x]>2\n", true), ("-e .\n", false), (".\n", false), ("x @ file:///y\n", false)]
        {
            std::fs::write(root.join("requirements/dev.txt"), text).unwrap();
            assert_eq!(Requirements::read(&Files::new(&root)).is_plain, is_plain, "{text}");
        }
    }
}
