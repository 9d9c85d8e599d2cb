//! `[workers]`: how many runs are worked on at once, how fast, and how workers stop.
use crate::config::values::parse_duration;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Runs that one process works on at once, at most.
const MAX_CONCURRENCY: u32 = 256;

/// What a settings file may say.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawWorkers {
    /// Runs that one process works on at once, 1 to 256. Default 2.
    pub concurrency: Option<u32>,
    /// Runs of one repository that all workers together work on at once, 0 = any number. Default 2.
    pub per_repository: Option<u32>,
    /// How long a run of the service waits after a failed attempt. Local runs never wait. Default `10s`.
    pub retry_delay: Option<String>,
    /// How long a stopping process lets its runs go on before it gives them back. Default `30s`.
    pub grace: Option<String>,
    /// Agents of runs that name none, in order. Default: `agents_by_default`.
    pub agents: Option<Vec<String>>,
    /// Bytes of all mirrors together, like `20GiB`. Default `20GiB`.
    pub mirror_cap: Option<String>,
}

impl RawWorkers {
    /// Lays another file's section over this one.
    pub fn overlay(&mut self, over: Self) {
        self.concurrency = over.concurrency.or(self.concurrency);
        self.per_repository = over.per_repository.or(self.per_repository);
        for (under, over) in [
            (&mut self.retry_delay, over.retry_delay),
            (&mut self.grace, over.grace),
            (&mut self.mirror_cap, over.mirror_cap),
        ] {
            *under = over.or(under.take());
        }
        self.agents = over.agents.or(self.agents.take());
    }
}

/// How workers behave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkersSettings {
    pub concurrency: u32,
    pub per_repository: u32,
    pub retry_delay: Duration,
    pub grace: Duration,
    /// Empty: those by default.
    pub agents: Vec<String>,
    /// In bytes.
    pub mirror_cap: u64,
}

impl WorkersSettings {
    /// Checks the section; the error names the key.
    pub fn check(raw: RawWorkers) -> Result<Self, String> {
        let concurrency = raw.concurrency.unwrap_or(2);
        check_concurrency(concurrency).map_err(|it| format!("workers.concurrency: {it}"))?;
        let duration = |key: &str, text: Option<String>, default: u64| match text.as_deref() {
            None => Ok(Duration::from_secs(default)),
            Some("0" | "0s") => Ok(Duration::ZERO),
            Some(text) => parse_duration(text).map_err(|it| format!("workers.{key}: {it}")),
        };
        let mirror_cap = raw.mirror_cap.as_deref().unwrap_or("20GiB");
        Ok(Self {
            concurrency,
            per_repository: raw.per_repository.unwrap_or(2),
            retry_delay: duration("retry_delay", raw.retry_delay, 10)?,
            grace: duration("grace", raw.grace, 30)?,
            agents: raw.agents.unwrap_or_default(),
            mirror_cap: parse_size(mirror_cap).map_err(|it| format!("workers.mirror_cap: {it}"))?,
        })
    }
}

/// Checks how many runs a process works on at once.
pub fn check_concurrency(n: u32) -> Result<u32, String> {
    if (1..=MAX_CONCURRENCY).contains(&n) {
        return Ok(n);
    }
    Err(format!("{n} runs at once are not possible, choose 1 to {MAX_CONCURRENCY}"))
}

/// Reads a size like `500MiB`, `20GiB` or `1000000` (bytes); returns bytes.
fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a size; write it like 500MiB or 20GiB");
    let digits = text.trim().find(|it: char| !it.is_ascii_digit()).unwrap_or(text.trim().len());
    let (number, unit) = text.trim().split_at(digits);
    let shift = match unit.trim() {
        "" | "B" => 0,
        "KiB" | "K" => 10,
        "MiB" | "M" => 20,
        "GiB" | "G" => 30,
        "TiB" | "T" => 40,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).filter(|it| *it > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [("1", 1), ("3 KiB", 3 << 10), ("500MiB", 500 << 20), ("20G", 20 << 30)] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "0", "-1", "GiB", "1GB2", "1.5GiB", "99999999999TiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_key() {
        for raw in [
            RawWorkers { concurrency: Some(0), ..RawWorkers::default() },
            RawWorkers { grace: Some("soon".to_owned()), ..RawWorkers::default() },
            RawWorkers { mirror_cap: Some("much".to_owned()), ..RawWorkers::default() },
        ] {
            assert!(WorkersSettings::check(raw).unwrap_err().starts_with("workers."));
        }
        let none = RawWorkers { retry_delay: Some("0".to_owned()), ..RawWorkers::default() };
        assert_eq!(WorkersSettings::check(none).unwrap().retry_delay, Duration::ZERO);
    }
}
