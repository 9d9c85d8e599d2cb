//! File names in a diff: undoing git's C-style quoting, and refusing every name that could leave the work tree.

/// Longest name that is looked at; the limit of Linux.
pub(super) const MAX_NAME_BYTES: usize = 4_096;
const MAX_COMPONENT_BYTES: usize = 255;

/// Why a name is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    #[error("the quoting of a file name is broken")]
    Quoting,
    #[error("a file name is not UTF-8")]
    Encoding,
    #[error("a file name is empty")]
    Empty,
    #[error("a file name is too long")]
    TooLong,
    #[error("a file name holds control or invisible characters")]
    Control,
    #[error("a file name is absolute")]
    Absolute,
    #[error("a file name holds a backslash")]
    Backslash,
    #[error("a file name holds `.`, `..` or an empty part")]
    Climbing,
    #[error("a file name leads into git's own directory")]
    GitDirectory,
}

impl BadName {
    /// Whether the name was understood and leads out of the tree, rather than not being understood at all.
    pub const fn is_outside(self) -> bool {
        matches!(self, Self::Absolute | Self::Backslash | Self::Climbing | Self::GitDirectory)
    }
}

/// Splits a quoted name (`"…"`, C escapes) off the front; returns its text and what follows the closing quote.
pub(super) fn split_quoted(text: &str) -> Result<(String, &str), BadName> {
    let body = text.strip_prefix('"').ok_or(BadName::Quoting)?;
    let mut bytes = Vec::new();
    let mut rest = body.bytes().enumerate();
    while let Some((idx, byte)) = rest.next() {
        match byte {
            b'"' => {
                let name = String::from_utf8(bytes).map_err(|_| BadName::Encoding)?;
                return Ok((name, &body[idx + 1..]));
            }
            b'\\' => bytes.push(escaped_byte(&mut rest)?),
            byte => bytes.push(byte),
        }
    }
    Err(BadName::Quoting)
}

fn escaped_byte(rest: &mut impl Iterator<Item = (usize, u8)>) -> Result<u8, BadName> {
    let mut next = || rest.next().map(|(_, byte)| byte).ok_or(BadName::Quoting);
    Ok(match next()? {
        b'a' => 0x07,
        b'b' => 0x08,
        b't' => b'\t',
        b'n' => b'\n',
        b'v' => 0x0B,
        b'f' => 0x0C,
        b'r' => b'\r',
        byte @ (b'"' | b'\\') => byte,
        high @ b'0'..=b'3' => {
            let mut digit =
                || next().and_then(|it| if (b'0'..=b'7').contains(&it) { Ok(it) } else { Err(BadName::Quoting) });
            let (mid, low) = (digit()?, digit()?);
            ((high - b'0') << 6) | ((mid - b'0') << 3) | (low - b'0')
        }
        _ => return Err(BadName::Quoting),
    })
}

/// Decodes one name as a header line holds it, quoted or plain, without judging where it leads.
pub fn decode_name(text: &str) -> Result<String, BadName> {
    if !text.starts_with('"') {
        return Ok(text.to_owned());
    }
    let (name, rest) = split_quoted(text)?;
    if rest.is_empty() { Ok(name) } else { Err(BadName::Quoting) }
}

/// Refuses every name that is not a plain relative path below the work tree.
pub(super) fn check_name(name: &str) -> Result<(), BadName> {
    if name.is_empty() {
        return Err(BadName::Empty);
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(BadName::TooLong);
    }
    if name.starts_with('/') || has_drive_letter(name) {
        return Err(BadName::Absolute);
    }
    if name.contains('\\') {
        return Err(BadName::Backslash);
    }
    name.split('/').try_for_each(check_component)?;
    if crate::evidence::text::has_deceptive(name) || name.contains(['\t', '\n', '\r']) {
        return Err(BadName::Control);
    }
    Ok(())
}

fn has_drive_letter(name: &str) -> bool {
    matches!(name.as_bytes(), [drive, b':', ..] if drive.is_ascii_alphabetic())
}

fn check_component(part: &str) -> Result<(), BadName> {
    if part.len() > MAX_COMPONENT_BYTES {
        return Err(BadName::TooLong);
    }
    if matches!(part, "" | "." | "..") {
        return Err(BadName::Climbing);
    }
    // File systems that fold case, drop trailing dots and blanks, or ignore invisible characters see `.git` in all of these.
    let folded: String = part.chars().filter(|it| !crate::evidence::text::is_deceptive(*it)).collect();
    let folded = folded.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']).to_lowercase();
    if folded == ".git" || folded == "git~1" {
        return Err(BadName::GitDirectory);
    }
    // Nothing but dots and blanks is `..` once trailing dots are dropped.
    if folded.is_empty() { Err(BadName::Climbing) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_names_decode_as_git_wrote_them() {
        for (quoted, plain) in [
            (r#""a/caf\303\251.py""#, "a/café.py"),
            (r#""a/tab\there""#, "a/tab\there"),
            (r#""a/quo\"te\\""#, "a/quo\"te\\"),
            ("a/with blank.py", "a/with blank.py"),
        ] {
            assert_eq!(decode_name(quoted).as_deref(), Ok(plain), "{quoted}");
        }
        for broken in [r#""a/x"#, r#""a/x" y"#, r#""a\9""#, r#""a\40""#, r#""\377""#, r#""a\x41""#] {
            assert!(decode_name(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn names_that_could_leave_the_tree_are_refused() {
        for name in [
            "/etc/passwd",
            "../x",
            "a/../b",
            "a/..",
            "./x",
            "a//b",
            "a/",
            "C:/x",
            "c:x",
            r"a\b",
            r"..\x",
            ".git/config",
            "sub/.git/hooks/pre-commit",
            ".GIT/config",
            ".Git",
            ".git./x",
            ".git /x",
            "git~1/x",
            "GIT~1",
            ".git::$DATA",
            ".g\u{200c}it/x",
            "a/.. /b",
            "...",
            "",
            "\u{1b}[2J",
            "a\u{202e}b",
            "a\nb",
            &"x".repeat(5_000),
            &"y".repeat(300),
        ] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        for name in ["a.py", ".github/x", ".gitignore", "a b/c d.py", "..a/b", "a..b", "café.py", "xy:z", "git/config"]
        {
            assert_eq!(check_name(name), Ok(()), "{name:?}");
        }
    }
}
