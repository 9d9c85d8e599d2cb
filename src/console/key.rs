//! One key press, written as keymaps, recordings and tests write it: `j`, `ctrl-d`, `shift-tab`.
use serde::Deserialize;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// Which key, without its modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    Char(char),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Delete,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    F(u8),
}

const NAMES: &[(&str, Code)] = &[
    ("enter", Code::Enter),
    ("esc", Code::Esc),
    ("tab", Code::Tab),
    ("shift-tab", Code::BackTab),
    ("backspace", Code::Backspace),
    ("delete", Code::Delete),
    ("up", Code::Up),
    ("down", Code::Down),
    ("left", Code::Left),
    ("right", Code::Right),
    ("home", Code::Home),
    ("end", Code::End),
    ("page-up", Code::PageUp),
    ("page-down", Code::PageDown),
    ("space", Code::Char(' ')),
];

/// A key with its modifiers. Shift is part of the character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key {
    pub code: Code,
    pub ctrl: bool,
    pub alt: bool,
}

impl Key {
    /// Returns a key without modifiers.
    pub const fn plain(code: Code) -> Self {
        Self { code, ctrl: false, alt: false }
    }

    /// Returns the character that this key types, if it types one.
    pub const fn typed(self) -> Option<char> {
        match self {
            Self { code: Code::Char(ch), ctrl: false, alt: false } => Some(ch),
            _ => None,
        }
    }

    /// Returns the sign that help and hint bars show: arrows for the arrow keys, else the written form.
    pub fn label(self) -> String {
        match self {
            Self { code: Code::Up, ctrl: false, alt: false } => "↑".to_owned(),
            Self { code: Code::Down, ctrl: false, alt: false } => "↓".to_owned(),
            Self { code: Code::Left, ctrl: false, alt: false } => "←".to_owned(),
            Self { code: Code::Right, ctrl: false, alt: false } => "→".to_owned(),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ctrl {
            f.write_str("ctrl-")?;
        }
        if self.alt {
            f.write_str("alt-")?;
        }
        if let Some((name, _)) = NAMES.iter().find(|(_, code)| *code == self.code) {
            return f.write_str(name);
        }
        match self.code {
            Code::Char(ch) => write!(f, "{ch}"),
            Code::F(n) => write!(f, "f{n}"),
            _ => Ok(()),
        }
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut key = Self::plain(Code::Esc);
        let mut rest = text;
        loop {
            if let Some(after) = rest.strip_prefix("ctrl-").filter(|it| !it.is_empty()) {
                (key.ctrl, rest) = (true, after);
            } else if let Some(after) = rest.strip_prefix("alt-").filter(|it| !it.is_empty()) {
                (key.alt, rest) = (true, after);
            } else {
                break;
            }
        }
        let mut chars = rest.chars();
        key.code = match (NAMES.iter().find(|(name, _)| *name == rest), chars.next(), chars.next()) {
            (Some((_, code)), ..) => *code,
            (None, Some(ch), None) if !ch.is_control() => Code::Char(ch),
            (None, Some('f'), Some(_)) => {
                let n = rest[1..].parse().ok().filter(|n| (1..=24).contains(n));
                Code::F(n.ok_or_else(|| format!("`{text}` is no key"))?)
            }
            _ => return Err(format!("`{text}` is no key")),
        };
        Ok(key)
    }
}

impl TryFrom<String> for Key {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_reads_back_as_written() {
        for text in
            ["j", "G", "ctrl-d", "alt-x", "ctrl-alt-x", "shift-tab", "space", "-", "ctrl--", "f12", "enter", "[", "é"]
        {
            assert_eq!(text.parse::<Key>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_no_key() {
        for text in ["", "jj", "ctrl-", "f0", "f99", "fé", "\u{1b}", "hyper-x"] {
            assert!(text.parse::<Key>().is_err(), "{text:?}");
        }
    }
}
