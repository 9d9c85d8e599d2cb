//! Answers that are kept, so that what has not changed is not sent again; GitHub does not count such a request.
use http::HeaderValue;
use lru::LruCache;
use std::fmt;
use std::sync::Arc;

const MAX_BYTES: usize = 64 * 1024 * 1024;
/// What is larger is not kept.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// An answer with the mark by which GitHub knows it again.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) etag: HeaderValue,
    pub(super) body: Vec<u8>,
    /// Path of the next page.
    pub(super) next: Option<String>,
}

/// The answers by path, those used last kept longest.
pub(super) struct Cache {
    known: LruCache<String, Arc<Known>>,
    bytes: usize,
    max_bytes: usize,
}

impl Cache {
    pub(super) fn new() -> Self {
        Self { known: LruCache::unbounded(), bytes: 0, max_bytes: MAX_BYTES }
    }

    pub(super) fn get(&mut self, path: &str) -> Option<Arc<Known>> {
        self.known.get(path).cloned()
    }

    pub(super) fn forget(&mut self, path: &str) {
        if let Some(old) = self.known.pop(path) {
            self.bytes -= weight(path, &old);
        }
    }

    pub(super) fn put(&mut self, path: &str, known: Arc<Known>) {
        if known.body.len() > MAX_BODY {
            return;
        }
        self.bytes += weight(path, &known);
        if let Some((path, old)) = self.known.push(path.to_owned(), known) {
            self.bytes -= weight(&path, &old);
        }
        while self.bytes > self.max_bytes {
            let Some((path, old)) = self.known.pop_lru() else { break };
            self.bytes -= weight(&path, &old);
        }
    }
}

/// Returns the bytes an answer takes, roughly.
fn weight(path: &str, known: &Known) -> usize {
    path.len() + known.body.len() + 256
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("answers", &self.known.len()).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_stays_and_the_rest_is_bounded() {
        let answer = |n: usize| Arc::new(Known { etag: HeaderValue::from_static("W/1"), body: vec![0; n], next: None });
        let mut cache = Cache { max_bytes: 10_000, ..Cache::new() };
        cache.put("/a", answer(3_000));
        cache.put("/b", answer(3_000));
        cache.put("/a", answer(4_000));
        assert!(cache.get("/a").is_some());
        cache.put("/c", answer(4_000));
        assert!(cache.get("/b").is_none() && cache.get("/a").is_some() && cache.get("/c").is_some(), "{cache:?}");
        assert!(cache.bytes <= 10_000, "{cache:?}");
        cache.forget("/a");
        cache.forget("/a");
        assert!(cache.get("/a").is_none() && cache.bytes == weight("/c", &answer(4_000)), "{cache:?}");
        cache.put("/d", answer(20_000));
        assert_eq!((cache.known.len(), cache.bytes), (0, 0), "nothing too large stays, and nothing is counted twice");
        Cache::new().put("/huge", answer(MAX_BODY + 1));
    }
}
