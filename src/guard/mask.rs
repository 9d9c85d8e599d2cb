//! Program text with the inside of strings and comments blanked out, so that rules look at code alone.
//!
//! It is a lexer of a few lines for each family of languages, not a parser. Where it loses its way (a string that never ends) every
//! line is masked on its own: the rules then see too much rather than too little.
use crate::guard::lang::Lang;

/// A text, line by line, with strings and comments blanked; columns stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Masked {
    pub(crate) code: Vec<String>,
    /// Which lines begin inside a string that began on an earlier line.
    pub(crate) starts_in_string: Vec<bool>,
}

/// Longest keyword that may stand before a regular expression.
const LOOK_BACK_CHARS: usize = 6;
/// Longest regular expression that is looked for; the search is repeated at every slash.
const MAX_REGEX_CHARS: usize = 1_000;

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Code,
    LineComment,
    BlockComment { depth: u32 },
    Quoted(Quote),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Quote {
    /// What ends the string.
    end: String,
    has_escapes: bool,
    is_multiline: bool,
    inside: Inside,
}

/// What becomes of the text inside a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Blanked,
    /// It is code in part (`f"…"`), or commands.
    Kept,
    /// `${` returns to code.
    Template,
}

/// Blanks strings and comments of all lines.
pub(crate) fn mask(lang: Lang, lines: &[&str]) -> Masked {
    let mut lexer = Lexer::new(lang);
    let masked = lexer.run(lines);
    if lexer.is_at_rest() {
        return masked;
    }
    let code = lines.iter().flat_map(|it| Lexer::new(lang).run(&[it]).code).collect();
    Masked { code, starts_in_string: masked.starts_in_string }
}

struct Lexer {
    lang: Lang,
    state: State,
    /// Templates that were left by `${`, with the number of braces open since.
    templates: Vec<(Quote, u32)>,
}

impl Lexer {
    fn new(lang: Lang) -> Self {
        Self { lang, state: State::Code, templates: Vec::new() }
    }

    fn is_at_rest(&self) -> bool {
        self.templates.is_empty() && matches!(self.state, State::Code | State::LineComment)
    }

    fn run(&mut self, lines: &[&str]) -> Masked {
        let mut masked = Masked::default();
        for line in lines {
            masked.starts_in_string.push(matches!(self.state, State::Quoted(_)));
            masked.code.push(self.line(line));
        }
        masked
    }

    fn line(&mut self, line: &str) -> String {
        if self.lang == Lang::Prose {
            return " ".repeat(line.chars().count());
        }
        let chars: Vec<char> = line.chars().collect();
        let mut out = String::with_capacity(line.len());
        let mut at = 0;
        while at < chars.len() {
            let n_taken = match std::mem::replace(&mut self.state, State::Code) {
                State::Code => self.in_code(&chars, at, &mut out),
                State::LineComment => blank(&mut out, chars.len() - at),
                State::BlockComment { depth } => self.in_comment(&chars, at, depth, &mut out),
                State::Quoted(quote) => self.in_quote(&chars, at, quote, &mut out),
            };
            at += n_taken.max(1);
        }
        self.end_line(&chars);
        out
    }

    fn end_line(&mut self, chars: &[char]) {
        let is_continued = chars.last() == Some(&'\\');
        match &self.state {
            State::LineComment => self.state = State::Code,
            State::Quoted(quote) if !quote.is_multiline && !is_continued => self.state = State::Code,
            _ => {}
        }
    }

    fn in_code(&mut self, chars: &[char], at: usize, out: &mut String) -> usize {
        if self.starts_line_comment(chars, at) {
            self.state = State::LineComment;
            return blank(out, chars.len() - at);
        }
        if self.has_block_comments() && starts(chars, at, "/*") {
            self.state = State::BlockComment { depth: 1 };
            return blank(out, 2);
        }
        if let Some(n_chars) = self.literal_without_state(chars, at) {
            return blank(out, n_chars);
        }
        if let Some((quote, n_chars)) = self.opening(chars, at) {
            out.extend(&chars[at..at + n_chars]);
            self.state = State::Quoted(quote);
            return n_chars;
        }
        self.follow_braces(chars[at]);
        out.push(chars[at]);
        1
    }

