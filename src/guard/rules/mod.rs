//! The rule families, one file each. Each looks at one file of the patch and objects with a rule name that stays the same for ever.
mod broad_except;
mod dependency;
mod early_exit;
mod file_kind;
mod makefile;
mod manifest;
mod paths;
mod runner;
mod secret;
mod size;
mod suppression;
mod tampering;
mod tests;

use crate::guard::findings::Findings;
use crate::guard::scene::Rule;
use crate::guard::scene::Scene;

pub(crate) use makefile::recipes;
pub use size::is_size_rule;
pub(crate) use tests::holds_tests;

const FAMILIES: &[Rule] = &[
    paths::check,
    file_kind::check,
    runner::check,
    makefile::check,
    manifest::check,
    dependency::check,
    tests::check,
    suppression::check,
    broad_except::check,
    early_exit::check,
    tampering::check,
    secret::check,
];

/// Shows every file of the scene to every rule family.
pub(crate) fn run(scene: &Scene<'_>, findings: &mut Findings) {
    size::check(scene, findings);
    for file in &scene.files {
        for family in FAMILIES {
            family(scene, file, findings);
        }
    }
}
