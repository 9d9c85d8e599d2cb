//! Moving the embedded database's content as a whole, out of it and into it.
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
use crate::store::codec::event_columns;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::arrive;
use crate::store::sqlite::audit;
use crate::store::sqlite::cursor;
use crate::store::sqlite::families;
use crate::store::sqlite::fault::fault;
use crate::store::sqlite::operators;
use crate::store::sqlite::queue;
use crate::store::sqlite::read;
use crate::store::sqlite::write;
use async_trait::async_trait;
use futures::TryStreamExt as _;
use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::Sqlite;
use sqlx::Transaction;
use sqlx::sqlite::SqliteRow;

#[async_trait]
impl Archive for SqliteStore {
    async fn reading(&self) -> Result<Box<dyn Reading>, StoreError> {
        Ok(Box::new(Moment { tx: self.snapshot().await? }))
    }

    async fn filling(&self) -> Result<Box<dyn Filling>, StoreError> {
        let tx = self.write().await?;
        Ok(Box::new(Whole { tx }))
    }
}

/// The database as it was at one moment.
struct Moment {
    tx: Transaction<'static, Sqlite>,
}

#[async_trait]
impl Reading for Moment {
    async fn leases(&mut self, now: Timestamp) -> Result<Vec<Held>, StoreError> {
        let rows =
            sqlx::query("SELECT run_id, worker, until_at FROM leases WHERE until_at >= ?1").bind(codec::time(now));
        let rows = rows.fetch_all(&mut *self.tx).await.map_err(fault)?;
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
        audit::verify(&mut self.tx).await
    }

    async fn read(&mut self, sink: &mut dyn Sink) -> Result<(), StoreError> {
        for (statement, record) in KINDS {
            let mut rows = sqlx::query(statement).fetch(&mut *self.tx);
            while let Some(row) = rows.try_next().await.map_err(fault)? {
                let (record, bytes) = record(&row)?;
                sink.take(record, bytes).await?;
            }
        }
        Ok(())
    }
}

/// Makes a record of a row, and says how large it is.
type Parse = fn(&SqliteRow) -> Result<(Record, usize), StoreError>;

/// How each kind of record is read, in the order in which they can be written.
const KINDS: [(&str, Parse); 10] = [
    ("SELECT doc FROM runs ORDER BY rowid", |row| {
        let doc = text(row, "doc")?;
        Ok((Record::Run(Box::new(codec::parse_doc::<Run>("a run", &doc)?)), doc.len()))
    }),
    ("SELECT run_id, doc FROM attempts ORDER BY run_id, attempt_no", |row| {
        let doc = text(row, "doc")?;
        let attempt = codec::parse_doc::<Attempt>("an attempt", &doc)?;
        Ok((Record::Attempt(codec::parse_id(&text(row, "run_id")?)?, Box::new(attempt)), doc.len()))
    }),
    (concat!("SELECT ", event_columns!(), " FROM events ORDER BY seq"), |row| {
        let event = read::event(row)?;
        let bytes = event.message.len() + row.try_get::<&str, _>("payload").map_or(0, str::len);
        Ok((Record::Event(event), bytes))
    }),
    ("SELECT run_id, name, dropped_bytes, created_at, bytes FROM outputs ORDER BY id", |row| {
        let output = StoredOutput {
            name: text(row, "name")?,
            bytes: row.try_get("bytes").map_err(fault)?,
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
    ("SELECT id, run_id FROM deliveries ORDER BY id", |row| {
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
        let family = families::family((doc, row.try_get("due_at").map_err(fault)?))?;
        Ok((Record::Family(Box::new(family), codec::parse_time(&text(row, "updated_at")?)?), bytes))
    }),
];

fn text(row: &SqliteRow, column: &'static str) -> Result<String, StoreError> {
    row.try_get(column).map_err(fault)
}

fn number(row: &SqliteRow, column: &'static str) -> Result<u64, StoreError> {
    row.try_get(column).map_err(fault).and_then(codec::count)
}

/// A write of everything at once.
struct Whole {
    tx: Transaction<'static, Sqlite>,
}

#[async_trait]
impl Filling for Whole {
    async fn is_empty(&mut self) -> Result<bool, StoreError> {
        let is_used = sqlx::query_scalar::<_, bool>(
            "SELECT EXISTS (SELECT 1 FROM runs) OR EXISTS (SELECT 1 FROM events) OR EXISTS (SELECT 1 FROM chain)
                 OR EXISTS (SELECT 1 FROM operators) OR EXISTS (SELECT 1 FROM cursors) OR EXISTS (SELECT 1 FROM served)",
        );
        Ok(!is_used.fetch_one(&mut *self.tx).await.map_err(fault)?)
    }

    async fn write(&mut self, page: &[Record]) -> Result<(), StoreError> {
        let tx = &mut *self.tx;
        let (mut runs, mut links, mut keys, mut deliveries) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for record in page {
            match record {
                Record::Run(run) => runs.push(RunRow::of(run)?),
                Record::Attempt(id, attempt) => write::put_attempt(tx, *id, attempt).await?,
                Record::Event(event) => links.push(Link::of(event.clone())?),
                Record::Output(id, output) => write::put_output(tx, *id, output).await?,
                Record::Operator(operator) => operators::put(tx, operator).await?,
                Record::Arrival(key, id) => keys.push((key, *id)),
                Record::Delivery(name, id) => deliveries.push((name.as_str(), *id)),
                Record::Cursor(name, seq) => cursor::put(tx, name, *seq).await?,
                Record::Served(repository, turn) => queue::put_served(tx, repository, *turn).await?,
                Record::Family(family, changed_at) => families::put(tx, family, *changed_at).await?,
            }
        }
        write::put_runs(tx, &runs.iter().collect::<Vec<_>>()).await?;
        if let Some(last) = links.last() {
            let end = End { seq: last.event.seq, head: last.event.digest.clone() };
            write::put_events(tx, &links, &end).await?;
        }
        arrive::put_keys(tx, &keys).await?;
        arrive::put_deliveries(tx, &deliveries).await
    }

    async fn verify(&mut self) -> Result<Audit, StoreError> {
        audit::verify(&mut self.tx).await
    }

    async fn finish(self: Box<Self>) -> Result<(), StoreError> {
        self.tx.commit().await.map_err(fault)
    }
}
