//! Operators on a server.
use crate::domain::Digest;
use crate::domain::Operator;
use crate::store::StoreError;
use crate::store::codec;
use crate::store::codec::broken;
use crate::store::postgres::codec::parse_text;
use crate::store::postgres::codec::text;
use crate::store::postgres::fault::Fault;
use sqlx::PgConnection;
use sqlx::PgExecutor;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

/// Inserts or replaces by id. `Conflict`: the name is another's who is not revoked.
pub(super) async fn put(conn: &mut PgConnection, operator: &Operator) -> Result<(), Fault> {
    let done = sqlx::query(
        "INSERT INTO operators (id, name, role, token_digest, password_hash, created_at, revoked_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, role = excluded.role, token_digest = excluded.token_digest,
             password_hash = excluded.password_hash,
             revoked_at = COALESCE(operators.revoked_at, excluded.revoked_at)",
    )
    .bind(operator.id.simple().to_string())
    .bind(text(&operator.name))
    .bind(operator.role.as_str())
    .bind(operator.token_digest.as_ref().map(Digest::as_str))
    .bind(operator.password_hash.as_deref().map(text))
    .bind(codec::time(operator.created_at))
    .bind(operator.revoked_at.map(codec::time))
    .execute(conn)
    .await
    .map_err(Fault::from);
    match done {
        Ok(_) => Ok(()),
        Err(fault) if fault.is_taken() => Err(StoreError::Conflict.into()),
        Err(fault) => Err(fault),
    }
}

pub(super) async fn all(db: impl PgExecutor<'_>) -> Result<Vec<Operator>, Fault> {
    let rows = sqlx::query("SELECT * FROM operators ORDER BY name, created_at").fetch_all(db).await?;
    Ok(rows.iter().map(operator).collect::<Result<_, _>>()?)
}

pub(super) async fn named(db: impl PgExecutor<'_>, name: &str) -> Result<Option<Operator>, Fault> {
    let row =
        sqlx::query("SELECT * FROM operators WHERE name = $1 ORDER BY revoked_at IS NOT NULL, revoked_at DESC LIMIT 1");
    Ok(row.bind(text(name)).fetch_optional(db).await?.as_ref().map(operator).transpose()?)
}

pub(super) async fn by_token(db: impl PgExecutor<'_>, token: &Digest) -> Result<Option<Operator>, Fault> {
    let row = sqlx::query("SELECT * FROM operators WHERE token_digest = $1").bind(token.as_str());
    Ok(row.fetch_optional(db).await?.as_ref().map(operator).transpose()?)
}

pub(super) fn operator(row: &PgRow) -> Result<Operator, StoreError> {
    let text = |column| row.try_get::<&str, _>(column).map_err(broken).and_then(parse_text);
    let maybe = |column| row.try_get::<Option<&str>, _>(column).map_err(broken)?.map(parse_text).transpose();
    Ok(Operator {
        id: codec::parse_id(&text("id")?)?.0,
        name: text("name")?,
        role: text("role")?.parse().map_err(StoreError::Broken)?,
        token_digest: maybe("token_digest")?.map(Digest::from_stored),
        password_hash: maybe("password_hash")?,
        created_at: codec::parse_time(&text("created_at")?)?,
        revoked_at: maybe("revoked_at")?.as_deref().map(codec::parse_time).transpose()?,
    })
}