    /// Returns to the template that a `${` left, at its closing brace.
    fn follow_braces(&mut self, ch: char) {
        match (ch, self.templates.last_mut()) {
            ('{', Some((_, depth))) => *depth += 1,
            ('}', Some((_, 0))) => {
                if let Some((quote, _)) = self.templates.pop() {
                    self.state = State::Quoted(quote);
                }
            }
            ('}', Some((_, depth))) => *depth -= 1,
            _ => {}
        }
    }

    fn in_comment(&mut self, chars: &[char], at: usize, depth: u32, out: &mut String) -> usize {
        if starts(chars, at, "*/") {
            self.state = if depth > 1 { State::BlockComment { depth: depth - 1 } } else { State::Code };
            return blank(out, 2);
        }
        if matches!(self.lang, Lang::Rust | Lang::Swift) && starts(chars, at, "/*") {
            self.state = State::BlockComment { depth: depth.saturating_add(1) };
            return blank(out, 2);
        }
        self.state = State::BlockComment { depth };
        blank(out, 1)
    }

    fn in_quote(&mut self, chars: &[char], at: usize, quote: Quote, out: &mut String) -> usize {
        if quote.has_escapes && chars[at] == '\\' {
            return self.stay_quoted(quote, &chars[at..chars.len().min(at + 2)], out);
        }
        if starts(chars, at, &quote.end) {
            out.push_str(&quote.end);
            self.state = State::Code;
            return quote.end.chars().count();
        }
        if quote.inside == Inside::Template && starts(chars, at, "${") {
            self.templates.push((quote, 0));
            self.state = State::Code;
            return blank(out, 2);
        }
        self.stay_quoted(quote, &chars[at..=at], out)
    }

    fn stay_quoted(&mut self, quote: Quote, chars: &[char], out: &mut String) -> usize {
        if quote.inside == Inside::Kept {
            out.extend(chars);
        } else {
            blank(out, chars.len());
        }
        self.state = State::Quoted(quote);
        chars.len()
    }

    fn starts_line_comment(&self, chars: &[char], at: usize) -> bool {
        let is_after_blank = at == 0 || chars[at - 1].is_whitespace() || matches!(chars[at - 1], ';' | '(' | '&' | '|');
        match self.lang {
            Lang::Python | Lang::Toml | Lang::Ruby => chars[at] == '#',
            Lang::Shell | Lang::Make | Lang::Yaml | Lang::Docker => chars[at] == '#' && is_after_blank,
            Lang::Ini => matches!(chars[at], '#' | ';') && at == first_ink(chars),
            Lang::Php => starts(chars, at, "//") || (chars[at] == '#' && chars.get(at + 1) != Some(&'[')),
            Lang::JavaScript | Lang::Rust | Lang::Go | Lang::Jvm | Lang::CSharp | Lang::C | Lang::Swift => {
                starts(chars, at, "//")
            }
            Lang::Json | Lang::Prose | Lang::Other => false,
        }
    }

    fn has_block_comments(&self) -> bool {
        self.lang.has_braces()
    }

    /// A character literal or a regular expression: read whole, so that a quote inside opens nothing.
    fn literal_without_state(&self, chars: &[char], at: usize) -> Option<usize> {
        match (self.lang, chars[at]) {
            (Lang::Rust | Lang::Go | Lang::C | Lang::CSharp | Lang::Jvm | Lang::Swift, '\'') => {
                char_literal(chars, at).or(Some(1))
            }
            (Lang::JavaScript, '/') => regex_literal(chars, at),
            _ => None,
        }
    }

