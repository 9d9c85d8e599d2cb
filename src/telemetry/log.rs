//! Sets up the log of a process: lines on standard error, as text for people or as JSON for machines.
use crate::evidence::mask::Masker;
use crate::telemetry::clean;
use crate::telemetry::clean::Clean;
use crate::telemetry::json::JsonLines;
use std::sync::Arc;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// What is logged when nobody says otherwise: our own words, and of others only trouble.
pub const DEFAULT: &str = "info";
/// Libraries whose chatter helps nobody below this level, unless a filter names them.
const QUIET: &[&str] = &["hyper=warn", "hyper_util=warn", "reqwest=warn", "rustls=warn", "sqlx=warn", "h2=warn"];

/// Starts the log. `filter` is a level or a filter like `info,paramedic::http=debug`; the error says what is wrong with it.
///
/// Whatever is logged passes through `masker`. A second call in one process changes nothing.
pub fn start(filter: &str, is_json: bool, masker: Masker) -> Result<(), String> {
    let filter = parse(filter)?;
    let clean = Clean { masker: Arc::new(masker) };
    let registry = tracing_subscriber::registry().with(filter);
    let started = if is_json {
        registry.with(JsonLines { clean, write: clean::write }).try_init()
    } else {
        registry.with(fmt::layer().with_ansi(false).with_writer(clean)).try_init()
    };
    // Only a test or an embedding program can have set one before.
    let _ = started;
    Ok(())
}

/// Checks a filter without starting anything.
pub fn check(filter: &str) -> Result<(), String> {
    parse(filter).map(drop)
}

fn parse(filter: &str) -> Result<EnvFilter, String> {
    let has_levels = filter.split(',').all(|it| {
        let level = it.rsplit('=').next().unwrap_or_default().trim();
        ["error", "warn", "info", "debug", "trace", "off"].contains(&level.to_ascii_lowercase().as_str())
    });
    if !has_levels {
        return Err(format!(
            "`{}` is no log level: use error, warn, info, debug, trace or off, or a filter like info,paramedic::http=debug",
            crate::evidence::text::clean_line(filter)
        ));
    }
    let mut all: Vec<&str> = QUIET.iter().copied().filter(|it| !names(filter, it)).collect();
    all.push(filter);
    EnvFilter::try_new(all.join(",")).map_err(|it| format!("the log filter is wrong: {it}"))
}

fn names(filter: &str, quiet: &str) -> bool {
    let target = quiet.split('=').next().unwrap_or_default();
    filter.split(',').any(|it| it.trim().split('=').next() == Some(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_filters_are_checked() {
        for filter in ["info", "DEBUG", "off", "info,paramedic::http=debug", "warn,sqlx=trace"] {
            assert_eq!(check(filter), Ok(()), "{filter}");
        }
        for filter in ["", "loud", "info,", "info,paramedic=loud", "\u{1b}[31m"] {
            assert!(check(filter).is_err(), "{filter}");
        }
    }
}
