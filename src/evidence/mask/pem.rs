//! Follows private key blocks over lines.
use crate::evidence::mask::MASK;
use crate::evidence::pattern::pattern;
use crate::evidence::prefix::strip_prefix;
use regex::Regex;
use std::sync::LazyLock;

/// Lines after which a block without an end counts as over.
const MAX_LINES: u32 = 400;

pub(super) static BEGIN: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"));
static END: LazyLock<Regex> = LazyLock::new(|| pattern(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"));
static BODY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r#"^[\s"'+|>,-]*(?:[A-Za-z0-9+/=]*(?:\\[nr])*["',]*\s*|(?:Proc-Type|DEK-Info|Version|Comment):.*)$"#)
});

/// Whether the log stands inside a private key block.
#[derive(Debug, Clone, Default)]
pub struct PemState {
    lines_inside: Option<u32>,
}

/// What a line has to do with a private key block.
pub(super) enum Pem {
    Outside,
    /// The key stands on this line from this byte on, up to this one.
    On(usize, usize),
    Inside,
}

impl PemState {
    /// Takes the next line of the log.
    pub(super) fn see(&mut self, line: &str) -> Pem {
        if let Some(n_lines) = self.lines_inside {
            if line.contains("-----") && END.is_match(line) {
                self.lines_inside = None;
                return Pem::Inside;
            }
            if n_lines < MAX_LINES && BODY.is_match(strip_prefix(line)) {
                self.lines_inside = Some(n_lines + 1);
                return Pem::Inside;
            }
            self.lines_inside = None;
        }
        if !line.contains("-----BEGIN") {
            return Pem::Outside;
        }
        let Some(begin) = BEGIN.find(line) else { return Pem::Outside };
        if let Some(end) = END.find_at(line, begin.end()) {
            return Pem::On(begin.start(), end.end());
        }
        self.lines_inside = Some(0);
        Pem::On(begin.start(), line.len())
    }

    /// Takes the next line of the log and returns it without what belongs to a key, if anything does.
    pub(crate) fn hide(&mut self, line: &str) -> Option<String> {
        match self.see(line) {
            Pem::Outside => None,
            Pem::Inside => Some(MASK.to_owned()),
            Pem::On(from, until) => Some(format!("{}{MASK}{}", &line[..from], &line[until..])),
        }
    }
}
