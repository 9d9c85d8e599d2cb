//! What stands in the address: run ids in the path and strict query parameters. Everything is named when it is wrong.
use crate::domain::RunId;
use crate::http::{Problem, Service};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use std::ops::RangeInclusive;

/// The run of `{id}` in the path.
#[derive(Debug, Clone, Copy)]
pub struct RunPath(pub RunId);

impl FromRequestParts<Service> for RunPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Problem> {
        let PathTexts(texts) = PathTexts::from_request_parts(parts, service).await?;
        let text = texts.into_iter().find(|(name, _)| name == "id").map(|(_, text)| text).unwrap_or_default();
        run_id("id", &text).map(Self)
    }
}

/// The named pieces of the path, decoded.
#[derive(Debug, Clone)]
pub struct PathTexts(pub Vec<(String, String)>);

impl PathTexts {
    /// Returns the piece of that name, empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(it, _)| it == name).map_or("", |(_, text)| text)
    }

    /// Returns the piece of that name.
    pub fn take(self, name: &str) -> String {
        self.0.into_iter().find(|(it, _)| it == name).map(|(_, text)| text).unwrap_or_default()
    }
}

impl FromRequestParts<Service> for PathTexts {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Problem> {
        let texts = Path::<Vec<(String, String)>>::from_request_parts(parts, service).await;
        texts.map(|Path(texts)| Self(texts)).map_err(|_| Problem::invalid("the path is not UTF-8 text"))
    }
}

/// Reads a run's id as it is written: a UUID, with dashes or without.
pub fn run_id(field: &str, text: &str) -> Result<RunId, Problem> {
    let is_plain = text.bytes().all(|it| it.is_ascii_hexdigit() || it == b'-');
    let id = text.parse::<RunId>().ok().filter(|_| is_plain);
    id.ok_or_else(|| Problem::field(field, "this is not the id of a run; `resolve` finds one by its beginning"))
}

/// The parameters of the query, each taken once; what nobody took is an error.
#[derive(Debug, Clone)]
pub struct Parameters(Vec<(String, String)>);

impl FromRequestParts<Service> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Service) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| Problem::invalid("the query cannot be read"))?;
        // Decoding puts this character in the place of bytes that are not UTF-8.
        let raw = parts.uri.query().unwrap_or_default().to_ascii_uppercase();
        let spoilt = pairs.iter().find(|(name, value)| [name, value].iter().any(|it| it.contains('\u{fffd}')));
        match spoilt {
            Some((name, _)) if !raw.contains("%EF%BF%BD") => Err(Problem::field(name, "this is not UTF-8 text")),
            _ => Ok(Self(pairs)),
        }
    }
}

impl Parameters {
    /// Takes a parameter that may stand there once.
    pub fn take(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let mut found = self.0.extract_if(.., |(it, _)| it == name);
        let value = found.next().map(|(_, value)| value);
        match found.next() {
            Some(_) => Err(Problem::field(name, "this may be given once")),
            None => Ok(value),
        }
    }

    /// Takes a text of 1 to `max` characters without control characters; an empty one counts as none.
    pub fn text(&mut self, name: &str, max: usize) -> Result<Option<String>, Problem> {
        let value = self.take(name)?.filter(|it| !it.is_empty());
        match value {
            Some(text) if text.chars().count() > max => {
                Err(Problem::field(name, format!("this may have at most {max} characters")))
            }
            Some(text) if text.chars().any(char::is_control) => {
                Err(Problem::field(name, "this may have no control characters"))
            }
            value => Ok(value),
        }
    }

    /// Takes a whole number.
    pub fn number(&mut self, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, Problem> {
        let Some(text) = self.take(name)? else { return Ok(None) };
        let is_plain = !text.is_empty() && text.len() <= 20 && text.bytes().all(|it| it.is_ascii_digit());
        let number = text.parse().ok().filter(|it| is_plain && range.contains(it));
        let wrong =
            || Problem::field(name, format!("this is a whole number from {} to {}", range.start(), range.end()));
        number.map(Some).ok_or_else(wrong)
    }

    /// Takes the name of a run.
    pub fn run(&mut self, name: &str) -> Result<Option<RunId>, Problem> {
        self.take(name)?.filter(|it| !it.is_empty()).map(|it| run_id(name, &it)).transpose()
    }

    /// Refuses what nobody asked for.
    pub fn finish(self) -> Result<(), Problem> {
        match self.0.into_iter().next() {
            Some((name, _)) => {
                let name: String = name.chars().filter(|it| !it.is_control()).take(80).collect();
                Err(Problem::field(&name, "there is no parameter of this name"))
            }
            None => Ok(()),
        }
    }
}
