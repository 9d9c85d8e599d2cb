//! The last station of every log line: secrets are masked and control characters taken out before a byte leaves the process.
use crate::evidence::mask::Masker;
use crate::evidence::text;
use serde_json::{Map, Value};
use std::io::{self, Write};
use std::sync::Arc;
use tracing_subscriber::fmt::MakeWriter;

/// Makes writers that clean each line and pass it to standard error.
#[derive(Debug, Clone)]
pub(super) struct Clean {
    pub(super) masker: Arc<Masker>,
    pub(super) is_json: bool,
}

impl<'a> MakeWriter<'a> for Clean {
    type Writer = CleanWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        CleanWriter { clean: self, line: Vec::new() }
    }
}

/// Collects one line; it is written when this is dropped, in one piece.
#[derive(Debug)]
pub(super) struct CleanWriter<'a> {
    clean: &'a Clean,
    line: Vec<u8>,
}

impl Write for CleanWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for CleanWriter<'_> {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            let line = self.clean.line(&String::from_utf8_lossy(&self.line));
            // A log that cannot be written must not stop the work.
            let _ = io::stderr().lock().write_all(line.as_bytes());
        }
    }
}

impl Clean {
    /// Returns one cleaned line with its end.
    fn line(&self, line: &str) -> String {
        let line = line.trim_end();
        if self.is_json
            && let Ok(Value::Object(object)) = serde_json::from_str(line)
        {
            return format!("{}\n", self.object(lifted(object)));
        }
        format!("{}\n", self.text(line))
    }

    fn text(&self, text: &str) -> String {
        text::clean_line(&self.masker.mask(text))
    }

    fn object(&self, object: Map<String, Value>) -> Value {
        Value::Object(object.into_iter().map(|(key, value)| (self.text(&key), self.value(value))).collect())
    }

    fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => Value::Array(items.into_iter().map(|it| self.value(it)).collect()),
            Value::Object(object) => self.object(object),
            other => other,
        }
    }
}

/// Brings what the spans know (`request_id`, `run_id`) to the top, where it is looked for; the innermost span wins.
fn lifted(mut object: Map<String, Value>) -> Map<String, Value> {
    object.remove("span");
    let Some(Value::Array(spans)) = object.remove("spans") else { return object };
    for span in spans.into_iter().rev() {
        let Value::Object(fields) = span else { continue };
        for (key, value) in fields {
            if key != "name" && !object.contains_key(&key) {
                object.insert(key, value);
            }
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(is_json: bool) -> Clean {
        Clean { masker: Arc::new(Masker::new(["hunter2-and-more".to_owned()])), is_json }
    }

    #[test]
    fn a_line_of_text_holds_no_secret_and_stays_one_line() {
        let line = clean(false).line("INFO a \u{1b}[31mhunter2-and-more\r\nERROR forged\u{202e}\n");
        assert_eq!(line, "INFO a ***  ERROR forged⟨U+202E⟩\n");
    }

    #[test]
    fn a_line_of_json_is_cleaned_value_by_value() {
        let line = "{\"message\":\"Authorization: Bearer abcdefghijkl\",\"path\":\"/x\\u001b[2J?token=hunter2-and-more\",\
                    \"status\":200,\"spans\":[{\"name\":\"request\",\"request_id\":\"r1\"},{\"name\":\"run\",\"run_id\":\"u1\"}]}\n";
        let line = clean(true).line(line);
        let json: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(json["message"], "Authorization: Bearer ***");
        assert_eq!(json["path"], "/x?token=***");
        assert_eq!((&json["request_id"], &json["run_id"]), (&Value::from("r1"), &Value::from("u1")));
        assert_eq!(json["status"], 200);
        assert!(json.get("spans").is_none());
    }
}
