//! Slack's incoming webhook, and what understands the same (Mattermost, Rocket.Chat, Discord's `/slack`): `{"text": …}`.
use crate::notify::post::Post;
use crate::notify::{Channel, Notice, NotifyError};
use async_trait::async_trait;
use reqwest::header::HeaderMap;
use serde_json::json;
use std::time::Duration;

/// Posts texts to one incoming webhook.
#[derive(Debug)]
pub struct Slack {
    post: Post,
}

impl Slack {
    /// Prepares to post to `url`; the error does not repeat it.
    pub fn new(url: &str) -> Result<Self, String> {
        Ok(Self { post: Post::new(url)? })
    }
}

#[async_trait]
impl Channel for Slack {
    async fn send(&self, notice: &Notice, limit: Duration) -> Result<(), NotifyError> {
        let body = json!({ "text": escaped(&notice.text) }).to_string();
        self.post.send(HeaderMap::new(), body.into_bytes(), limit).await
    }
}

/// Escapes what Slack reads as markup (`&`, `<`, `>`), and takes the power from `@here` and its kin: some of its relatives call
/// everybody for the plain word. A zero-width space after the sign is not seen by a reader.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for ch in text.chars() {
        match ch {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '@' => escaped.push_str("@\u{200b}"),
            ch => escaped.push(ch),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_called_and_nothing_is_linked() {
        let text = escaped("<!here> <@U123> <https://evil|click> @channel a&b");
        assert_eq!(text, "&lt;!here&gt; &lt;@\u{200b}U123&gt; &lt;https://evil|click&gt; @\u{200b}channel a&amp;b");
    }
}
