//! Operators in the embedded database.
use crate::domain::Digest;
use crate::domain::Operator;
use crate::store::StoreError;
use crate::store::codec;
use crate::store::sqlite::fault::fault;
use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

/// Inserts or replaces by id; who is revoked stays revoked, whatever else is written at the same time. `Conflict`: the name is another's who is not revoked.
pub(super) async fn put(conn: &mut SqliteConnection, operator: &Operator) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO operators (id, name, role, token_digest, password_hash, created_at, revoked_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, role = excluded.role, token_digest = excluded.token_digest,
             password_hash = excluded.password_hash,
             revoked_at = COALESCE(operators.revoked_at, excluded.revoked_at)",
    )
    .bind(operator.id.simple().to_string())
    .bind(&operator.name)
    .bind(operator.role.as_str())
    .bind(operator.token_digest.as_ref().map(Digest::as_str))
    .bind(operator.password_hash.as_deref())
    .bind(codec::time(operator.created_at))
    .bind(operator.revoked_at.map(codec::time))
    .execute(conn)
    .await;
    match done {
        Ok(_) => Ok(()),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Err(StoreError::Conflict),
        Err(error) => Err(fault(error)),
    }
}

pub(super) async fn all(conn: &mut SqliteConnection) -> Result<Vec<Operator>, StoreError> {
    let rows = sqlx::query("SELECT * FROM operators ORDER BY name, created_at").fetch_all(conn).await.map_err(fault)?;
    rows.iter().map(operator).collect()
}

pub(super) async fn named(conn: &mut SqliteConnection, name: &str) -> Result<Option<Operator>, StoreError> {
    let row =
        sqlx::query("SELECT * FROM operators WHERE name = ?1 ORDER BY revoked_at IS NOT NULL, revoked_at DESC LIMIT 1");
    row.bind(name).fetch_optional(conn).await.map_err(fault)?.as_ref().map(operator).transpose()
}

pub(super) async fn by_token(conn: &mut SqliteConnection, token: &Digest) -> Result<Option<Operator>, StoreError> {
    let row = sqlx::query("SELECT * FROM operators WHERE token_digest = ?1").bind(token.as_str());
    row.fetch_optional(conn).await.map_err(fault)?.as_ref().map(operator).transpose()
}

pub(super) fn operator(row: &SqliteRow) -> Result<Operator, StoreError> {
    let text = |column| row.try_get::<String, _>(column).map_err(fault);
    let maybe = |column| row.try_get::<Option<String>, _>(column).map_err(fault);
    let time = |text: String| -> Result<Timestamp, StoreError> { codec::parse_time(&text) };
    Ok(Operator {
        id: codec::parse_id(&text("id")?)?.0,
        name: text("name")?,
        role: text("role")?.parse().map_err(StoreError::Broken)?,
        token_digest: maybe("token_digest")?.map(Digest::from_stored),
        password_hash: maybe("password_hash")?,
        created_at: time(text("created_at")?)?,
        revoked_at: maybe("revoked_at")?.map(time).transpose()?,
    })
}
