//! A script that lost its executable bit: it has a shebang, the log says `Permission denied`, and its mode has no `x`.
use crate::agent::playbook::Advice;
use crate::agent::playbook::Fix;
use crate::agent::playbook::scene::Scene;
use crate::agent::tree::Change;
use regex::Regex;
use std::sync::LazyLock;

#[expect(clippy::expect_used, reason = "the patterns are constants")]
static DENIED: LazyLock<[Regex; 4]> = LazyLock::new(|| {
    [
        // sh: 1: ./run.sh: Permission denied · make: execvp: ./x: Permission denied
        r"(?i)(?:^|[\s:'`])((?:\.{0,2}/)?[\w@+.-]+(?:/[\w@+.-]+)*)['`]?: permission denied",
        // zsh: permission denied: ./run.sh · [Errno 13] Permission denied: './run.sh'
        r#"(?i)permission denied: ['"]?((?:\.{0,2}/)?[\w@+.-]+(?:/[\w@+.-]+)*)"#,
        // Error: spawn ./run.sh EACCES
        r"spawn(?:Sync)? ((?:\.{0,2}/)?[\w@+.-]+(?:/[\w@+.-]+)*) EACCES",
        // fork/exec ./run.sh: permission denied
        r"(?i)(?:fork/)?exec ([\w@+./-]+): permission denied",
    ]
    .map(|it| Regex::new(it).expect("constant pattern"))
});

pub(super) fn look(scene: &Scene<'_>) -> Option<Advice> {
    let mut refused = None;
    for line in &scene.lines {
        for path in DENIED.iter().filter_map(|it| it.captures(&line.text)?.get(1)) {
            let Some(file) = scene.file_meant_by(path.as_str()) else { continue };
            let Some((mode, magic)) = scene.tree.mode_and_magic(file) else { continue };
            if mode & 0o111 != 0 {
                continue;
            }
            if magic != b"#!" {
                refused = Some(Advice::Refuse(format!("{file} is not executable, but it has no `#!` line either")));
                continue;
            }
            return Some(Advice::Edit(Fix {
                saw: line.quote(),
                did: format!("made {file} executable (chmod +x)"),
                why: format!("{file} opens with `#!` and is run as a program, but its mode is {:03o}", mode & 0o777),
                changes: vec![Change::MakeExecutable { file: file.to_owned() }],
            }));
        }
    }
    refused
}
