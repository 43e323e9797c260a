//! `GET /api/auth/validate`: the validity and the claims of an access token.

use auth::{Claims, LoadKeys, Verifier};
use http_api::{Problem, Request, Response, claims};
use kernel::{Clock, UserId};
use lambda_http::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

pub struct Validate<L, C> {
    pub verifier: Verifier<L, C>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Verdict {
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    payload: Option<Payload>,
}

#[derive(Serialize, ToSchema)]
struct Payload {
    sub: UserId,
    /// Null if the token has none.
    #[schema(required = true)]
    phone: Option<String>,
    /// Null if the token has none.
    #[schema(required = true)]
    email: Option<String>,
    /// In Unix seconds.
    iat: i64,
    /// In Unix seconds.
    exp: i64,
}

/// Validates the token with the public keys in memory, without a round trip. Whether the session has ended since is
/// answered by `GET /auth/me`.
/// # Errors
/// A 401 if the token is invalid.
pub async fn validate<L, C>(deps: &Validate<L, C>, request: Request) -> Result<Response, Problem>
where
    L: LoadKeys + Sync,
    C: Clock + Sync,
{
    let payload = claims(&deps.verifier, &request).await?.map(Payload::from);
    Response::json(StatusCode::OK, &Verdict { valid: payload.is_some(), payload })
}

impl From<Claims> for Payload {
    fn from(claims: Claims) -> Self {
        Self { sub: claims.sub, phone: claims.phone_number, email: claims.email, iat: claims.iat, exp: claims.exp }
    }
}

#[cfg(test)]
mod tests {
    use auth::LoadKeysError;
    use http_api::problem_types;
    use kernel::testing::SeededRandom;
    use kernel::{SessionId, Timestamp};
    use lambda_http::Body;
    use serde_json::json;

    use super::*;
    use crate::testing::{PublicKeys, ada, body_of, now, signed_in_as_ada, verifier, verifier_with};

    fn with_a_token_of(at: Timestamp) -> Request {
        signed_in_as_ada(SessionId::random(&SeededRandom::new(5)), at)
    }

    #[tokio::test]
    async fn a_good_token_is_answered_with_what_it_says() {
        let answer = validate(&Validate { verifier: verifier() }, with_a_token_of(now())).await.unwrap();
        let (iat, exp) = (now().unix_seconds(), now().unix_seconds() + 900);
        let payload = json!({
            "sub": ada().id, "phone": "+33612345678", "email": "ada@example.com", "iat": iat, "exp": exp
        });
        assert_eq!((answer.status, body_of(&answer)), (StatusCode::OK, json!({"valid": true, "payload": payload})));
    }

    #[tokio::test]
    async fn no_token_is_not_valid_and_no_error() {
        let answer = validate(&Validate { verifier: verifier() }, Request::new(Body::Empty)).await.unwrap();
        assert_eq!((answer.status, body_of(&answer)), (StatusCode::OK, json!({"valid": false})));
    }

    #[tokio::test]
    async fn a_bad_or_expired_token_is_a_401_and_one_that_cannot_be_told_a_503() {
        let mut garbage = Request::new(Body::Empty);
        garbage.headers_mut().insert("cookie", "access_token=a.b.c".parse().unwrap());
        let an_hour_ago = Timestamp::from_unix_seconds(now().unix_seconds() - 3600).unwrap();
        for request in [garbage, with_a_token_of(an_hour_ago)] {
            let problem = validate(&Validate { verifier: verifier() }, request).await.unwrap_err();
            assert_eq!(problem.problem_type, &problem_types::UNAUTHENTICATED);
        }
        let no_keys = verifier_with(PublicKeys(Err(LoadKeysError("no answer".to_owned()))));
        let problem = validate(&Validate { verifier: no_keys }, with_a_token_of(now())).await.unwrap_err();
        assert_eq!(problem.problem_type, &problem_types::UNAVAILABLE);
    }
}
