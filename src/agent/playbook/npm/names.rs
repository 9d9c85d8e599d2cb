//! What is known of npm's names: what may be one, what is built into node, who imports it.
use crate::agent::playbook::scene::Scene;
use crate::agent::playbook::scene::has_ending;

const BUILTINS: &str = "\
    assert async_hooks buffer child_process cluster console constants crypto dgram diagnostics_channel dns domain events fs http \
    http2 https inspector module net os path perf_hooks process punycode querystring readline repl sea sqlite stream string_decoder \
    sys test timers tls trace_events tty url util v8 vm wasi worker_threads zlib";
const SCRIPTS: &[&str] = &[".js", ".cjs", ".mjs", ".jsx", ".ts", ".cts", ".mts", ".tsx", ".vue", ".svelte"];

/// Returns the package that an import names: without a path inside of it; `None` for anything that is no package's name.
pub(super) fn package_of(specifier: &str) -> Option<String> {
    let mut parts = specifier.split('/');
    let first = parts.next()?;
    let package = if first.starts_with('@') { format!("{first}/{}", parts.next()?) } else { first.to_owned() };
    is_package(&package).then_some(package)
}

/// Whether a name is one that npm lets publish today.
fn is_package(name: &str) -> bool {
    let is_part = |it: &str| {
        it.starts_with(|it: char| it.is_ascii_lowercase() || it.is_ascii_digit())
            && it.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || matches!(it, '-' | '_' | '.'))
    };
    let is_whole = match name.strip_prefix('@') {
        Some(scoped) => scoped.split_once('/').is_some_and(|(scope, name)| is_part(scope) && is_part(name)),
        None => is_part(name),
    };
    is_whole && name.len() <= 214 && name != "node_modules"
}

pub(super) fn is_builtin(package: &str) -> bool {
    builtins().any(|it| it == package)
}

pub(super) fn builtins<'a>() -> impl Iterator<Item = &'a str> {
    BUILTINS.split_whitespace()
}

/// Whether the repository's settings map the name to a place of its own.
pub(super) fn is_alias(scene: &Scene<'_>, package: &str) -> bool {
    let head = package.split('/').next().unwrap_or(package);
    let mapped = [format!("\"{head}/"), format!("\"{package}\""), format!("^{head}/"), format!("'{head}'")];
    let is_setting = |file: &&String| {
        let name = file.rsplit('/').next().unwrap_or(file);
        (name.starts_with("tsconfig") || name.starts_with("jsconfig") || name.starts_with("jest.config"))
            || (name.starts_with("vite.config") || name.starts_with("webpack.config"))
    };
    let settings = scene.files().iter().filter(is_setting).take(50).filter_map(|it| scene.scan(it));
    let is_mapping = |text: &str| text.contains("paths") || text.contains("alias") || text.contains("moduleNameMapper");
    settings.filter(|it| is_mapping(it)).any(|text| mapped.iter().any(|it| text.contains(it)))
}

pub(super) fn is_script(file: &str) -> bool {
    has_ending(file, SCRIPTS)
}

pub(super) fn is_test(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    let is_in_folder =
        file.split('/').rev().skip(1).any(|it| matches!(it, "test" | "tests" | "__tests__" | "spec" | "e2e"));
    is_in_folder || name.contains(".test.") || name.contains(".spec.")
}

/// Whether a script imports the package or something in it.
pub(super) fn is_imported(text: &str, package: &str) -> bool {
    let is_import = |line: &str| {
        ['\'', '"', '`'].iter().any(|quote| {
            let mut pieces = line.split(*quote);
            let mut lead = pieces.next().unwrap_or_default().trim_end();
            // Every second piece is a string; what stands before it says what it is for.
            while let Some(string) = pieces.next() {
                let is_ours = string.strip_prefix(package).is_some_and(|it| it.is_empty() || it.starts_with('/'));
                let opens = ["from", "import", "import(", "require(", "require.resolve(", "jest.mock("];
                if is_ours && opens.iter().any(|it| lead.ends_with(it)) {
                    return true;
                }
                lead = pieces.next().unwrap_or_default().trim_end();
            }
            false
        })
    };
    text.lines().any(is_import)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_packages_are_taken() {
        for (specifier, package) in [
            ("lodash", Some("lodash")),
            ("lodash/fp", Some("lodash")),
            ("@scope/pkg/sub/x", Some("@scope/pkg")),
            ("@scope", None),
            ("./x", None),
            ("../x", None),
            ("/abs", None),
            ("C:\\x", None),
            ("#internal", None),
            ("@/alias", None),
            ("~/alias", None),
            ("node:fs", None),
            ("a\",\"x\":\"", None),
            ("Upper", None),
            (".hidden", None),
            ("", None),
            ("https://x/y", None),
        ] {
            assert_eq!(package_of(specifier).as_deref(), package, "{specifier:?}");
        }
        assert!(is_builtin("fs") && is_builtin("worker_threads") && !is_builtin("lodash"));
    }

    #[test]
    fn imports_are_recognised() {
        for line in [
            "const a = require('pkg');",
            "const a = require(\"pkg/sub\");",
            "import a from 'pkg'",
            "import 'pkg';",
            "await import(`pkg`)",
            "x = 'y'; export * from 'pkg'",
        ] {
            assert!(is_imported(line, "pkg"), "{line}");
        }
        for line in ["import a from 'pkg2'", "const pkg = 1", "say('pkg')", "import a from './pkg'"] {
            assert!(!is_imported(line, "pkg"), "{line}");
        }
    }
}
