//! Arrivals: reports from outside, one run for each failure, one effect for each delivery.
use crate::domain::Digest;
use crate::domain::RunId;
use crate::store::Arrival;
use crate::store::Arrived;
use crate::store::StoreError;
use crate::store::codec;
use crate::store::sqlite::fault::fault;
use crate::store::sqlite::read;
use crate::store::sqlite::write;
use sqlx::SqliteConnection;

pub(super) async fn arrive(conn: &mut SqliteConnection, arrival: &Arrival) -> Result<Arrived, StoreError> {
    let before = match &arrival.delivery {
        Some(delivery) => delivered(conn, delivery).await?,
        None => None,
    };
    let run_id = match before {
        Some(run_id) => run_id,
        None => match known(conn, arrival).await? {
            Some(run_id) => {
                note_delivery(conn, arrival, run_id).await?;
                run_id
            }
            None => return take_in(conn, arrival).await,
        },
    };
    let status = read::run(conn, run_id).await?.status;
    Ok(Arrived { run_id, status, is_duplicate: true })
}

async fn take_in(conn: &mut SqliteConnection, arrival: &Arrival) -> Result<Arrived, StoreError> {
    let run = &arrival.creation.run;
    write::insert(conn, &arrival.creation).await?;
    put_key(conn, &arrival.key, run.id).await?;
    note_delivery(conn, arrival, run.id).await?;
    if let Some(output) = &arrival.output {
        write::put_output(conn, run.id, output).await?;
    }
    Ok(Arrived { run_id: run.id, status: run.status, is_duplicate: false })
}

async fn delivered(conn: &mut SqliteConnection, delivery: &str) -> Result<Option<RunId>, StoreError> {
    let id = sqlx::query_scalar::<_, String>("SELECT run_id FROM deliveries WHERE id = ?1").bind(delivery);
    let id = id.fetch_optional(conn).await.map_err(fault)?;
    id.map(|it| codec::parse_id(&it)).transpose()
}

async fn known(conn: &mut SqliteConnection, arrival: &Arrival) -> Result<Option<RunId>, StoreError> {
    let id = sqlx::query_scalar::<_, String>("SELECT run_id FROM arrivals WHERE key = ?1").bind(arrival.key.as_str());
    let id = id.fetch_optional(conn).await.map_err(fault)?;
    id.map(|it| codec::parse_id(&it)).transpose()
}

async fn note_delivery(conn: &mut SqliteConnection, arrival: &Arrival, run_id: RunId) -> Result<(), StoreError> {
    match &arrival.delivery {
        Some(delivery) => put_delivery(conn, delivery, run_id).await,
        None => Ok(()),
    }
}

pub(super) async fn put_key(conn: &mut SqliteConnection, key: &Digest, run_id: RunId) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO arrivals (key, run_id) VALUES (?1, ?2)")
        .bind(key.as_str())
        .bind(codec::id(run_id))
        .execute(conn)
        .await
        .map_err(fault)?;
    Ok(())
}

pub(super) async fn put_delivery(conn: &mut SqliteConnection, name: &str, run_id: RunId) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO deliveries (id, run_id) VALUES (?1, ?2)")
        .bind(name)
        .bind(codec::id(run_id))
        .execute(conn)
        .await
        .map_err(fault)?;
    Ok(())
}
