//! `GET /auth/me`: the current user.

use auth::{LoadKeys, Verifier};
use contact::{Email, Phone};
use http_api::{Problem, Request, Response};
use kernel::{Clock, Timestamp, UserId};
use lambda_http::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::session_auth::signed_in;
use crate::domain::User;
use crate::store::FindSession;

pub struct Me<S, L, C> {
    pub sessions: S,
    pub verifier: Verifier<L, C>,
    pub clock: C,
}

/// The current user.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignedInUser<'a> {
    id: UserId,
    #[schema(value_type = Email)]
    email: &'a str,
    email_verified: bool,
    #[schema(value_type = Option<Phone>, required = true)]
    phone: Option<&'a str>,
    phone_verified: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// Returns the user in one round trip.
/// # Errors
/// A 401 if the token is invalid or its session has ended.
pub async fn me<S, L, C>(deps: &Me<S, L, C>, request: Request) -> Result<Response, Problem>
where
    S: FindSession + Sync,
    L: LoadKeys + Sync,
    C: Clock + Sync,
{
    let (_, signed_in) = signed_in(&deps.sessions, &deps.verifier, &deps.clock, &request).await?;
    Response::json(StatusCode::OK, &SignedInUser::from(&signed_in.user))
}

impl<'a> From<&'a User> for SignedInUser<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            id: user.id,
            email: user.email.as_str(),
            email_verified: user.email_verified,
            phone: user.phone.as_ref().map(Phone::as_str),
            phone_verified: user.phone_verified,
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use http_api::problem_types;
    use kernel::SessionId;
    use kernel::testing::FixedClock;
    use kernel::testing::SeededRandom;
    use lambda_http::Body;
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::UserSession;
    use crate::store::StoreError;
    use crate::testing::{PublicKeys, ada, now, session_of_ada, signed_in_as_ada, verifier};

    struct Sessions(Result<Option<UserSession>, StoreError>);

    impl FindSession for Sessions {
        async fn find_session(&self, user: UserId, session: SessionId) -> Result<Option<UserSession>, StoreError> {
            let asked_for = |found: &UserSession| (found.user.id, found.session.id) == (user, session);
            self.0.clone().map(|found| found.filter(asked_for))
        }
    }

    fn signed_in() -> UserSession {
        UserSession { user: ada(), session: session_of_ada(SessionId::random(&SeededRandom::new(5)), now()) }
    }

    async fn ask(found: Result<Option<UserSession>, StoreError>) -> Result<Response, Problem> {
        let deps: Me<_, PublicKeys, _> =
            Me { sessions: Sessions(found), verifier: verifier(), clock: FixedClock(now()) };
        me(&deps, signed_in_as_ada(signed_in().session.id, now())).await
    }

    #[tokio::test]
    async fn the_person_is_shown_and_their_phone_is_null_where_there_is_none() {
        let mut phoneless = signed_in();
        phoneless.user.phone = None;
        for (signed_in, phone) in [(signed_in(), json!("+33612345678")), (phoneless, Value::Null)] {
            let answer = ask(Ok(Some(signed_in))).await.unwrap();
            let expected = json!({
                "id": ada().id, "email": "ada@example.com", "emailVerified": false, "phone": phone,
                "phoneVerified": false, "createdAt": now(), "updatedAt": now()
            });
            assert_eq!(serde_json::from_str::<Value>(&answer.body).unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn a_session_that_is_gone_or_ended_is_a_401() {
        let mut ended = signed_in();
        ended.session.ended_at = Some(now());
        let session = session_of_ada(SessionId::random(&SeededRandom::new(6)), now());
        let another = UserSession { session, ..signed_in() };
        for found in [None, Some(ended), Some(another)] {
            assert_eq!(ask(Ok(found)).await.unwrap_err().problem_type, &problem_types::UNAUTHENTICATED);
        }
    }

    #[tokio::test]
    async fn without_a_token_nothing_is_looked_up() {
        let broken = Sessions(Err(StoreError::Internal("looked up".to_owned())));
        let deps: Me<_, PublicKeys, _> = Me { sessions: broken, verifier: verifier(), clock: FixedClock(now()) };
        let problem = me(&deps, Request::new(Body::Empty)).await.unwrap_err();
        assert_eq!(problem.problem_type, &problem_types::UNAUTHENTICATED);
    }

    #[tokio::test]
    async fn a_store_that_does_not_answer_is_a_503() {
        let problem = ask(Err(StoreError::Unavailable("busy".to_owned()))).await.unwrap_err();
        assert_eq!(problem.problem_type, &problem_types::UNAVAILABLE);
    }
}
