//! A line of text that a person types.
use crate::evidence::text::is_blank;

/// How much one field holds.
const MAX_CHARS: usize = 2_000;

/// A one-line text with a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Field {
    chars: Vec<char>,
    cursor: usize,
}

impl Field {
    /// Returns a field that holds `text`, the cursor behind it.
    pub fn with(text: &str) -> Self {
        let chars: Vec<char> = text.chars().take(MAX_CHARS).collect();
        Self { cursor: chars.len(), chars }
    }

    pub fn text(&self) -> String {
        self.chars.iter().collect()
    }

    /// Whether nothing of the text can be seen.
    pub fn is_empty(&self) -> bool {
        is_blank(&self.text())
    }

    /// Returns the text before and from the cursor on.
    pub fn parts(&self) -> (String, String) {
        (self.chars[..self.cursor].iter().collect(), self.chars[self.cursor..].iter().collect())
    }

    /// Inserts text; line breaks become spaces, other controls nothing.
    pub fn insert(&mut self, text: &str) {
        for ch in text.chars().map(|it| if matches!(it, '\n' | '\t') { ' ' } else { it }) {
            if self.chars.len() < MAX_CHARS && !ch.is_control() {
                self.chars.insert(self.cursor, ch);
                self.cursor += 1;
            }
        }
    }

    /// Does what a key means in a line of text.
    pub fn press(&mut self, key: crate::console::key::Key) {
        use crate::console::key::Code;
        match (key.code, key.ctrl) {
            (Code::Backspace, false) | (Code::Char('h'), true) if self.cursor > 0 => {
                self.cursor -= 1;
                self.chars.remove(self.cursor);
            }
            (Code::Delete, _) if self.cursor < self.chars.len() => {
                self.chars.remove(self.cursor);
            }
            (Code::Left, _) => self.cursor = self.cursor.saturating_sub(1),
            (Code::Right, _) => self.cursor = (self.cursor + 1).min(self.chars.len()),
            (Code::Home, _) | (Code::Char('a'), true) => self.cursor = 0,
            (Code::End, _) | (Code::Char('e'), true) => self.cursor = self.chars.len(),
            (Code::Char('u'), true) => {
                self.chars.drain(..self.cursor);
                self.cursor = 0;
            }
            (Code::Char('w'), true) => self.delete_word(),
            _ => {
                if let Some(ch) = key.typed() {
                    self.insert(ch.encode_utf8(&mut [0; 4]));
                }
            }
        }
    }

    fn delete_word(&mut self) {
        let before = &self.chars[..self.cursor];
        let without_space = before.iter().rposition(|it| !it.is_whitespace()).map_or(0, |it| it + 1);
        let start = before[..without_space].iter().rposition(|it| it.is_whitespace()).map_or(0, |it| it + 1);
        self.chars.drain(start..self.cursor);
        self.cursor = start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(keys: &[&str]) -> Field {
        let mut field = Field::with("fix the budget");
        for key in keys {
            field.press(key.parse().unwrap());
        }
        field
    }

    #[test]
    fn keys_edit_the_line() {
        assert_eq!(after(&["backspace", "!"]).text(), "fix the budge!");
        assert_eq!(after(&["ctrl-w", "l"]).text(), "fix the l");
        assert_eq!(after(&["home", "delete", "M"]).text(), "Mix the budget");
        assert_eq!(after(&["left", "ctrl-u"]).text(), "t");
        assert_eq!(after(&["right", "left", "x"]).text(), "fix the budgext");
    }

    #[test]
    fn a_paste_is_one_line_of_bounded_length() {
        let mut field = Field::default();
        field.insert("a\nb\x1b[31m");
        assert_eq!(field.text(), "a b[31m");
        field.insert(&"x".repeat(5_000));
        assert_eq!(field.text().chars().count(), MAX_CHARS);
    }
}
