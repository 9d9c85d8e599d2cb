//! Moving a server's content as a whole, out of it and into it.
use crate::domain::Attempt;
use crate::domain::Digest;
use crate::domain::Run;
use crate::store::Audit;
use crate::store::StoreError;
use crate::store::StoredOutput;
use crate::store::archive::Archive;
use crate::store::archive::Filling;
use crate::store::archive::Held;
use crate::store::archive::Reading;
use crate::store::archive::Record;
use crate::store::archive::Sink;
use crate::store::chain::End;
use crate::store::chain::Link;
use crate::store::codec;
use crate::store::codec::RunRow;
use crate::store::codec::broken;
use crate::store::codec::event_columns;
use crate::store::postgres::PostgresStore;
use crate::store::postgres::arrive;
use crate::store::postgres::audit;
use crate::store::postgres::codec::clock;
use crate::store::postgres::codec::event;
use crate::store::postgres::codec::parse_text;
use crate::store::postgres::cursor;
use crate::store::postgres::families;
use crate::store::postgres::fault::Fault;
use crate::store::postgres::operators;
use crate::store::postgres::queue;
use crate::store::postgres::write;
use async_trait::async_trait;
use futures::TryStreamExt as _;
use jiff::Timestamp;
use sqlx::Postgres;
use sqlx::Row as _;
use sqlx::Transaction;
use sqlx::postgres::PgRow;

#[async_trait]
impl Archive for PostgresStore {
    async fn reading(&self) -> Result<Box<dyn Reading>, StoreError> {
        Ok(Box::new(Moment { tx: self.snapshot().await? }))
    }

    async fn filling(&self) -> Result<Box<dyn Filling>, StoreError> {
        let mut tx = self.pool.begin().await.map_err(Fault::from)?;
        for statement in [
            "SET LOCAL statement_timeout = 0",
            "SET LOCAL idle_in_transaction_session_timeout = 0",
            "LOCK TABLE runs, events, chain, turns, operators, cursors IN EXCLUSIVE MODE",
        ] {
            sqlx::query(statement).execute(&mut *tx).await.map_err(Fault::from)?;
        }
        Ok(Box::new(Whole { tx }))
    }
}

/// The database as it was at one moment.
struct Moment {
    tx: Transaction<'static, Postgres>,
}

#[async_trait]
impl Reading for Moment {
    async fn leases(&mut self, _: Timestamp) -> Result<Vec<Held>, StoreError> {
        let rows = sqlx::query(concat!("SELECT run_id, worker, until_at FROM leases WHERE until_at >= ", clock!()));
        let rows = rows.fetch_all(&mut *self.tx).await.map_err(Fault::from)?;
        let held = rows.iter().map(|row| {
            Ok(Held {
                run_id: codec::parse_id(&text(row, "run_id")?)?,
                worker: text(row, "worker")?,
                until: codec::parse_time(&text(row, "until_at")?)?,
            })
        });
        held.collect()
    }

    async fn verify(&mut self) -> Result<Audit, StoreError> {
        Ok(audit::verify(&mut self.tx).await?)
    }

    async fn read(&mut self, sink: &mut dyn Sink) -> Result<(), StoreError> {
        for (statement, record) in KINDS {
            let mut rows = sqlx::query(statement).fetch(&mut *self.tx);
            while let Some(row) = rows.try_next().await.map_err(Fault::from)? {
                let (record, bytes) = record(&row)?;
                sink.take(record, bytes).await?;
            }
        }
        Ok(())
    }
}

/// Makes a record of a row, and says how large it is.
type Parse = fn(&PgRow) -> Result<(Record, usize), StoreError>;

