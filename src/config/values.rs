//! Values as people write them in settings and on the command line: durations, switches, numbers of attempts.
use crate::config::ConfigError;
use std::path::Path;
use std::time::Duration;

/// Attempts of a run at most, however high the settings go (DESIGN §1).
pub const MAX_ATTEMPTS: u32 = 5;

/// Reads a switch of the environment.
pub fn truth(name: &str, text: &str) -> Result<bool, ConfigError> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(ConfigError(format!("{name}: `{text}` is neither true nor false"))),
    }
}

/// Checks a number of attempts, 1 to 5.
pub fn check_attempts(n: u32) -> Result<u32, String> {
    if (1..=MAX_ATTEMPTS).contains(&n) {
        Ok(n)
    } else {
        Err(format!("{n} attempts are not possible, choose 1 to {MAX_ATTEMPTS}"))
    }
}

/// Parses a duration like `90s`, `10m`, `1h30m` or plain seconds; from one second to a day.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration; write it like 90s, 10m or 1h30m");
    let mut seconds = 0.0_f64;
    let mut number = String::new();
    for ch in text.trim().chars() {
        if ch.is_ascii_digit() || ch == '.' {
            number.push(ch);
            continue;
        }
        let n: f64 = number.parse().map_err(|_| wrong())?;
        number.clear();
        seconds += n * match ch {
            's' => 1.0,
            'm' => 60.0,
            'h' => 3600.0,
            _ => return Err(wrong()),
        };
    }
    if !number.is_empty() {
        seconds += number.parse::<f64>().map_err(|_| wrong())?;
    }
    if (0.1..=86_400.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(format!("`{text}` is too short or too long: from 0.1s to 24h"))
    }
}

pub(super) fn as_seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs())
}

/// Returns a path as it is shown to people.
pub fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("1h30m", 5_400), ("45", 45)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0s", "-1", "5x", "m", "99h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
