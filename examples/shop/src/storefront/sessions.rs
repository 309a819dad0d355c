//! Who asks: the session behind a request's cookie.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use sha2::{Digest, Sha256};
use throughline::context;
use throughline::streams::analytics;
use uuid::Uuid;

use super::Storefront;
use crate::database::{Database, on};
use crate::failure::Failure;
use crate::time;

const COOKIE: &str = "session";

/// A session whose user may be here. From the moment that it is known everything of the
/// request says so.
#[derive(Debug)]
pub(super) struct Session {
    /// No secret: telemetry knows it. The cookie has another.
    pub(super) id: String,
    pub(super) user: String,
    pub(super) role: String,
    started_at: i64,
    pages: i64,
}

impl Session {
    pub(super) fn is_staff(&self) -> bool {
        self.role == "admin"
    }

    /// Begins one, and gives the cookie's value.
    pub(super) async fn begin(database: &Database, user: &str) -> Result<String, sqlx::Error> {
        let token = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let id = format!("s-{}", Uuid::now_v7().simple());
        on!(database, db => {
            sqlx::query("INSERT INTO sessions VALUES ($1, $2, $3, $4, NULL, 0)")
                .bind(&id)
                .bind(hash(&token))
                .bind(user)
                .bind(time::now())
                .execute(db)
                .await?;
        });
        context::set_session(&id);
        analytics::session_started(&id).emit();
        Ok(format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax"))
    }

    /// Ends it on purpose.
    pub(super) async fn end(self, database: &Database) -> Result<(), sqlx::Error> {
        on!(database, db => {
            sqlx::query("UPDATE sessions SET ended_at = $1 WHERE id = $2")
                .bind(time::now())
                .bind(&self.id)
                .execute(db)
                .await?;
        });
        let lasted = u64::try_from(time::now() - self.started_at).unwrap_or_default();
        analytics::session_ended(&self.id, std::time::Duration::from_millis(lasted))
            .pages(u64::try_from(self.pages).unwrap_or_default())
            .emit();
        Ok(())
    }

    /// Counts a page that its user saw.
    pub(super) async fn saw_page(&self, database: &Database) -> Result<(), sqlx::Error> {
        on!(database, db => {
            sqlx::query("UPDATE sessions SET pages = pages + 1 WHERE id = $1")
                .bind(&self.id)
                .execute(db)
                .await?;
        });
        Ok(())
    }

    async fn of(headers: &HeaderMap, database: &Database) -> Result<Option<Self>, sqlx::Error> {
        let Some(token) = token(headers) else {
            return Ok(None);
        };
        let found: Option<(String, String, String, i64, i64)> = on!(database, db => {
            sqlx::query_as(
                "SELECT sessions.id, users.id, users.role, sessions.started_at, sessions.pages
                 FROM sessions JOIN users ON users.id = sessions.user_id
                 WHERE sessions.token_hash = $1 AND sessions.ended_at IS NULL
                 AND users.enabled = 1",
            )
            .bind(hash(token))
            .fetch_optional(db)
            .await?
        });
        let session = found.map(|(id, user, role, started_at, pages)| Self {
            id,
            user,
            role,
            started_at,
            pages,
        });
        if let Some(session) = &session {
            context::set_session(&session.id);
            context::set_user(&session.user);
        }
        Ok(session)
    }
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let cookies = cookies.filter_map(|cookies| cookies.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';'));
    pairs.find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE).then_some(value)
    })
}

/// Who reads the table cannot be who is in it.
fn hash(token: &str) -> String {
    let digest = Sha256::digest(token.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl FromRequestParts<Storefront> for Session {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, shop: &Storefront) -> Result<Self, Failure> {
        let session = Self::of(&parts.headers, &shop.database).await?;
        session.ok_or(Failure::Refused(StatusCode::UNAUTHORIZED, "log in first"))
    }
}

impl OptionalFromRequestParts<Storefront> for Session {
    type Rejection = Failure;

    async fn from_request_parts(
        parts: &mut Parts,
        shop: &Storefront,
    ) -> Result<Option<Self>, Failure> {
        Ok(Self::of(&parts.headers, &shop.database).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "theme=dark; session=abc".parse().unwrap());
        assert_eq!(token(&headers), Some("abc"));
        headers.clear();
        headers.append(header::COOKIE, "xsession=abc".parse().unwrap());
        assert_eq!(token(&headers), None);
    }

    #[test]
    fn what_is_kept_of_a_token_is_not_the_token() {
        assert_eq!(
            hash("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
