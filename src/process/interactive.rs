//! Programs that take over the person's terminal for a while: their editor, and the shell that our own process was started from.
use nix::sys::signal::Signal;
use nix::sys::signal::raise;
use std::io;
use std::path::Path;

/// Opens `file` in the person's editor, at `line` if one is given, and returns when it was closed.
///
/// `editor` is a command as `$EDITOR` holds it, arguments included; the file is passed as an argument, never as part of the command.
#[expect(clippy::disallowed_methods, reason = "the editor is the person's own and gets the person's own environment")]
pub fn edit(editor: &str, file: &Path, line: Option<u32>) -> io::Result<()> {
    let mut command = std::process::Command::new("sh");
    command.arg("-c").arg(format!("{editor} \"$@\"")).arg(editor);
    if let Some(line) = line {
        command.args(position(editor, line));
    }
    let status = command.arg(file).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("the editor ended with {status}"))) }
}

/// Returns the argument that takes an editor to a line, for editors that are known to have one.
fn position(editor: &str, line: u32) -> Option<String> {
    let program = editor.split_whitespace().next().unwrap_or_default();
    let name = Path::new(program).file_name()?.to_str()?;
    let takes_plus = ["vi", "vim", "nvim", "nano", "emacs", "emacsclient", "kak", "micro", "joe", "mg", "view"];
    takes_plus.contains(&name).then(|| format!("+{line}"))
}

/// Stops this process as ctrl-z does, and returns when it was continued.
pub fn stop_this_process() -> io::Result<()> {
    raise(Signal::SIGSTOP).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_editors_are_taken_to_a_line() {
        assert_eq!(position("/usr/bin/vim -u NONE", 7), Some("+7".to_owned()));
        assert_eq!(position("code --wait", 7), None);
        assert_eq!(position("", 7), None);
    }

    #[test]
    fn a_file_name_is_never_part_of_the_command() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a; touch evil $(touch evil) 'x");
        std::fs::write(&file, "before").unwrap();
        edit("false", &file, None).unwrap_err();
        edit("sh -c 'printf after > \"$1\"' --", &file, None).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "after");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
