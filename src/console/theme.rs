//! Colours by meaning: `themes/*.toml` say how each role looks. Status is never told by colour alone; the words stand beside it.
use crate::console::document::Highlighter;
use crate::domain::names::named;
use ratatui::style::Color;
use ratatui::style::Modifier;
use ratatui::style::Style;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

named! {
    /// What a colour means.
    Role {
        Text = "text",
        Dim = "text.dim",
        Strong = "text.strong",
        Title = "title",
        Border = "border",
        BorderFocused = "border.focused",
        Selection = "selection",
        Cursor = "cursor",
        HintKey = "hint.key",
        HintText = "hint.text",
        HintDecide = "hint.decide",
        StatusNeedsYou = "status.needs-you",
        StatusEscalated = "status.escalated",
        StatusHealing = "status.healing",
        StatusQueued = "status.queued",
        StatusResolved = "status.resolved",
        StatusAborted = "status.aborted",
        NoticeInfo = "notice.info",
        NoticeGood = "notice.good",
        NoticeBad = "notice.bad",
        DialogBorder = "dialog.border",
        DialogDanger = "dialog.danger",
        DialogText = "dialog.text",
        Field = "field",
        Match = "match",
        MatchCurrent = "match.current",
        Good = "good",
        Bad = "bad",
        Warning = "warning",
        Label = "label",
        DiffFile = "diff.file",
        DiffHunk = "diff.hunk",
        DiffAdded = "diff.added",
        DiffAddedWord = "diff.added.word",
        DiffRemoved = "diff.removed",
        DiffRemovedWord = "diff.removed.word",
        GroundAdded = "ground.added",
        GroundAddedWord = "ground.added.word",
        GroundRemoved = "ground.removed",
        GroundRemovedWord = "ground.removed.word",
        LineNumber = "line-number",
        Note = "note",
        Deceptive = "deceptive",
        LogError = "log.error",
        LogWarning = "log.warning",
        LogGroup = "log.group",
        SyntaxComment = "syntax.comment",
        SyntaxKeyword = "syntax.keyword",
        SyntaxString = "syntax.string",
        SyntaxNumber = "syntax.number",
        SyntaxFunction = "syntax.function",
        SyntaxType = "syntax.type",
    }
}

/// The themes that are built in.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("dark", include_str!("../../themes/dark.toml")),
    ("light", include_str!("../../themes/light.toml")),
    ("ansi16", include_str!("../../themes/ansi16.toml")),
    ("mono", include_str!("../../themes/mono.toml")),
];

/// Which theme to use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ThemeChoice {
    #[default]
    Auto,
    /// One of the built-in themes.
    Named(String),
    /// The text of a theme file.
    Own(String),
}

/// Whether to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColorChoice {
    #[default]
    Auto,
    Always,
    /// `NO_COLOR` or `--color never`: bold, reverse and underline only.
    Never,
}

/// What is wrong with a theme.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ThemeError {
    #[error("there is no theme `{0}`; there are dark, light, ansi16 and mono")]
    Unknown(String),
    #[error("theme: {0}")]
    Invalid(String),
}

/// How everything looks.
#[derive(Debug, Clone)]
pub struct Theme {
    pub name: String,
    /// Whether only ASCII signs are drawn.
    pub is_ascii: bool,
    /// Gives code its colours, once the grammars are loaded.
    pub highlighter: Option<Arc<Highlighter>>,
    styles: BTreeMap<Role, Style>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    inherits: Option<String>,
    #[serde(default)]
    palette: BTreeMap<String, toml::Value>,
    #[serde(default)]
    roles: BTreeMap<String, RawStyle>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the file")]
struct RawStyle {
    fg: Option<String>,
    bg: Option<String>,
    #[serde(default)]
    bold: bool,
    #[serde(default)]
    dim: bool,
    #[serde(default)]
    italic: bool,
    #[serde(default)]
    underline: bool,
    #[serde(default)]
    reverse: bool,
}

impl Theme {
    /// Returns the chosen theme; without colour it is always `mono`.
    pub fn load(choice: &ThemeChoice, color: ColorChoice) -> Result<Self, ThemeError> {
        if color == ColorChoice::Never {
            return Self::named("mono");
        }
        match choice {
            ThemeChoice::Auto => Self::named("dark"),
            ThemeChoice::Named(name) => Self::named(name),
            ThemeChoice::Own(text) => Self::parse("own", text),
        }
    }

    /// Returns a built-in theme.
    pub fn named(name: &str) -> Result<Self, ThemeError> {
        let text = BUILT_IN.iter().find(|(it, _)| *it == name).map(|(_, text)| *text);
        Self::parse(name, text.ok_or_else(|| ThemeError::Unknown(name.to_owned()))?)
    }