/// How each kind of record is read, in the order in which they can be written.
const KINDS: [(&str, Parse); 10] = [
    ("SELECT doc FROM runs ORDER BY ordinal", |row| {
        let doc = text(row, "doc")?;
        Ok((Record::Run(Box::new(codec::parse_doc::<Run>("a run", &doc)?)), doc.len()))
    }),
    ("SELECT run_id, doc FROM attempts ORDER BY run_id, attempt_no", |row| {
        let doc = text(row, "doc")?;
        let attempt = codec::parse_doc::<Attempt>("an attempt", &doc)?;
        Ok((Record::Attempt(codec::parse_id(&text(row, "run_id")?)?, Box::new(attempt)), doc.len()))
    }),
    (concat!("SELECT ", event_columns!(), " FROM events ORDER BY seq"), |row| {
        let event = event(row)?;
        let bytes = event.message.len() + row.try_get::<&str, _>("payload").map_or(0, str::len);
        Ok((Record::Event(event), bytes))
    }),
    ("SELECT run_id, name, dropped_bytes, created_at, bytes FROM outputs ORDER BY id", |row| {
        let output = StoredOutput {
            name: text(row, "name")?,
            bytes: row.try_get("bytes").map_err(broken)?,
            dropped_bytes: number(row, "dropped_bytes")?,
            created_at: codec::parse_time(&text(row, "created_at")?)?,
        };
        let bytes = output.bytes.len();
        Ok((Record::Output(codec::parse_id(&text(row, "run_id")?)?, output), bytes))
    }),
    ("SELECT * FROM operators ORDER BY created_at, id", |row| Ok((Record::Operator(operators::operator(row)?), 0))),
    ("SELECT key, run_id FROM arrivals ORDER BY key", |row| {
        let key = Digest::from_stored(text(row, "key")?);
        Ok((Record::Arrival(key, codec::parse_id(&text(row, "run_id")?)?), 0))
    }),
    ("SELECT id, run_id FROM deliveries ORDER BY digest", |row| {
        let id = text(row, "id")?;
        let bytes = id.len();
        Ok((Record::Delivery(id, codec::parse_id(&text(row, "run_id")?)?), bytes))
    }),
    ("SELECT name, seq FROM cursors ORDER BY name", |row| {
        Ok((Record::Cursor(text(row, "name")?, number(row, "seq")?), 0))
    }),
    ("SELECT repository, turn FROM served ORDER BY turn", |row| {
        Ok((Record::Served(text(row, "repository")?, number(row, "turn")?), 0))
    }),
    ("SELECT doc, due_at, updated_at FROM families ORDER BY updated_at, key", |row| {
        let doc = text(row, "doc")?;
        let bytes = doc.len();
        let family = families::family((doc, row.try_get("due_at").map_err(broken)?))?;
        Ok((Record::Family(Box::new(family), codec::parse_time(&text(row, "updated_at")?)?), bytes))
    }),
];

fn text(row: &PgRow, column: &'static str) -> Result<String, StoreError> {
    let stored = row.try_get::<&str, _>(column).map_err(broken)?;
    // A document is JSON, which writes NUL its own way.
    if column == "doc" { Ok(stored.to_owned()) } else { parse_text(stored) }
}

fn number(row: &PgRow, column: &'static str) -> Result<u64, StoreError> {
    row.try_get(column).map_err(broken).and_then(codec::count)
}

/// A write of everything at once.
struct Whole {
    tx: Transaction<'static, Postgres>,
}

#[async_trait]
impl Filling for Whole {
    async fn is_empty(&mut self) -> Result<bool, StoreError> {
        let is_used = sqlx::query_scalar::<_, bool>(
            "SELECT EXISTS (SELECT 1 FROM runs) OR EXISTS (SELECT 1 FROM events) OR EXISTS (SELECT 1 FROM chain WHERE last_seq > 0)
                 OR EXISTS (SELECT 1 FROM operators) OR EXISTS (SELECT 1 FROM cursors) OR EXISTS (SELECT 1 FROM served)",
        );
        Ok(!is_used.fetch_one(&mut *self.tx).await.map_err(Fault::from)?)
    }

    async fn write(&mut self, page: &[Record]) -> Result<(), StoreError> {
        let tx = &mut *self.tx;
        let (mut rows, mut links) = (Vec::new(), Vec::new());
        let (mut keys, mut deliveries) = (Vec::new(), Vec::new());
        for record in page {
            match record {
                Record::Run(run) => rows.push(RunRow::of(run)?),
                Record::Attempt(id, attempt) => write::put_attempt(tx, *id, attempt).await?,
                Record::Event(event) => links.push(Link::of(event.clone())?),
                Record::Output(id, output) => write::put_outputs(tx, &[(*id, output)]).await?,
                Record::Operator(operator) => operators::put(tx, operator).await?,
                Record::Arrival(key, id) => keys.push((key.clone(), *id)),
                Record::Delivery(name, id) => deliveries.push((Digest::of(name).to_string(), name.as_str(), *id)),
                Record::Cursor(name, seq) => cursor::put(&mut *tx, name, *seq).await?,
                Record::Served(repository, turn) => queue::put_served(tx, repository, *turn).await?,
                Record::Family(family, changed_at) => families::put(tx, family, *changed_at).await?,
            }
        }
        write::put_runs(tx, &rows.iter().collect::<Vec<_>>()).await?;
        if let Some(last) = links.last() {
            let end = End { seq: last.event.seq, head: last.event.digest.clone() };
            write::put_events(tx, &links, &end).await?;
        }
        arrive::put_keys(tx, &keys).await?;
        arrive::put_deliveries(tx, &deliveries).await?;
        Ok(())
    }

    async fn verify(&mut self) -> Result<Audit, StoreError> {
        Ok(audit::verify(&mut self.tx).await?)
    }

    async fn finish(mut self: Box<Self>) -> Result<(), StoreError> {
        // They have been waiting elsewhere, and do not begin anew here.
        let arrived = sqlx::query("UPDATE runs SET arrived_at = created_at WHERE status = 'queued'");
        arrived.execute(&mut *self.tx).await.map_err(Fault::from)?;
        Ok(self.tx.commit().await.map_err(Fault::from)?)
    }
}
