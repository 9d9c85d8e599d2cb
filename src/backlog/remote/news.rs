//! News of a server: one stream of events, held open, taken up again where it broke.
use crate::backlog::BacklogError;
use crate::backlog::remote::line::Line;
use eventsource_stream::Eventsource as _;
use futures::{Stream, StreamExt as _, stream};
use reqwest::Response;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long the server may be silent; it sends a heartbeat more often than that.
const SILENCE: Duration = Duration::from_secs(40);
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How much may come without being an event: neither comments nor one endless event may fill the memory.
const MAX_WITHOUT_EVENT: usize = 1024 * 1024;

/// What is known of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// The first connection is being made.
    Opening,
    /// Open; the newest number that was told, if there was one.
    Newest(u64),
    Down(BacklogError),
}

/// The task that listens; it ends with this value.
#[derive(Debug)]
pub(super) struct Listener {
    news: watch::Receiver<News>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Starts to listen.
    pub(super) fn start(line: Line) -> Self {
        let (sender, news) = watch::channel(News::Opening);
        Self { news, task: tokio::spawn(async move { listen(&line, &sender).await }) }
    }

    /// Waits for a number above `after`, or the end of the stream, at most for `patience`.
    pub(super) async fn wait(&self, after: u64, patience: Duration) -> Result<u64, BacklogError> {
        let mut news = self.news.clone();
        let is_worth_telling = |it: &News| match it {
            News::Opening => false,
            News::Newest(newest) => *newest > after,
            News::Down(_) => true,
        };
        // Whether it came or time is over: what is known then is the answer.
        let _ = tokio::time::timeout(patience, news.wait_for(is_worth_telling)).await;
        match &*news.borrow() {
            News::Opening => Ok(after),
            News::Newest(newest) => Ok(after.max(*newest)),
            News::Down(error) => Err(error.clone()),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(line: &Line, sender: &watch::Sender<News>) {
    let mut last = None;
    let mut pause = SHORTEST_PAUSE;
    loop {
        let error = match line.listen(last).await {
            Ok(response) => {
                sender.send_replace(News::Newest(last.unwrap_or(0)));
                let before = last;
                let error = follow(line, response, &mut last, sender).await;
                if last != before {
                    pause = SHORTEST_PAUSE;
                }
                error
            }
            Err(error) => error,
        };
        if sender.is_closed() {
            return;
        }
        sender.send_replace(News::Down(error));
        tokio::time::sleep(pause + jitter(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Follows an open stream to its end; returns why it ended.
async fn follow(line: &Line, response: Response, last: &mut Option<u64>, sender: &watch::Sender<News>) -> BacklogError {
    let n_unread = Arc::new(AtomicUsize::new(0));
    let mut events = pin!(bytes(line, response, Arc::clone(&n_unread)).eventsource());
    loop {
        let event = match events.next().await {
            Some(Ok(event)) => event,
            Some(Err(eventsource_stream::EventStreamError::Transport(error))) => return error,
            Some(Err(_)) => return BacklogError::Unreachable(format!("{} sends no events", line.address)),
            None => return BacklogError::Unreachable(format!("{} has closed the stream", line.address)),
        };
        n_unread.store(0, Ordering::Relaxed);
        // After a restore from a backup numbers may be lower than before: the server's word counts.
        if let Ok(seq) = event.id.parse::<u64>()
            && *last != Some(seq)
        {
            *last = Some(seq);
            sender.send_replace(News::Newest(seq));
        }
    }
}

/// Returns what comes, until it is too much or too long nothing.
fn bytes(
    line: &Line,
    response: Response,
    n_unread: Arc<AtomicUsize>,
) -> impl Stream<Item = Result<impl AsRef<[u8]> + use<>, BacklogError>> {
    stream::try_unfold(response, move |mut response| {
        let n_unread = Arc::clone(&n_unread);
        async move {
            let chunk = match tokio::time::timeout(SILENCE, response.chunk()).await {
                Ok(chunk) => chunk.map_err(|it| line.unreachable(&it))?,
                Err(_) => return Err(line.silent(SILENCE)),
            };
            let Some(chunk) = chunk else { return Ok(None) };
            if n_unread.fetch_add(chunk.len(), Ordering::Relaxed) + chunk.len() > MAX_WITHOUT_EVENT {
                return Err(BacklogError::Unreachable(format!("{} sends too much that is no event", line.address)));
            }
            Ok(Some((chunk, response)))
        }
    })
}

/// Returns up to half of `pause`, so that many consoles do not come back at the same instant.
fn jitter(pause: Duration) -> Duration {
    let part = getrandom::u32().unwrap_or(0) % 1_000;
    pause * part / 2_000
}
