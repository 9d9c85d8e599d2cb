//! `paramedic operator`: adds, lists and revokes operators, and gives them tokens and passwords.
use crate::access::{Registry, RegistryError, Token};
use crate::cli::Context;
use crate::cli::arguments::OperatorCommand;
use crate::cli::error::{CliError, Ended, FAILED, OK, PRECONDITION, REFUSED, USAGE};
use crate::cli::out;
use crate::domain::{Operator, Role};
use serde_json::{Value, json};
use std::io::{BufRead as _, Read as _};

/// More than a password may have; the rest is not read.
const MAX_INPUT_BYTES: u64 = 4_096;

pub(super) async fn run(context: &Context, command: OperatorCommand) -> Ended {
    context.local()?;
    if context.config.read_only && !matches!(command, OperatorCommand::List) {
        let text = "this is read-only; start without --read-only to change the operators".to_owned();
        return Err(CliError { code: REFUSED, text });
    }
    let registry = async || crate::wiring::registry(&context.config).await.map_err(CliError::failed);
    let by = &context.config.operator;
    match command {
        OperatorCommand::Add { name, role, password_stdin } => {
            Operator::check_name(&name).map_err(CliError::usage)?;
            let role: Role = role.parse().map_err(|it| CliError::usage(format!("--role: {it}")))?;
            let password = if password_stdin { Some(read_password()?) } else { None };
            let (operator, token) = registry().await?.add(&name, role, password, by).await?;
            print_token(context, &operator, &token);
        }
        OperatorCommand::List => list(context, &registry().await?).await?,
        OperatorCommand::Revoke { name } => {
            let is_changed = registry().await?.revoke(&name, by).await?;
            if context.is_json {
                out::json(&json!({ "name": name, "revoked": true, "changed": is_changed }));
            } else if is_changed {
                out::line(&format!("{name} is no longer an operator"));
            } else {
                out::line(&format!("nothing changed: {name} was revoked before"));
            }
        }
        OperatorCommand::Token { name } => {
            let (operator, token) = registry().await?.renew_token(&name, by).await?;
            print_token(context, &operator, &token);
        }
        OperatorCommand::Password { name, password_stdin: _ } => {
            let password = read_password()?;
            let operator = registry().await?.set_password(&name, password, by).await?;
            if context.is_json {
                out::json(&shown(&operator));
            } else {
                out::line(&format!("{name} has a new password"));
            }
        }
    }
    Ok(OK)
}

/// Prints a token: on standard output alone, so that it can be piped to where it is kept.
fn print_token(context: &Context, operator: &Operator, token: &Token) {
    let Operator { name, role, .. } = operator;
    if context.is_json {
        out::json(&json!({ "name": name, "role": role, "token": token.reveal() }));
    } else {
        out::line(token.reveal());
        out::note(&format!(
            "the token of {name} ({role}); it is not shown again, so keep it now (PARAMEDIC_TOKEN for --api)"
        ));
    }
}

async fn list(context: &Context, registry: &Registry) -> Result<(), CliError> {
    let operators = registry.list().await?;
    if context.is_json {
        let data: Vec<Value> = operators.iter().map(shown).collect();
        out::json(&json!({ "data": data, "total": data.len() }));
        return Ok(());
    }
    if operators.is_empty() {
        out::note("no operators yet; `paramedic operator add NAME --role operator` adds one");
        return Ok(());
    }
    let day = |it: jiff::Timestamp| it.to_string().chars().take(10).collect::<String>();
    let mut rows = vec![["NAME", "ROLE", "PASSWORD", "SINCE", "REVOKED"].map(str::to_owned).to_vec()];
    rows.extend(operators.iter().map(|it| {
        let password = if it.password_hash.is_some() { "yes" } else { "-" }.to_owned();
        let revoked = it.revoked_at.map_or_else(|| "-".to_owned(), day);
        vec![crate::evidence::text::clean_line(&it.name), it.role.to_string(), password, day(it.created_at), revoked]
    }));
    out::bytes(out::table(&rows).as_bytes());
    Ok(())
}

/// What everybody may see of an operator.
fn shown(it: &Operator) -> Value {
    json!({
        "name": it.name, "role": it.role, "hasPassword": it.password_hash.is_some(),
        "createdAt": it.created_at, "revokedAt": it.revoked_at,
    })
}

fn read_password() -> Result<String, CliError> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(MAX_INPUT_BYTES).read_until(b'\n', &mut bytes);
    read.map_err(|it| CliError::usage(format!("cannot read the password: {it}")))?;
    let text = String::from_utf8(bytes).map_err(|_| CliError::usage("the password is not UTF-8 text"))?;
    let password = text.trim_end_matches(['\n', '\r']).to_owned();
    crate::access::check_password(&password).map_err(CliError::usage)?;
    Ok(password)
}

impl From<RegistryError> for CliError {
    fn from(error: RegistryError) -> Self {
        let code = match error {
            RegistryError::Taken(_) | RegistryError::Revoked(_) => PRECONDITION,
            RegistryError::Invalid(_) => USAGE,
            RegistryError::Unknown(_) | RegistryError::Store(_) => FAILED,
        };
        Self { code, text: error.to_string() }
    }
}