    /// The string that begins here, and how many characters open it.
    fn opening(&self, chars: &[char], at: usize) -> Option<(Quote, usize)> {
        let ch = chars[at];
        let is_triple = |mark: char| (0..3).all(|idx| chars.get(at + idx) == Some(&mark));
        let quote =
            |end: &str| Quote { end: end.to_owned(), has_escapes: true, is_multiline: false, inside: Inside::Blanked };
        match (self.lang, ch) {
            (Lang::Python, '"' | '\'') => {
                let is_format = prefix_of(chars, at).contains(['f', 'F', 't', 'T']);
                let inside = if is_format { Inside::Kept } else { Inside::Blanked };
                let n_chars = if is_triple(ch) { 3 } else { 1 };
                let end = ch.to_string().repeat(n_chars);
                Some((Quote { is_multiline: n_chars == 3, inside, ..quote(&end) }, n_chars))
            }
            (Lang::Toml, '"' | '\'') if is_triple(ch) => Some((
                Quote {
                    is_multiline: true,
                    inside: Inside::Kept,
                    has_escapes: ch == '"',
                    ..quote(&ch.to_string().repeat(3))
                },
                3,
            )),
            (Lang::Jvm | Lang::Swift | Lang::CSharp, '"') if is_triple('"') => {
                Some((Quote { is_multiline: true, ..quote("\"\"\"") }, 3))
            }
            (Lang::Rust, '"') => {
                let prefix = raw_hashes(chars, at);
                let end = format!("\"{}", "#".repeat(prefix.unwrap_or(0)));
                Some((Quote { is_multiline: true, has_escapes: prefix.is_none(), ..quote(&end) }, 1))
            }
            (Lang::CSharp, '"') if at > 0 && chars[..at].iter().rev().take(2).any(|it| *it == '@') => {
                Some((Quote { is_multiline: true, has_escapes: false, ..quote("\"") }, 1))
            }
            (Lang::Go, '`') => Some((Quote { is_multiline: true, has_escapes: false, ..quote("`") }, 1)),
            (Lang::JavaScript, '`') => Some((Quote { is_multiline: true, inside: Inside::Template, ..quote("`") }, 1)),
            (Lang::JavaScript | Lang::Ruby, '"' | '\'') => Some((quote(&ch.to_string()), 1)),
            (Lang::Php, '"' | '\'') => Some((Quote { is_multiline: true, ..quote(&ch.to_string()) }, 1)),
            (Lang::Go | Lang::Jvm | Lang::CSharp | Lang::C | Lang::Swift, '"') => Some((quote("\""), 1)),
            (Lang::Shell | Lang::Make | Lang::Yaml | Lang::Docker | Lang::Toml, '"' | '\'') => {
                // An apostrophe inside a word opens nothing.
                let is_word = at > 0 && chars[at - 1].is_alphanumeric();
                (!is_word)
                    .then(|| (Quote { inside: Inside::Kept, has_escapes: ch == '"', ..quote(&ch.to_string()) }, 1))
            }
            _ => None,
        }
    }
}

fn blank(out: &mut String, n_chars: usize) -> usize {
    out.extend(std::iter::repeat_n(' ', n_chars));
    n_chars
}

fn starts(chars: &[char], at: usize, text: &str) -> bool {
    text.chars().enumerate().all(|(idx, ch)| chars.get(at + idx) == Some(&ch))
}

fn first_ink(chars: &[char]) -> usize {
    chars.iter().position(|it| !it.is_whitespace()).unwrap_or(chars.len())
}

/// The letters right before a quote, where they are a prefix of it: `f`, `rb`, …
fn prefix_of(chars: &[char], at: usize) -> String {
    let letters: Vec<char> =
        chars[..at].iter().rev().take_while(|it| it.is_alphanumeric() || **it == '_').copied().collect();
    let is_prefix = letters.len() <= 2 && letters.iter().all(|it| "rbftuRBFTU".contains(*it));
    if is_prefix { letters.into_iter().collect() } else { String::new() }
}

/// How many `#` a Rust raw string has before its quote; none where the string is not raw.
fn raw_hashes(chars: &[char], at: usize) -> Option<usize> {
    let n_hashes = chars[..at].iter().rev().take_while(|it| **it == '#').count();
    let letters = prefix_of(chars, at - n_hashes);
    letters.contains('r').then_some(n_hashes)
}

fn char_literal(chars: &[char], at: usize) -> Option<usize> {
    if chars.get(at + 1) == Some(&'\\') {
        let n_chars = chars[at + 2..].iter().skip(1).take(10).position(|it| *it == '\'')?;
        return Some(n_chars + 4);
    }
    (chars.get(at + 2) == Some(&'\'')).then_some(3)
}

