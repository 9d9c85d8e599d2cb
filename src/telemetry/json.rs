//! The log as JSON, one object a line: what happened, and what the spans around it know (`request_id`, `run_id`), at the top, where it is looked for.
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::telemetry::clean::Clean;
use serde_json::Map;
use serde_json::Value;
use std::fmt;
use tracing::Event;
use tracing::Subscriber;
use tracing::field::Field;
use tracing::field::Visit;
use tracing::span::Attributes;
use tracing::span::Id;
use tracing::span::Record;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Writes every event as one object. Values are cleaned one by one, each at once when it is noted.
#[derive(Debug)]
pub(super) struct JsonLines<W> {
    pub(super) clean: Clean,
    /// Takes whole lines.
    pub(super) write: W,
}

/// What a span knows.
#[derive(Debug, Default)]
struct Known(Map<String, Value>);

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn(&[u8]) + Send + Sync + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut known = Known::default();
        attributes.record(&mut self.noting(&mut known.0));
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(known);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(known) = span.extensions_mut().get_mut::<Known>()
        {
            values.record(&mut self.noting(&mut known.0));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Map::new();
        let metadata = event.metadata();
        line.insert("timestamp".to_owned(), format!("{:.6}", SystemClock.now()).into());
        line.insert("level".to_owned(), metadata.level().as_str().into());
        line.insert("target".to_owned(), metadata.target().into());
        event.record(&mut self.noting(&mut line));
        // From the innermost out, so that it wins.
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(Known(known)) = span.extensions().get() {
                for (key, value) in known {
                    line.entry(key).or_insert_with(|| value.clone());
                }
            }
        }
        let mut line = Value::Object(line).to_string();
        line.push('\n');
        (self.write)(line.as_bytes());
    }
}

impl<W> JsonLines<W> {
    fn noting<'a>(&'a self, fields: &'a mut Map<String, Value>) -> Noting<'a> {
        Noting { clean: &self.clean, fields }
    }
}

/// Notes fields by name.
struct Noting<'a> {
    clean: &'a Clean,
    fields: &'a mut Map<String, Value>,
}

impl Noting<'_> {
    fn note(&mut self, field: &Field, value: impl Into<Value>) {
        self.fields.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Noting<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.note(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.note(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.note(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.note(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.note(field, self.clean.text(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.note(field, self.clean.text(&format!("{value:?}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::mask::Masker;
    use std::sync::Arc;
    use std::sync::Mutex;
    use tracing_subscriber::layer::SubscriberExt as _;

    #[test]
    fn every_value_is_cleaned_and_the_innermost_span_wins() {
        let lines = Arc::new(Mutex::new(String::new()));
        let written = lines.clone();
        let write = move |line: &[u8]| written.lock().unwrap().push_str(std::str::from_utf8(line).unwrap());
        let clean = Clean { masker: Arc::new(Masker::new(["hunter2-and-more".to_owned()])) };
        let subscriber = tracing_subscriber::registry().with(JsonLines { clean, write });
        tracing::subscriber::with_default(subscriber, || {
            let outer =
                tracing::info_span!("request", request_id = "r1", run_id = tracing::field::Empty, place = "out");
            outer.record("run_id", "u1");
            let _outer = outer.entered();
            let _inner = tracing::info_span!("step", place = "in").entered();
            let path = "/x\u{1b}[2J?token=hunter2-and-more";
            tracing::info!(path, status = 200, ok = true, "Authorization: Bearer abcdefghijkl\nforged");
        });
        let line = lines.lock().unwrap().clone();
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        let json: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(json["message"], "Authorization: Bearer *** forged");
        assert_eq!(json["path"], "/x?token=***");
        assert_eq!((&json["request_id"], &json["run_id"]), (&Value::from("r1"), &Value::from("u1")));
        assert_eq!((&json["place"], &json["level"]), (&Value::from("in"), &Value::from("INFO")));
        assert_eq!((&json["status"], &json["ok"]), (&Value::from(200), &Value::from(true)));
        assert!(json["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{line}");
    }
}
