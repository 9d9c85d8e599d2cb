//! Arrivals: reports from outside, one run for each failure, one effect for each delivery. A batch of any size is a handful of statements.
use crate::domain::Digest;
use crate::domain::RunId;
use crate::domain::Status;
use crate::store::Arrival;
use crate::store::Arrived;
use crate::store::StoreError;
use crate::store::codec;
use crate::store::codec::RunRow;
use crate::store::intake::Intake;
use crate::store::intake::Kin;
use crate::store::intake::Known;
use crate::store::intake::Name;
use crate::store::sqlite::families;
use crate::store::sqlite::fault::fault;
use crate::store::sqlite::rows;
use crate::store::sqlite::write;
use crate::store::sqlite::write::OutputRow;
use serde_json::json;
use sqlx::SqliteConnection;

/// Takes in all arrivals. Returns what became of them.
pub(super) async fn arrive(
    conn: &mut SqliteConnection,
    arrivals: &[Arrival],
    runs: &[RunRow<'_>],
) -> Result<Vec<Arrived>, StoreError> {
    let known = known(conn, arrivals).await?;
    let kin = kin(conn, arrivals, &known).await?;
    let mut end = write::end(conn).await?;
    let intake = Intake::settle(arrivals, known, kin, &mut end)?;
    let taken = || intake.taken.iter().map(|place| &arrivals[*place]);
    write::put_runs(conn, &intake.taken.iter().map(|place| &runs[*place]).collect::<Vec<_>>()).await?;
    put_keys(conn, &taken().map(|it| (&it.key, it.creation.run.id)).collect::<Vec<_>>()).await?;
    put_deliveries(conn, &intake.deliveries.iter().map(|it| (it.name, it.run_id)).collect::<Vec<_>>()).await?;
    for arrival in taken() {
        if let Some(attempt) = &arrival.creation.attempt {
            write::put_attempt(conn, arrival.creation.run.id, attempt).await?;
        }
    }
    let outputs = taken().flat_map(|it| it.outputs.iter().map(|output| OutputRow::of(it.creation.run.id, output)));
    write::put_outputs(conn, &outputs.collect::<Result<Vec<_>, _>>()?).await?;
    for family in &intake.families {
        families::put(conn, family, family.last_seen_at).await?;
    }
    write::put_events(conn, &intake.links, &end).await?;
    Ok(intake.arrived)
}

/// Returns what of these came before.
async fn known(conn: &mut SqliteConnection, arrivals: &[Arrival]) -> Result<Known, StoreError> {
    let deliveries: Vec<_> = arrivals.iter().filter_map(|it| it.delivery.as_deref()).collect();
    let keys: Vec<_> = arrivals.iter().map(|it| it.key.as_str()).collect();
    // The names come first in every join: each is one look into an index.
    let rows = sqlx::query_as::<_, (bool, String, String, String)>(
        "SELECT true, deliveries.id, run_id, status FROM json_each(?1)
             CROSS JOIN deliveries ON deliveries.id = value CROSS JOIN runs ON runs.id = run_id
         UNION ALL
         SELECT false, key, run_id, status FROM (SELECT value FROM json_each(?2))
             CROSS JOIN arrivals ON key = value CROSS JOIN runs ON runs.id = run_id",
    )
    .bind(json!(deliveries).to_string())
    .bind(json!(keys).to_string())
    .fetch_all(conn)
    .await
    .map_err(fault)?;
    let rows = rows.into_iter().map(|(is_delivery, name, run_id, status)| {
        let name = if is_delivery { Name::Delivery(Digest::of(name)) } else { Name::Key(Digest::from_stored(name)) };
        Ok((name, (codec::parse_id(&run_id)?, status.parse::<Status>().map_err(StoreError::Broken)?)))
    });
    rows.collect()
}

/// Returns the families that these are of.
async fn kin(conn: &mut SqliteConnection, arrivals: &[Arrival], known: &Known) -> Result<Kin, StoreError> {
    let keys = Kin::keys(arrivals);
    if keys.is_empty() {
        return Ok(Kin::default());
    }
    let families = families::among(conn, &keys).await?;
    let runs = families::runs(conn, &Kin::runs_of(arrivals, &families, known)).await?;
    Ok(Kin::of(families, runs))
}

/// Returns the run of a delivery that came before.
pub(super) async fn delivery(conn: &mut SqliteConnection, name: &str) -> Result<Option<RunId>, StoreError> {
    let run = sqlx::query_scalar::<_, String>("SELECT run_id FROM deliveries WHERE id = ?1").bind(name);
    run.fetch_optional(conn).await.map_err(fault)?.map(|it| codec::parse_id(&it)).transpose()
}

pub(super) async fn put_keys(conn: &mut SqliteConnection, keys: &[(&Digest, RunId)]) -> Result<(), StoreError> {
    rows::insert(conn, "INSERT INTO arrivals (key, run_id) ", "", keys, |tuple, (key, run_id)| {
        tuple.push_bind(key.to_string()).push_bind(codec::id(*run_id));
    })
    .await
    .map(drop)
}

pub(super) async fn put_deliveries(
    conn: &mut SqliteConnection,
    deliveries: &[(&str, RunId)],
) -> Result<(), StoreError> {
    rows::insert(conn, "INSERT INTO deliveries (id, run_id) ", "", deliveries, |tuple, (name, run_id)| {
        tuple.push_bind((*name).to_owned()).push_bind(codec::id(*run_id));
    })
    .await
    .map(drop)
}