/// A JavaScript regular expression, told from a division by what stands before it.
fn regex_literal(chars: &[char], at: usize) -> Option<usize> {
    let skipped = chars[..at].iter().rev().take_while(|it| it.is_whitespace()).count();
    let before: String = chars[(at - skipped).saturating_sub(LOOK_BACK_CHARS)..at - skipped].iter().collect();
    let is_operand_next = before.is_empty()
        || before.ends_with([
            '(', ',', '=', ':', '[', '!', '&', '|', '?', '{', '}', ';', '+', '-', '*', '%', '~', '^', '<', '>',
        ])
        || ["return", "typeof", "case", "in", "of", "do", "else"].iter().any(|it| before.ends_with(it));
    if !is_operand_next {
        return None;
    }
    let mut is_in_class = false;
    let mut idx = at + 1;
    while let Some(ch) = chars.get(idx).filter(|_| idx - at < MAX_REGEX_CHARS) {
        match ch {
            '\\' => idx += 1,
            '[' => is_in_class = true,
            ']' => is_in_class = false,
            '/' if !is_in_class => return Some(idx + 1 - at),
            _ => {}
        }
        idx += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn masked(lang: Lang, text: &str) -> String {
        let lines: Vec<&str> = text.split('\n').collect();
        let trim = |it: &String| it.trim_end().to_owned();
        mask(lang, &lines).code.iter().map(trim).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn strings_and_comments_are_blanked() {
        for (lang, text, code) in [
            (Lang::Python, "x = 'except:' # except:", "x = '       '"),
            (Lang::Python, "a = \"\"\"one\nexcept:\n\"\"\" + b", "a = \"\"\"\n\n\"\"\" + b"),
            (Lang::Python, "f'{exit(0)}'", "f'{exit(0)}'"),
            (Lang::Python, "r'\\' + x", "r'"),
            (Lang::Python, "it's = 1\nexcept:", "it'\nexcept:"),
            (Lang::JavaScript, "a = /[\"/]/.test(b) // c", "a =       .test(b)"),
            (Lang::JavaScript, "a = b / c / \"d\"", "a = b / c / \" \""),
            (Lang::JavaScript, "`x ${f(`y ${g({a: 1})}`)} z` + h", "`    f(`    g({a: 1})}`)}  ` + h"),
            (Lang::JavaScript, "x /* a\nb */ y", "x\n     y"),
            (Lang::Rust, "fn f<'a>(x: &'a str) -> char { '\"' } // no", "fn f< a>(x: & a str) -> char {     }"),
            (Lang::Rust, "r#\"a \" b\"# + \"c\\\"d\"", "r#\"     \"# + \"    \""),
            (Lang::Rust, "/* a /* b */ c */ d", "                  d"),
            (Lang::Go, "a := `x\ny` + '\\''", "a := `\n ` +"),
            (Lang::Jvm, "\"\"\"a\n\"b\"\n\"\"\".x", "\"\"\"\n\n\"\"\".x"),
            (Lang::Shell, "echo 'a # b' # c", "echo 'a # b'"),
            (Lang::Shell, "echo $# || true", "echo $# || true"),
            (Lang::Yaml, "run: don't # x", "run: don't"),
            (Lang::Prose, "except:", ""),
        ] {
            assert_eq!(masked(lang, text), code, "{text}");
        }
    }

    #[test]
    fn an_endless_string_hides_nothing() {
        let text = "x = \"\"\"never closed\nexcept:\n    pass";
        assert!(masked(Lang::Python, text).contains("except:"));
    }

    #[test]
    fn lines_inside_a_string_are_known() {
        let masked = mask(Lang::Python, &["a = \"\"\"", "b", "\"\"\"", "c"]);
        assert_eq!(masked.starts_in_string, [false, true, true, false]);
    }

    proptest! {
        #[test]
        fn columns_stay_and_nothing_panics(text in "[-a-z'\"`#/*\\\\${}()\\[\\]r@ \n\u{e9}]{0,80}") {
            use Lang::{CSharp, Go, Ini, JavaScript, Jvm, Php, Python, Ruby, Rust, Shell, Toml, Yaml};
            let lines: Vec<&str> = text.split('\n').collect();
            for lang in [Python, JavaScript, Rust, Go, Jvm, CSharp, Php, Ruby, Shell, Yaml, Toml, Ini] {
                let masked = mask(lang, &lines);
                for (line, code) in lines.iter().zip(&masked.code) {
                    prop_assert_eq!(line.chars().count(), code.chars().count());
                }
            }
        }
    }
}
