//! Who somebody is: registration, login, logout, another password.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use throughline::context;
use throughline::streams::{audit, security};
use uuid::Uuid;

use super::sessions::Session;
use super::{Storefront, passwords};
use crate::database::on;
use crate::failure::Failure;
use crate::queue::{self, Kind};

const SHORTEST_PASSWORD: usize = 12;
/// From so many failed logins in a row on, whoever it is has not just forgotten the password.
const GUESSES: i64 = 10;
const TOO_SHORT: Failure = Failure::Refused(
    StatusCode::UNPROCESSABLE_ENTITY,
    "a password has 12 characters at least",
);

/// No `Debug`, so that no record has the password by mistake.
#[derive(Deserialize)]
pub(super) struct Credentials {
    name: String,
    password: String,
}

pub(super) async fn register(
    State(shop): State<Storefront>,
    Json(asked): Json<Credentials>,
) -> Result<Response, Failure> {
    if asked.password.len() < SHORTEST_PASSWORD {
        return Err(TOO_SHORT);
    }
    let id = format!("u-{}", Uuid::now_v7().simple());
    let hash = passwords::hash(&asked.password)?;
    let made = on!(&shop.database, db => {
        sqlx::query(
            "INSERT INTO users VALUES ($1, $2, $2, $3, $4, 'customer', 1, 0)
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(&id)
        .bind(&asked.name)
        .bind(format!("{}@shop.example", asked.name))
        .bind(hash)
        .execute(db)
        .await?
        .rows_affected()
    });
    if made == 0 {
        return Err(Failure::Refused(StatusCode::CONFLICT, "the name is taken"));
    }
    context::set_user(&id);
    audit::created("user", &id).action("register").emit();
    queue::enqueue(&shop.database, Kind::Welcome, &id).await?;
    let cookie = Session::begin(&shop.database, &id).await?;
    let cookie = [(header::SET_COOKIE, cookie)];
    Ok((StatusCode::CREATED, cookie, Json(json!({ "id": id }))).into_response())
}

/// An account as a login needs it.
type Account = (String, String, i64, i64);

pub(super) async fn log_in(
    State(shop): State<Storefront>,
    Json(asked): Json<Credentials>,
) -> Result<Response, Failure> {
    let account: Option<Account> = on!(&shop.database, db => {
        sqlx::query_as("SELECT id, password, enabled, failed_logins FROM users WHERE name = $1")
            .bind(&asked.name)
            .fetch_optional(db)
            .await?
    });
    let Some((user, hash, enabled, failed)) = account else {
        return Err(refuse(&asked.name, "unknown user", None));
    };
    if enabled == 0 {
        return Err(refuse(&asked.name, "account disabled", None));
    }
    let right = passwords::verify(&asked.password, &hash);
    let failed = if right { 0 } else { failed + 1 };
    on!(&shop.database, db => {
        sqlx::query("UPDATE users SET failed_logins = $1 WHERE id = $2")
            .bind(failed)
            .bind(&user)
            .execute(db)
            .await?;
    });
    if failed > 0 && failed % GUESSES == 0 {
        throughline::security!(
            "rate_limit.exceeded",
            event.severity = "high",
            rate_limit.name = "account_logins",
            rate_limit.count = failed,
            rate_limit.limit = GUESSES,
            user.name = asked.name,
            "somebody guesses the password of an account"
        );
    }
    if !right {
        return Err(refuse(
            &asked.name,
            "wrong password",
            u64::try_from(failed).ok(),
        ));
    }
    context::set_user(&user);
    security::login_succeeded(&user)
        .user_name(&asked.name)
        .method("password")
        .emit();
    let cookie = Session::begin(&shop.database, &user).await?;
    Ok(([(header::SET_COOKIE, cookie)], Json(json!({ "id": user }))).into_response())
}

/// Tells nobody but the operators which of both was wrong.
fn refuse(name: &str, why: &'static str, attempts: Option<u64>) -> Failure {
    let failed = security::login_failed()
        .user_name(name)
        .method("password")
        .reason(why);
    match attempts {
        Some(count) => failed.attempts(count).emit(),
        None => failed.emit(),
    }
    Failure::Refused(StatusCode::UNAUTHORIZED, "wrong name or password")
}

pub(super) async fn log_out(
    State(shop): State<Storefront>,
    session: Session,
) -> Result<StatusCode, Failure> {
    security::logout(&session.user).emit();
    session.end(&shop.database).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
pub(super) struct NewPassword {
    current: String,
    new: String,
}

pub(super) async fn change_password(
    State(shop): State<Storefront>,
    session: Session,
    Json(asked): Json<NewPassword>,
) -> Result<StatusCode, Failure> {
    if asked.new.len() < SHORTEST_PASSWORD {
        return Err(TOO_SHORT);
    }
    let hash: String = on!(&shop.database, db => {
        sqlx::query_scalar("SELECT password FROM users WHERE id = $1")
            .bind(&session.user)
            .fetch_one(db)
            .await?
    });
    if !passwords::verify(&asked.current, &hash) {
        audit::updated("user", &session.user)
            .action("change password")
            .outcome(audit::Outcome::Denied)
            .emit();
        return Err(Failure::Refused(StatusCode::FORBIDDEN, "not your password"));
    }
    let hash = passwords::hash(&asked.new)?;
    on!(&shop.database, db => {
        sqlx::query("UPDATE users SET password = $1 WHERE id = $2")
            .bind(hash)
            .bind(&session.user)
            .execute(db)
            .await?;
    });
    security::password_changed(&session.user)
        .by(&session.user)
        .emit();
    Ok(StatusCode::NO_CONTENT)
}
