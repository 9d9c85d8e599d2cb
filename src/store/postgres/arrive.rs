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
use crate::store::postgres::codec::text;
use crate::store::postgres::families;
use crate::store::postgres::fault::Fault;
use crate::store::postgres::write;
use sqlx::PgConnection;
use sqlx::PgExecutor;

/// Takes in all arrivals. Returns what became of them, and the number of the last event.
///
/// The end of the chain is held from the beginning: whoever else takes in the same failure waits, and then sees it.
pub(super) async fn arrive(
    conn: &mut PgConnection,
    arrivals: &[Arrival],
    rows: &[RunRow<'_>],
) -> Result<(Vec<Arrived>, Option<u64>), Fault> {
    let mut end = write::lock_end(conn).await?;
    let known = known(conn, arrivals).await?;
    let kin = kin(conn, arrivals, &known).await?;
    let intake = Intake::settle(arrivals, known, kin, &mut end)?;
    put_taken(conn, arrivals, rows, &intake.taken).await?;
    let deliveries = intake.deliveries.iter().map(|it| (it.digest.to_string(), it.name, it.run_id));
    put_deliveries(conn, &deliveries.collect::<Vec<_>>()).await?;
    for family in &intake.families {
        families::put(conn, family, family.last_seen_at).await?;
    }
    let newest = write::put_events(conn, &intake.links, &end).await?;
    Ok((intake.arrived, newest))
}

/// Returns what of these came before.
async fn known(conn: &mut PgConnection, arrivals: &[Arrival]) -> Result<Known, Fault> {
    let deliveries = arrivals.iter().filter_map(|it| it.delivery.as_ref()).map(|it| Digest::of(it).to_string());
    // One look into an index for each name. As a plain join, the planner reads whole tables while nobody has told it how large they became.
    let rows = sqlx::query_as::<_, (bool, String, String, String)>(
        "SELECT true, name, run_id, status FROM unnest($1::text[]) AS asked (name), LATERAL
             (SELECT run_id, status FROM deliveries JOIN runs ON runs.id = run_id WHERE digest = name LIMIT 1) AS found
         UNION ALL
         SELECT false, name, run_id, status FROM unnest($2::text[]) AS asked (name), LATERAL
             (SELECT run_id, status FROM arrivals JOIN runs ON runs.id = run_id WHERE key = name LIMIT 1) AS found",
    )
    .bind(deliveries.collect::<Vec<_>>())
    .bind(arrivals.iter().map(|it| it.key.as_str()).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    let mut known = Known::new();
    for (is_delivery, name, run_id, status) in rows {
        let name = Digest::from_stored(name);
        let name = if is_delivery { Name::Delivery(name) } else { Name::Key(name) };
        let status = status.parse::<Status>().map_err(StoreError::Broken)?;
        known.insert(name, (codec::parse_id(&run_id)?, status));
    }
    Ok(known)
}

/// Returns the families that these are of.
async fn kin(conn: &mut PgConnection, arrivals: &[Arrival], known: &Known) -> Result<Kin, Fault> {
    let keys = Kin::keys(arrivals);
    if keys.is_empty() {
        return Ok(Kin::default());
    }
    let families = families::hold(conn, &keys).await?;
    let runs = families::runs(conn, &Kin::runs_of(arrivals, &families, known)).await?;
    Ok(Kin::of(families, runs))
}

/// Returns the run of a delivery that came before.
pub(super) async fn delivery(db: impl PgExecutor<'_>, name: &str) -> Result<Option<RunId>, Fault> {
    let run = sqlx::query_scalar::<_, String>("SELECT run_id FROM deliveries WHERE digest = $1");
    let run = run.bind(Digest::of(name).to_string()).fetch_optional(db).await?;
    Ok(run.map(|it| codec::parse_id(&it)).transpose()?)
}

/// Stores the runs that are new, their keys and what came with them.
async fn put_taken(
    conn: &mut PgConnection,
    arrivals: &[Arrival],
    rows: &[RunRow<'_>],
    taken: &[usize],
) -> Result<(), Fault> {
    let taken_rows: Vec<_> = taken.iter().map(|place| &rows[*place]).collect();
    write::put_runs(conn, &taken_rows).await?;
    let keys = taken.iter().map(|place| (arrivals[*place].key.clone(), arrivals[*place].creation.run.id));
    put_keys(conn, &keys.collect::<Vec<_>>()).await?;
    let arrivals: Vec<_> = taken.iter().map(|place| &arrivals[*place]).collect();
    for arrival in &arrivals {
        if let Some(attempt) = &arrival.creation.attempt {
            write::put_attempt(conn, arrival.creation.run.id, attempt).await?;
        }
    }
    let outputs = arrivals.iter().flat_map(|it| it.outputs.iter().map(|output| (it.creation.run.id, output)));
    write::put_outputs(conn, &outputs.collect::<Vec<_>>()).await
}

pub(super) async fn put_keys(conn: &mut PgConnection, keys: &[(Digest, RunId)]) -> Result<(), Fault> {
    if keys.is_empty() {
        return Ok(());
    }
    sqlx::query("INSERT INTO arrivals (key, run_id) SELECT * FROM unnest($1::text[], $2::text[])")
        .bind(keys.iter().map(|it| it.0.as_str()).collect::<Vec<_>>())
        .bind(keys.iter().map(|it| codec::id(it.1)).collect::<Vec<_>>())
        .execute(conn)
        .await?;
    Ok(())
}

/// Stores `(digest, name, run)` of deliveries that did not come before.
pub(super) async fn put_deliveries(conn: &mut PgConnection, deliveries: &[(String, &str, RunId)]) -> Result<(), Fault> {
    if deliveries.is_empty() {
        return Ok(());
    }
    sqlx::query("INSERT INTO deliveries (digest, id, run_id) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])")
        .bind(deliveries.iter().map(|it| it.0.as_str()).collect::<Vec<_>>())
        .bind(deliveries.iter().map(|it| text(it.1).into_owned()).collect::<Vec<_>>())
        .bind(deliveries.iter().map(|it| codec::id(it.2)).collect::<Vec<_>>())
        .execute(conn)
        .await?;
    Ok(())
}
