//! Puts foreign text into Markdown so that it stays text: it closes no span or fence, mentions nobody and refers to nothing. Where the Markdown
//! becomes the message of a commit, nothing in it is obeyed either.
use crate::evidence::commands::inert;
use crate::evidence::text;

/// What stands where there is nothing to show.
const NOTHING: &str = "–";
/// Shortest fence there is.
const FENCE: usize = 3;

/// Returns a text as code within a line; line breaks become spaces.
pub fn span(text: &str) -> String {
    let clean = text::clean_line(text);
    let quiet = inert(&clean);
    let inner = quiet.trim();
    if inner.is_empty() {
        return NOTHING.to_owned();
    }
    let ticks = "`".repeat(longest_run(inner) + 1);
    // A space at both ends is not shown, and keeps backticks of the text apart from those around it.
    format!("{ticks} {inner} {ticks}")
}

/// Returns a text as code in the cell of a table. A bar would end the cell whatever stands around it, so that another one is shown.
pub fn cell(text: &str) -> String {
    span(&text.replace('|', "¦"))
}

/// Returns a text of several lines as a block of code, with a line break at its end. `language` is ours.
pub fn fence(text: &str, language: &str) -> String {
    let clean = text::clean(text);
    let quiet = inert(&clean);
    let ticks = "`".repeat(FENCE.max(longest_run(&quiet) + 1));
    let inner = quiet.trim_end();
    format!("{ticks}{language}\n{inner}\n{ticks}\n")
}

/// Returns a text as one line for places where Markdown is not read but names, numbers and commands still count: titles and messages of
/// commits. `[skip ci]` is such a command: nothing that a log says may keep CI from running.
pub fn plain(text: &str) -> String {
    let clean = text::clean_line(text);
    let line = inert(clean.trim()).replace("://", ":⁄⁄");
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(ch) = chars.next() {
        plain.push(match ch {
            '@' => '＠',
            '#' => '＃',
            '`' => '\'',
            '<' => '‹',
            '>' => '›',
            '[' => '［',
            ']' => '］',
            // `GH-12` is a reference, too.
            '-' if ends_with_gh(&plain) && chars.peek().is_some_and(char::is_ascii_digit) => '‐',
            other => other,
        });
    }
    plain
}

fn ends_with_gh(text: &str) -> bool {
    let mut last = text.chars().rev();
    let (h, g) = (last.next(), last.next());
    h.is_some_and(|it| it.eq_ignore_ascii_case(&'h')) && g.is_some_and(|it| it.eq_ignore_ascii_case(&'g'))
}

fn longest_run(text: &str) -> usize {
    text.split(|it| it != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what a reader of Markdown takes for the code of a line that begins with a span, and what follows it.
    fn read_span(markdown: &str) -> Option<(&str, &str)> {
        let n = markdown.chars().take_while(|it| *it == '`').count();
        let inner = &markdown[n..];
        let mut at = 0;
        while at < inner.len() {
            let run = inner[at..].chars().take_while(|it| *it == '`').count();
            if run == n {
                return Some((&inner[..at], &inner[at + run..]));
            }
            at += run.max(inner[at..].chars().next().map_or(1, char::len_utf8));
        }
        None
    }

    /// Returns the code of a block and what follows it.
    fn read_fence(markdown: &str) -> Option<(String, String)> {
        let mut lines = markdown.split('\n');
        let open = lines.next()?.chars().take_while(|it| *it == '`').count();
        let mut code = Vec::new();
        while let Some(line) = lines.next() {
            let indent = line.chars().take_while(|it| *it == ' ').count();
            let body = line.trim_start_matches(' ').trim_end_matches([' ', '\t']);
            if indent < 4 && body.len() >= open && body.chars().all(|it| it == '`') {
                return Some((code.join("\n"), lines.collect::<Vec<_>>().join("\n")));
            }
            code.push(line);
        }
        None
    }

    #[test]
    fn foreign_text_is_shown_as_it_is() {
        assert_eq!(span("a @b #1"), "` a @b #1 `");
        assert_eq!(span("``x`"), "``` ``x` ```");
        assert_eq!(span(" \n\t"), "–");
        assert_eq!(cell("a | b"), "` a ¦ b `");
        assert_eq!(fence("one\n```\ntwo", "text"), "````text\none\n```\ntwo\n````\n");
        assert_eq!(span("a [skip ci] closes #1"), "` a ［skip ci］ closes ＃1 `");
        assert_eq!(fence("***NO_CI***\nskip-checks: true", ""), "```\n＊＊＊NO_CI＊＊＊\nskip-checks： true\n```\n");
        assert_eq!(
            plain("[skip ci] ***NO_CI*** skip-checks: true"),
            "［skip ci］ ＊＊＊NO_CI＊＊＊ skip-checks： true"
        );
        assert_eq!(
            plain("Fixes #12, gh-7 and <b>@all</b> https://x/y GH-x"),
            "Fixes ＃12, gh‐7 and ‹b›＠all‹/b› https:⁄⁄x/y GH-x"
        );
    }

    proptest::proptest! {
        #[test]
        fn nothing_leaves_its_span(text in "[ -~`\\n\\r\u{1b}\u{202e}|é]{0,60}") {
            let made = span(&text);
            if made != "–" {
                let (code, rest) = read_span(&made).unwrap();
                proptest::prop_assert_eq!(rest, "");
                proptest::prop_assert!(!made.contains('\n'));
                let clean = text::clean_line(&text);
                let quiet = inert(&clean);
                proptest::prop_assert_eq!(code.trim(), quiet.trim());
            }
            proptest::prop_assert!(!cell(&text).contains('|'));
        }

        #[test]
        fn nothing_leaves_its_fence(text in "([ -~\\n\\r\u{1b}\u{202e}é]|`{1,6}|\\n`{3,9}|\\n {1,3}~~~|\\n<!-- -->){0,40}") {
            let (code, rest) = read_fence(&fence(&text, "text")).unwrap();
            proptest::prop_assert_eq!(rest, "");
            let clean = text::clean(&text);
            let quiet = inert(&clean);
            proptest::prop_assert_eq!(code, quiet.trim_end());
        }

        #[test]
        fn nobody_is_named_in_plain_text(text in "[ -~\\n]{0,60}|(gh|GH|Gh)-[0-9]{1,3}|.{0,20}") {
            let made = plain(&text);
            proptest::prop_assert!(!made.contains(['@', '#', '`', '<', '\n']) && !made.contains("://"), "{}", made);
        }
    }
}
