//! What language a file is in, as far as the rules need to know.

/// Languages the rules tell apart; one name may stand for a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lang {
    Python,
    JavaScript,
    Rust,
    Go,
    /// Java, Kotlin, Scala, Groovy.
    Jvm,
    CSharp,
    /// C, C++, Objective-C.
    C,
    Swift,
    Ruby,
    Php,
    Shell,
    Make,
    Docker,
    Yaml,
    Toml,
    Ini,
    Json,
    /// Text for people: rules about code do not apply.
    Prose,
    Other,
}

const BY_EXTENSION: &[(Lang, &[&str])] = &[
    (Lang::Python, &["py", "pyw", "pyi", "pyx", "pxd"]),
    (Lang::JavaScript, &["js", "jsx", "mjs", "cjs", "ts", "tsx", "mts", "cts", "vue", "svelte"]),
    (Lang::Rust, &["rs"]),
    (Lang::Go, &["go"]),
    (Lang::Jvm, &["java", "kt", "kts", "scala", "sc", "groovy", "gradle"]),
    (Lang::CSharp, &["cs", "csx", "fs", "vb"]),
    (Lang::C, &["c", "h", "cc", "cpp", "cxx", "hh", "hpp", "hxx", "m", "mm", "ino"]),
    (Lang::Swift, &["swift"]),
    (Lang::Ruby, &["rb", "rake", "gemspec", "ru"]),
    (Lang::Php, &["php", "phtml"]),
    (Lang::Shell, &["sh", "bash", "zsh", "ksh", "dash", "fish", "bats", "envrc"]),
    (Lang::Make, &["mk", "mak", "make"]),
    (Lang::Docker, &["dockerfile", "containerfile"]),
    (Lang::Yaml, &["yml", "yaml"]),
    (Lang::Toml, &["toml"]),
    (Lang::Ini, &["ini", "cfg", "conf", "properties"]),
    (Lang::Json, &["json", "jsonc", "json5"]),
    (Lang::Prose, &["md", "mdx", "markdown", "rst", "adoc", "asciidoc", "org", "tex"]),
];

const BY_NAME: &[(Lang, &[&str])] = &[
    (Lang::Make, &["makefile", "gnumakefile", "bsdmakefile", "justfile"]),
    (Lang::Docker, &["dockerfile", "containerfile"]),
    (Lang::Ruby, &["gemfile", "rakefile", "guardfile", "podfile"]),
    (Lang::Jvm, &["jenkinsfile"]),
    (Lang::Prose, &["license", "licence", "copying", "notice", "authors", "changelog", "readme", "contributing"]),
    (Lang::Ini, &[".coveragerc", ".flake8", ".pylintrc", "pylintrc"]),
];

const BY_INTERPRETER: &[(Lang, &[&str])] = &[
    (Lang::Python, &["python"]),
    (Lang::JavaScript, &["node", "deno", "bun", "tsx"]),
    (Lang::Ruby, &["ruby"]),
    (Lang::Php, &["php"]),
    (Lang::Make, &["make"]),
    (Lang::Shell, &["sh", "bash", "dash", "zsh", "ksh", "fish"]),
];

impl Lang {
    /// Tells the language by name, else by the `#!` line.
    pub fn of(path: &str, first_line: Option<&str>) -> Self {
        let name = path.rsplit('/').next().unwrap_or_default().to_lowercase();
        let find = |table: &[(Self, &[&str])], key: &str| {
            table.iter().find(|(_, keys)| keys.contains(&key)).map(|(lang, _)| *lang)
        };
        let extension = name.rsplit_once('.').map(|(_, it)| it);
        if extension == Some("txt") {
            let is_machine_read =
                ["requirements", "constraints", "cmakelists", "deps"].iter().any(|it| name.contains(it));
            return if is_machine_read { Self::Other } else { Self::Prose };
        }
        let stem = name.split('.').next().unwrap_or_default();
        find(BY_NAME, &name)
            .or_else(|| extension.and_then(|it| find(BY_EXTENSION, it)))
            .or_else(|| find(BY_NAME, stem).filter(|_| !stem.is_empty()))
            .or_else(|| Self::of_interpreter(first_line?))
            .unwrap_or(Self::Other)
    }

    fn of_interpreter(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("#!")?.split_whitespace().map(|it| it.rsplit('/').next().unwrap_or_default());
        let program = words.find(|it| *it != "env" && !it.starts_with('-') && !it.contains('='))?;
        let program = program.trim_end_matches(|it: char| it.is_ascii_digit() || it == '.');
        BY_INTERPRETER.iter().find(|(_, names)| names.contains(&program)).map(|(lang, _)| *lang)
    }

    /// Whether rules about program text apply.
    pub fn is_code(self) -> bool {
        !matches!(self, Self::Prose | Self::Json | Self::Toml | Self::Ini | Self::Yaml)
    }

    /// Whether lines of the file are commands for a shell, or hold such commands.
    pub fn holds_commands(self) -> bool {
        matches!(
            self,
            Self::Shell | Self::Make | Self::Docker | Self::Yaml | Self::Json | Self::Toml | Self::Ini | Self::Other
        )
    }

    /// Whether blocks are written in braces.
    pub fn has_braces(self) -> bool {
        matches!(
            self,
            Self::JavaScript | Self::Rust | Self::Go | Self::Jvm | Self::CSharp | Self::C | Self::Swift | Self::Php
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_told_by_name_or_first_line() {
        for (path, first, lang) in [
            ("a/b.PY", None, Lang::Python),
            ("a.test.tsx", None, Lang::JavaScript),
            ("Makefile", None, Lang::Make),
            ("docker/Dockerfile.dev", None, Lang::Docker),
            ("README", None, Lang::Prose),
            ("LICENSE.txt", None, Lang::Prose),
            ("notes.txt", None, Lang::Prose),
            ("requirements-dev.txt", None, Lang::Other),
            ("CMakeLists.txt", None, Lang::Other),
            ("bin/run", Some("#!/usr/bin/env -S python3.11 -u"), Lang::Python),
            ("bin/run", Some("#!/bin/sh -e"), Lang::Shell),
            ("bin/run", Some("#!/usr/bin/env node"), Lang::JavaScript),
            ("bin/run", None, Lang::Other),
            (".gitignore", None, Lang::Other),
            ("license.py", None, Lang::Python),
        ] {
            assert_eq!(Lang::of(path, first), lang, "{path}");
        }
    }
}
