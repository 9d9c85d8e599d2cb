//! Waiting for news: the server tells of each append, to one listening connection of this process. While that is lost, by asking.
use crate::clock::instant;
use crate::store::StoreError;
use crate::store::postgres::fault::Fault;
use crate::store::postgres::read;
use crate::store::postgres::within;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use sqlx::postgres::PgPoolOptions;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// Where appends are told: `write` says it in SQL.
const CHANNEL: &str = "paramedic";
/// How often others are asked about while nobody tells, and how often the listener tries to come back.
const ASKING: Duration = Duration::from_secs(1);
/// How often while somebody does: a connection may be dead without a sign.
const DOUBT: Duration = Duration::from_secs(15);

/// What is known of the end of the chain.
#[derive(Debug, Clone, Copy, Default)]
struct Newest {
    seq: u64,
    is_listening: bool,
}

#[derive(Debug, Clone)]
pub(super) struct News {
    newest: watch::Sender<Newest>,
    /// Begins with the first wait: a process that only writes needs no listener.
    listener: Arc<OnceLock<AbortOnDropHandle<()>>>,
}

impl Default for News {
    fn default() -> Self {
        Self { newest: watch::Sender::new(Newest::default()), listener: Arc::default() }
    }
}

impl News {
    /// Tells the tasks of this process that an event was stored.
    pub(super) fn tell(&self, seq: Option<u64>) {
        if let Some(seq) = seq {
            tell(&self.newest, seq);
        }
    }

    pub(super) async fn wait(&self, pool: &PgPool, after: u64, patience: Duration) -> Result<u64, StoreError> {
        let began = instant();
        self.listener
            .get_or_init(|| AbortOnDropHandle::new(tokio::spawn(listen(own_connection(pool), self.newest.clone()))));
        let mut news = self.newest.subscribe();
        loop {
            let known = *news.borrow_and_update();
            if known.seq > after {
                return Ok(known.seq);
            }
            let newest = within(read::last_seq(pool)).await?;
            let left = patience.saturating_sub(began.elapsed());
            if newest > after || left.is_zero() {
                return Ok(newest);
            }
            let pause = if known.is_listening { DOUBT } else { ASKING }.min(left);
            // Wakes early only for what matters to this waiter: the event it waits for, or somebody telling again.
            let matters = news.wait_for(|it| it.seq > after || it.is_listening != known.is_listening);
            let _ = tokio::time::timeout(pause, matters).await;
        }
    }
}

fn tell(newest: &watch::Sender<Newest>, seq: u64) {
    newest.send_if_modified(|it| {
        let is_news = it.seq < seq;
        it.seq = it.seq.max(seq);
        is_news
    });
}

/// Returns a way to one connection beside those of the store, so that a busy store does not keep the listener out.
fn own_connection(pool: &PgPool) -> PgPool {
    let options = (*pool.connect_options()).clone();
    let one = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None).acquire_timeout(ASKING * 5);
    one.connect_lazy_with(options)
}

/// Listens for ever, and again after each loss.
async fn listen(pool: PgPool, newest: watch::Sender<Newest>) {
    loop {
        // Why it failed is told by the store's own connections, where somebody asks.
        let _ = hear(&pool, &newest).await;
        newest.send_modify(|it| it.is_listening = false);
        tokio::time::sleep(ASKING).await;
    }
}

async fn hear(pool: &PgPool, newest: &watch::Sender<Newest>) -> Result<(), Fault> {
    let mut listener = PgListener::connect_with(pool).await?;
    // A loss is handled here, with a pause before the next try.
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    // What was told before anybody listened.
    tell(newest, read::last_seq(&mut listener).await?);
    newest.send_modify(|it| it.is_listening = true);
    loop {
        match tokio::time::timeout(DOUBT, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => {
                if let Ok(seq) = notification.payload().parse() {
                    tell(newest, seq);
                }
            }
            Ok(lost) => return Ok(lost.map(drop)?),
            // Nothing happened, or the connection is dead without a sign.
            Err(_) => tell(newest, within(read::last_seq(&mut listener)).await?),
        }
    }
}
