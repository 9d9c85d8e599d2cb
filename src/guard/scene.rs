//! Everything the rules may look at together.
use crate::guard::Context;
use crate::guard::command::TestCommand;
use crate::guard::findings::Findings;
use crate::guard::view::FileView;
use regex::Regex;

/// One patch over its base, as the rules see it.
pub(crate) struct Scene<'a> {
    pub(crate) context: &'a Context<'a>,
    pub(crate) command: TestCommand,
    pub(crate) files: Vec<FileView<'a>>,
}

/// Compiles a pattern that is part of the program.
#[expect(clippy::expect_used, reason = "the patterns are constants, and every one is compiled by a test")]
pub(crate) fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern compiles")
}

/// One rule family: looks at one file of the scene and objects.
pub(crate) type Rule = fn(&Scene<'_>, &FileView<'_>, &mut Findings);
