//! The demonstration: small real git repositories that are really broken, each with the end its story promises.
pub mod story;

pub use story::{Expected, Story};

/// The stories, in the order they are told.
const STORIES: &[(&str, &str)] = &[
    ("dependency-error", include_str!("stories/dependency_error.toml")),
    ("syntax-error", include_str!("stories/syntax_error.toml")),
    ("timeout-error", include_str!("stories/timeout_error.toml")),
    ("resource-error", include_str!("stories/resource_error.toml")),
    ("docker-error", include_str!("stories/docker_error.toml")),
    ("test-failure", include_str!("stories/test_failure.toml")),
    ("lost-exec-bit", include_str!("stories/lost_exec_bit.toml")),
    ("second-try", include_str!("stories/second_try.toml")),
    ("flaky", include_str!("stories/flaky.toml")),
    ("hostile-output", include_str!("stories/hostile_output.toml")),
    ("cheating-agent", include_str!("stories/cheating_agent.toml")),
    ("two-keys", include_str!("stories/two_keys.toml")),
];

/// Returns all stories; they are part of the program, so a broken one is a defect of the program.
pub fn stories() -> Result<Vec<Story>, String> {
    STORIES.iter().map(|(name, text)| Story::parse(name, text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_story_can_be_told() {
        let stories = stories().unwrap();
        assert!(stories.len() >= 10);
        for story in stories {
            assert!(!story.about.is_empty() && !story.files.is_empty(), "{}", story.name);
        }
    }
}
