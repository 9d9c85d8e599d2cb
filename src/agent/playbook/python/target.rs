//! Which file a Python package is to be added to.
use crate::agent::playbook::python::names::normalised;
use crate::agent::playbook::python::pyproject;
use crate::agent::playbook::python::pyproject::Place;
use crate::agent::playbook::python::pyproject::Places;
use crate::agent::playbook::python::requirements;
use crate::agent::playbook::scene::Scene;
use crate::agent::playbook::scene::has_ending;

const PROJECT: &str = "pyproject.toml";
const REQUIREMENTS: &str = "requirements.txt";
/// Files that list what a program needs, in the order they are preferred.
const MAIN_FILES: &[&str] =
    &[REQUIREMENTS, "requirements/base.txt", "requirements/main.txt", "requirements/requirements.txt"];
/// Files that list what only tests need.
const DEV_FILES: &[&str] = &[
    "requirements-test.txt",
    "requirements-tests.txt",
    "requirements_test.txt",
    "test-requirements.txt",
    "requirements/test.txt",
    "requirements/tests.txt",
    "requirements-dev.txt",
    "requirements_dev.txt",
    "dev-requirements.txt",
    "requirements/dev.txt",
];
/// How deep `-r` is followed.
const MAX_INCLUDES: usize = 4;

/// A file with the place in it.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) file: String,
    pub(super) text: String,
    is_dev: bool,
    /// In a `pyproject.toml`; none = a file of requirements.
    place: Option<Place>,
}

/// Chooses the file that already lists what is needed; a new one only where something installs from it.
pub(super) fn choose(scene: &Scene<'_>, is_for_tests: bool) -> Result<Target, String> {
    let project = scene.tree.text(PROJECT);
    let places = project.as_deref().map(pyproject::places).unwrap_or_default();
    let Places { main, dev } = places;
    let in_project = |place: Option<Place>, is_dev| {
        Some(Target { file: PROJECT.to_owned(), text: project.clone()?, is_dev, place: Some(place?) })
    };
    let dev = if is_for_tests { listing(scene, DEV_FILES, 0).or_else(|| in_project(dev, true)) } else { None };
    let found = dev
        .or_else(|| listing(scene, MAIN_FILES, 1))
        .or_else(|| in_project(main, false))
        .or_else(|| listing(scene, MAIN_FILES, 0));
    match found {
        Some(target) if target.place.is_none() && requirements::is_compiled(&target.text) => {
            Err(format!("{} is written by a tool; add the package to its source and compile it again", target.file))
        }
        Some(target) => Ok(target),
        None => new_file(scene),
    }
}

/// Returns the first of `files` that lists at least `n_least` packages itself, or the file it includes that does.
fn listing(scene: &Scene<'_>, files: &[&str], n_least: usize) -> Option<Target> {
    let target = |file: &str, text: String| Target {
        file: file.to_owned(),
        text,
        is_dev: DEV_FILES.contains(&file),
        place: None,
    };
    for file in files {
        let Some(text) = scene.tree.text(file) else { continue };
        if requirements::parse(&text).len() >= n_least {
            return Some(target(file, text));
        }
        for included in requirements::includes(&text) {
            let Some(included) = beside(file, &included) else { continue };
            let Some(text) = scene.tree.text(&included) else { continue };
            if !requirements::parse(&text).is_empty() {
                return Some(target(&included, text));
            }
        }
    }
    None
}

/// Returns the path of a file that `file` names relative to itself; `None` where that leads out of the tree.
fn beside(file: &str, named: &str) -> Option<String> {
    if named.starts_with('/') {
        return None;
    }
    let mut parts: Vec<_> = file.split('/').collect();
    parts.pop();
    for part in named.split('/') {
        match part {
            "" | "." => (),
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Allows a new `requirements.txt` only where the test command or a script of the tree names it.
fn new_file(scene: &Scene<'_>) -> Result<Target, String> {
    const SCRIPTS: [&str; 7] =
        ["Makefile", "Dockerfile", "tox.ini", "noxfile.py", "justfile", ".travis.yml", ".gitlab-ci.yml"];
    let is_script = |file: &&String| {
        let name = file.rsplit('/').next().unwrap_or(file);
        let is_flow = file.starts_with(".github/workflows/") && has_ending(file, &[".yml", ".yaml"]);
        SCRIPTS.contains(&name) || has_ending(file, &[".sh"]) || is_flow
    };
    let names_it = |text: &str| text.contains(REQUIREMENTS);
    let script =
        scene.files().iter().filter(is_script).take(500).find(|it| scene.scan(it).is_some_and(|it| names_it(&it)));
    if script.is_none() && !names_it(scene.task.test_command) {
        return Err("no file lists what the program needs, and nothing installs from a requirements.txt".to_owned());
    }
    Ok(Target { file: REQUIREMENTS.to_owned(), text: String::new(), is_dev: false, place: None })
}

impl Target {
    pub(super) const fn is_project(&self) -> bool {
        self.place.is_some()
    }

    /// Returns where the package is listed already, files that this one includes among them.
    pub(super) fn listed(&self, scene: &Scene<'_>, package: &str) -> Option<String> {
        match &self.place {
            Some(place) => place.lists(package).then(|| format!("{} {}", self.file, place.label())),
            None => listed_in(scene, &self.file, &self.text, package, 0),
        }
    }

    /// Returns the text with the package, and where it went in words.
    pub(super) fn insert(&self, text: &str, package: &str) -> Result<(String, String), String> {
        if self.place.is_none() {
            let (text, line) = requirements::insert(text, package);
            return Ok((text, format!("{}:{line}", self.file)));
        }
        // The place moves with each package that is added.
        let Places { main, dev } = pyproject::places(text);
        let place = if self.is_dev { dev } else { main };
        let edited = place.and_then(|it| Some((pyproject::insert(text, &it, package)?, it.label())));
        let (text, label) = edited.ok_or_else(|| format!("{} cannot be edited with certainty", self.file))?;
        Ok((text, format!("{} {label}", self.file)))
    }
}

fn listed_in(scene: &Scene<'_>, file: &str, text: &str, package: &str, depth: usize) -> Option<String> {
    let package_normal = normalised(package);
    let own = requirements::parse(text).into_iter().find(|it| normalised(&it.name) == package_normal);
    if let Some(it) = own {
        return Some(format!("{file}:{}", it.first + 1));
    }
    if depth >= MAX_INCLUDES {
        return None;
    }
    let included = requirements::includes(text).into_iter().filter_map(|it| beside(file, &it)).take(20);
    included
        .filter_map(|it| Some((scene.tree.text(&it)?, it)))
        .find_map(|(text, it)| listed_in(scene, &it, &text, package, depth + 1))
}