    /// Reads a theme; an unknown role, colour or key is an error.
    pub fn parse(name: &str, text: &str) -> Result<Self, ThemeError> {
        let raw: Raw = toml::from_str(text).map_err(|error| ThemeError::Invalid(error.to_string()))?;
        // Only built-in themes can be inherited, and those inherit from each other in one direction, so this ends.
        let mut styles = match raw.inherits.as_deref() {
            Some(base) if base != name => Self::named(base)?.styles,
            Some(base) => return Err(ThemeError::Invalid(format!("`{base}` inherits from itself"))),
            None => BTreeMap::new(),
        };
        let mut palette = BTreeMap::new();
        for (name, value) in &raw.palette {
            palette.insert(name.as_str(), parse_color(value).map_err(ThemeError::Invalid)?);
        }
        for (role, style) in &raw.roles {
            let role: Role = role.parse().map_err(|it| ThemeError::Invalid(format!("role {it}")))?;
            styles.insert(role, style.resolve(&palette)?);
        }
        Ok(Self { name: name.to_owned(), is_ascii: false, highlighter: None, styles })
    }

    /// Returns how a role looks; `diff.added.word` falls back to `diff.added`, in the end to `text`.
    pub fn style(&self, role: Role) -> Style {
        let mut name = role.as_str();
        loop {
            let style = name.parse::<Role>().ok().and_then(|it| self.styles.get(&it));
            if let Some(style) = style {
                return *style;
            }
            match name.rsplit_once('.') {
                Some((wider, _)) => name = wider,
                None => return self.styles.get(&Role::Text).copied().unwrap_or_default(),
            }
        }
    }

    /// Whether the theme itself says how a role looks.
    pub fn covers(&self, role: Role) -> bool {
        self.styles.contains_key(&role)
    }
}

impl RawStyle {
    fn resolve(&self, palette: &BTreeMap<&str, Color>) -> Result<Style, ThemeError> {
        let color = |name: &String| {
            palette
                .get(name.as_str())
                .copied()
                .ok_or_else(|| ThemeError::Invalid(format!("`{name}` is not in [palette]")))
        };
        let (fg, bg) = (self.fg.as_ref().map(color).transpose()?, self.bg.as_ref().map(color).transpose()?);
        let mut style = Style { fg, bg, ..Style::default() };
        for (is_set, modifier) in [
            (self.bold, Modifier::BOLD),
            (self.dim, Modifier::DIM),
            (self.italic, Modifier::ITALIC),
            (self.underline, Modifier::UNDERLINED),
            (self.reverse, Modifier::REVERSED),
        ] {
            if is_set {
                style = style.add_modifier(modifier);
            }
        }
        Ok(style)
    }
}

/// Reads `"#rrggbb"`, a number from 0 to 255, an ANSI name, or `"default"`.
fn parse_color(value: &toml::Value) -> Result<Color, String> {
    match value {
        toml::Value::Integer(n) => u8::try_from(*n).map(Color::Indexed).map_err(|_| format!("{n} is no colour index")),
        toml::Value::String(text) if text == "default" => Ok(Color::Reset),
        toml::Value::String(text) => text.parse().map_err(|_| format!("`{text}` is no colour")),
        other => Err(format!("`{other}` is no colour")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_themes_cover_every_role() {
        for (name, _) in BUILT_IN {
            let theme = Theme::named(name).unwrap();
            for role in Role::ALL {
                assert!(theme.covers(*role), "{name} does not say how `{role}` looks");
            }
        }
    }

    #[test]
    fn mono_uses_no_colour_at_all() {
        let theme = Theme::load(&ThemeChoice::Named("dark".to_owned()), ColorChoice::Never).unwrap();
        for role in Role::ALL {
            let style = theme.style(*role);
            assert!(matches!((style.fg, style.bg), (None, None)), "{role}: {style:?}");
        }
    }

    #[test]
    fn mistakes_are_refused() {
        for text in [
            "[roles]\n\"status.happy\" = {}",
            "[roles]\ntext = { fg = \"nowhere\" }",
            "[palette]\nred = \"#12345\"",
            "[palette]\nred = 256",
            "inherits = \"neon\"",
            "[roles]\ntext = { blink = true }",
            "colour = 1",
        ] {
            assert!(Theme::parse("own", text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_own_theme_inherits_and_falls_back() {
        let theme =
            Theme::parse("own", "inherits = \"dark\"\n[palette]\nx = 9\n[roles]\nlabel = { fg = \"x\" }").unwrap();
        assert_eq!(theme.style(Role::Label).fg, Some(Color::Indexed(9)));
        assert_eq!(theme.style(Role::DiffAdded), Theme::named("dark").unwrap().style(Role::DiffAdded));
        let bare = Theme::parse("own", "[palette]\nx = 9\n[roles]\n\"diff.added\" = { fg = \"x\" }").unwrap();
        assert_eq!(bare.style(Role::DiffAddedWord).fg, Some(Color::Indexed(9)));
    }
}
