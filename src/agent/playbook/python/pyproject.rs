//! `pyproject.toml`: where it lists dependencies, and one more entry written into the text as it stands.
use crate::agent::playbook::lines;
use crate::agent::playbook::python::names::normalised;
use crate::agent::playbook::python::requirements::name_of;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

type List = Spanned<Vec<Spanned<toml::Value>>>;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Document {
    project: Option<Project>,
    dependency_groups: BTreeMap<String, List>,
    tool: Tool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Project {
    dependencies: Option<List>,
    optional_dependencies: BTreeMap<String, List>,
    dynamic: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tool {
    poetry: Option<Poetry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Poetry {
    dependencies: Option<toml::Table>,
    group: BTreeMap<String, PoetryGroup>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PoetryGroup {
    dependencies: toml::Table,
}

/// A place of the file that lists dependencies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Keys from the root.
    path: Vec<String>,
    kind: Kind,
    pub(super) names: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// An array of requirements at these bytes, with the bytes of its elements.
    Array { at: std::ops::Range<usize>, elements: Vec<std::ops::Range<usize>> },
    /// A table of poetry's.
    Table,
    /// A `[project]` that does not say `dependencies` yet.
    Missing,
}

impl Place {
    /// Returns how people write the place: `[project] dependencies`.
    pub(super) fn label(&self) -> String {
        match (&self.kind, self.path.split_last()) {
            (Kind::Table, _) | (_, None) => format!("[{}]", self.path.join(".")),
            (_, Some((key, table))) => format!("[{}] {key}", table.join(".")),
        }
    }

    pub(super) fn lists(&self, package: &str) -> bool {
        let package = normalised(package);
        self.names.iter().any(|it| normalised(it) == package)
    }
}

/// The places that list what the program and what its tests need.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) main: Option<Place>,
    pub(super) dev: Option<Place>,
}

/// Reads where a `pyproject.toml` lists dependencies; nothing if it cannot be understood.
pub(super) fn places(text: &str) -> Places {
    let Ok(document) = toml::from_str::<Document>(text) else { return Places::default() };
    let poetry = document.tool.poetry.unwrap_or_default();
    let project = document.project;
    let listed = project.as_ref().and_then(|it| it.dependencies.as_ref());
    let is_open = project.as_ref().is_some_and(|it| it.dependencies.is_none() && it.dynamic.is_empty());
    let main = listed.map(|it| array(&["project", "dependencies"], it));
    let main = main.or_else(|| poetry.dependencies.map(|it| table(&["tool", "poetry", "dependencies"], &it)));
    let main = main.or_else(|| {
        is_open.then(|| Place { path: path(&["project", "dependencies"]), kind: Kind::Missing, names: Vec::new() })
    });
    let extras = project.map(|it| it.optional_dependencies).unwrap_or_default();
    let dev = ["test", "tests", "testing", "dev"].iter().find_map(|name| {
        let extra = extras.get(*name).map(|it| array(&["project", "optional-dependencies", name], it));
        let group = document.dependency_groups.get(*name).map(|it| array(&["dependency-groups", name], it));
        let poetry = poetry.group.get(*name);
        let poetry = poetry.map(|it| table(&["tool", "poetry", "group", name, "dependencies"], &it.dependencies));
        extra.or(group).or(poetry)
    });
    Places { main, dev }
}

fn path(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|it| (*it).to_owned()).collect()
}

fn array(keys: &[&str], list: &List) -> Place {
    let elements = list.get_ref();
    let name = |it: &Spanned<toml::Value>| it.get_ref().as_str().and_then(name_of).unwrap_or_default().to_owned();
    Place {
        path: path(keys),
        names: elements.iter().map(name).collect(),
        kind: Kind::Array { at: list.span(), elements: elements.iter().map(Spanned::span).collect() },
    }
}

fn table(keys: &[&str], table: &toml::Table) -> Place {
    Place { path: path(keys), kind: Kind::Table, names: table.keys().cloned().collect() }
}

/// Adds `package` at `place`; `None` if the text cannot be edited with certainty.
pub(super) fn insert(text: &str, place: &Place, package: &str) -> Option<String> {
    let edited = match &place.kind {
        Kind::Array { at, elements } => insert_element(text, at, elements, &place.names, package)?,
        Kind::Table => insert_entry(text, &place.path.join("."), &format!("{} = \"*\"", key(package)))?,
        Kind::Missing => insert_entry(text, "project", &format!("dependencies = [\"{package}\"]"))?,
    };
    is_only_addition(text, &edited, place, package).then_some(edited)
}

/// Returns a package's name as a TOML key: a dot would make two of it.
fn key(package: &str) -> String {
    if package.contains('.') { format!("\"{package}\"") } else { package.to_owned() }
}

fn insert_element(
    text: &str,
    at: &std::ops::Range<usize>,
    elements: &[std::ops::Range<usize>],
    names: &[String],
    package: &str,
) -> Option<String> {
    let place = lines::place(names, package, normalised);
    let Some(before) = place.checked_sub(1).and_then(|it| elements.get(it)) else {
        let Some(first) = elements.first() else {
            return lines::insert_at(text, at.start + 1, &format!("\"{package}\""));
        };
        let start = lines::line_start(text, first.start);
        let lead = text.get(start..first.start)?;
        if lead.trim().is_empty() {
            return lines::insert_at(text, start, &format!("{lead}\"{package}\",{}", lines::newline(text)));
        }
        return lines::insert_at(text, first.start, &format!("\"{package}\", "));
    };
    let lead = text.get(lines::line_start(text, before.start)..before.start)?;
    let end = lines::line_end(text, before.end);
    let rest = text.get(before.end..end)?.trim();
    let is_own_line = lead.trim().is_empty() && (rest.is_empty() || rest.starts_with([',', '#']));
    let is_alone = is_own_line && rest.trim_start_matches(',').trim_start().split('#').next() == Some("");
    if !is_alone {
        return lines::insert_at(text, before.end, &format!(", \"{package}\""));
    }
    let has_comma = rest.starts_with(',') || place < elements.len();
    let comma = if has_comma { "," } else { "" };
    let line = format!("{lead}\"{package}\"{comma}{}", lines::newline(text));
    let edited = lines::insert_at(text, end, &line)?;
    if has_comma { Some(edited) } else { lines::insert_at(&edited, before.end, ",") }
}

/// Adds a line at the end of the table `[name]`, before the blank and comment lines that lead to the next one.
fn insert_entry(text: &str, name: &str, entry: &str) -> Option<String> {
    let all = lines::with_breaks(text);
    let header = format!("[{name}]");
    let is_header = |line: &str| line.split('#').next().unwrap_or_default().trim() == header;
    let start = all.iter().position(|it| is_header(it))?;
    let end = all[start + 1..].iter().position(|it| it.starts_with('[')).map_or(all.len(), |it| start + 1 + it);
    let is_written = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
    let last = all[start..end].iter().rposition(is_written)?;
    Some(lines::insert_line(text, start + last + 1, entry))
}

/// Whether the new text means the old one plus the package, and nothing else.
fn is_only_addition(before: &str, after: &str, place: &Place, package: &str) -> bool {
    let (Ok(before), Ok(mut after)) = (before.parse::<toml::Table>(), after.parse::<toml::Table>()) else {
        return false;
    };
    let Some((key, path)) = place.path.split_last() else { return false };
    let mut table = &mut after;
    for outer in path {
        let Some(inner) = table.get_mut(outer).and_then(toml::Value::as_table_mut) else { return false };
        table = inner;
    }
    let is_new = |it: &toml::Value| it.as_str() == Some(package);
    let is_added = match (&place.kind, table.get_mut(key)) {
        (Kind::Array { .. }, Some(toml::Value::Array(list))) => {
            let n_before = list.len();
            list.retain(|it| !is_new(it));
            list.len() + 1 == n_before
        }
        (Kind::Table, Some(toml::Value::Table(entries))) => entries.remove(package).is_some(),
        (Kind::Missing, Some(toml::Value::Array(list))) => {
            let is_alone = list.len() == 1 && list.iter().all(is_new);
            table.remove(key);
            is_alone
        }
        _ => false,
    };
    is_added && before == after
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(text: &str) -> Option<String> {
        insert(text, &places(text).main?, "PyYAML")
    }

    #[test]
    fn an_entry_is_written_into_the_text_as_it_stands() {
        for (text, edited) in [
            ("[project]\ndependencies = []\n", "[project]\ndependencies = [\"PyYAML\"]\n"),
            ("[project]\ndependencies = ['zope']", "[project]\ndependencies = ['zope', \"PyYAML\"]"),
            ("[project]\ndependencies = ['a', 'z'] # c\n", "[project]\ndependencies = ['a', \"PyYAML\", 'z'] # c\n"),
            ("[project]\ndependencies = ['q', 'z']\n", "[project]\ndependencies = [\"PyYAML\", 'q', 'z']\n"),
            (
                "[project]\ndependencies = [\n  \"a[x]>=1\",  # first\n  # about z\n  \"z\"\n]\n[x]\n",
                "[project]\ndependencies = [\n  \"a[x]>=1\",  # first\n  \"PyYAML\",\n  # about z\n  \"z\"\n]\n[x]\n",
            ),
            (
                "[project]\r\ndependencies = [\r\n\t\"z\",\r\n\t\"a\" # last\r\n]\r\n",
                "[project]\r\ndependencies = [\r\n\t\"z\",\r\n\t\"a\", # last\r\n\t\"PyYAML\"\r\n]\r\n",
            ),
            (
                "[project]\ndependencies = [\n    \"q\",\n    \"z\",\n]\n",
                "[project]\ndependencies = [\n    \"PyYAML\",\n    \"q\",\n    \"z\",\n]\n",
            ),
            (
                "[project]\nname = 'x' # n\n\n# next\n[build]\n",
                "[project]\nname = 'x' # n\ndependencies = [\"PyYAML\"]\n\n# next\n[build]\n",
            ),
            (
                "[tool.poetry.dependencies]\npython = '^3.8'\nb = {version = '1'}\n\n[tool.x]\n",
                "[tool.poetry.dependencies]\npython = '^3.8'\nb = {version = '1'}\nPyYAML = \"*\"\n\n[tool.x]\n",
            ),
        ] {
            assert_eq!(add(text).as_deref(), Some(edited), "{text}");
        }
    }

    #[test]
    fn what_is_not_certain_is_not_edited() {
        for text in [
            "not toml",
            "[tool.black]\n",
            "[project]\ndynamic = ['dependencies']\n",
            "tool = {poetry = {dependencies = {a = '1'}}}\n",
            "project = {name = 'x'}\n",
        ] {
            assert_eq!(add(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_listed_is_known() {
        let found = places("[project]\ndependencies = ['py_yaml>1', 'A.b[c]; x']\n[dependency-groups]\ndev = ['q']\n");
        let main = found.main.unwrap();
        assert!(main.lists("Py-YAML") && main.lists("a-b") && !main.lists("yaml"));
        assert_eq!(main.label(), "[project] dependencies");
        assert_eq!(found.dev.unwrap().label(), "[dependency-groups] dev");
    }
}
