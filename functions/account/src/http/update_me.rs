//! `PATCH /auth/me`: changes the e-mail address or the phone number.

use auth::{LoadKeys, Verifier};
use contact::{Email, Phone};
use http_api::{FieldErrors, Problem, Request, Response, json_body};
use kernel::{Clock, Random, Secret, Timestamp};
use lambda_http::http::StatusCode;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::client_info::caller;
use super::me::SignedInUser;
use super::session_auth::signed_in;
use crate::app::reauthenticate::{PlannedUpdate, ReauthRequest, Reauthenticate};
use crate::domain::{AuditEventKind, Password, UserSession};
use crate::store::{AppendAuditEvent, CountReauthentication, FindCredential, FindSession, UpdateUser};

pub struct UpdateMe<S, P, R, C> {
    pub verifier: Verifier<P, C>,
    pub users: Reauthenticate<S, R, C>,
}

/// The fields to change. Absent fields stay unchanged.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = PersonUpdate)]
pub(super) struct Body {
    #[serde(default)]
    #[schema(value_type = Email, required = false)]
    email: Change<String>,
    /// In any international spelling; null to remove it.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "+250 788 123 456")]
    phone: Change<String>,
    #[schema(value_type = String, format = Password)]
    current_password: Secret<String>,
}

/// An optional, nullable field of the body.
#[derive(Default)]
enum Change<T> {
    #[default]
    Keep,
    Remove,
    Set(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|value| value.map_or(Self::Remove, Self::Set))
    }
}

struct Update {
    email: Option<Email>,
    phone: Change<Phone>,
}

impl Update {
    fn read(email: Change<String>, phone: Change<String>) -> Result<Self, Problem> {
        if matches!((&email, &phone), (Change::Keep, Change::Keep)) {
            return Err(Problem::field("email", "send an email or a phone"));
        }
        let mut fields = FieldErrors::default();
        let email = match email {
            Change::Keep => None,
            Change::Remove => {
                fields.push("email", "cannot be removed: send another");
                None
            }
            Change::Set(email) => fields.read("email", Email::parse(&email)),
        };
        let phone = match phone {
            Change::Keep => Change::Keep,
            Change::Remove => Change::Remove,
            Change::Set(phone) => fields.read("phone", Phone::parse(&phone)).map_or(Change::Keep, Change::Set),
        };
        if fields.is_empty() { Ok(Self { email, phone }) } else { Err(fields.problem()) }
    }

    /// Returns the updated user, unless nothing changes. A new identifier is unverified.
    fn plan(&self, found: &UserSession, now: Timestamp) -> Option<PlannedUpdate> {
        let before = &found.user;
        let mut user = before.next_version(now);
        if let Some(email) = self.email.as_ref().filter(|email| **email != before.email) {
            (user.email, user.email_verified) = (email.clone(), false);
        }
        let phone = match &self.phone {
            Change::Keep => before.phone.clone(),
            Change::Remove => None,
            Change::Set(phone) => Some(phone.clone()),
        };
        if phone != before.phone {
            (user.phone, user.phone_verified) = (phone, false);
        }
        let detail = match (user.email != before.email, user.phone != before.phone) {
            (false, false) => return None,
            (true, false) => "email",
            (false, true) => "phone",
            (true, true) => "email and phone",
        };
        let kind = AuditEventKind::IdentifierChanged;
        Some(PlannedUpdate { user, new_hash: None, retained_session: None, kind, detail: Some(detail) })
    }
}

/// Updates the user in three round trips: the session, the check of the password, and the update. If nothing changes, the
/// first is enough, so that a client can retry after a lost response.
/// # Errors
/// A 400 with every invalid field; a 401 if the token or the password is invalid; a 409 if an identifier is in use; a 429
/// after too many failed attempts.
pub async fn update_me<S, P, R, C>(deps: &UpdateMe<S, P, R, C>, request: Request) -> Result<Response, Problem>
where
    S: CountReauthentication + FindCredential + FindSession + UpdateUser + AppendAuditEvent + Sync,
    P: LoadKeys + Sync,
    R: Random + Sync,
    C: Clock + Sync,
{
    let users = &deps.users;
    let (principal, found) = signed_in(&users.users, &deps.verifier, &users.clock, &request).await?;
    let Body { email, phone, current_password } = json_body(&request)?;
    let update = Update::read(email, phone)?;
    if update.plan(&found, users.clock.now()).is_none() {
        return Response::json(StatusCode::OK, &SignedInUser::from(&found.user));
    }
    let new_phone = if let Change::Set(phone) = &update.phone { Some(phone) } else { None };
    if let Err(refused) = Password::existing(&current_password).reject_identifiers(update.email.as_ref(), new_phone) {
        return Err(Problem::field("currentPassword", format!("{refused}: change it first")));
    }
    let asker = ReauthRequest { principal, password: current_password, caller: caller(&request) };
    let proven = users.verify_password(&asker, found).await?;
    let changed = users.change(&asker, proven, |found, now| update.plan(found, now)).await?;
    Response::json(StatusCode::OK, &SignedInUser::from(&changed.user))
}

#[cfg(test)]
mod tests {
    use http_api::problem_types::{INVALID_REQUEST, UNAUTHENTICATED};
    use kernel::testing::FixedClock;
    use kernel::testing::SeededRandom;
    use kernel::{Secret, UserId};
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::{Identifier, User, hash_computations};
    use crate::http::problem_types::{IDENTIFIER_TAKEN, INVALID_CREDENTIALS, TOO_MANY_ATTEMPTS};
    use crate::testing::ada_on_engine::{AdaOnEngine, Table, asks};
    use crate::testing::{PASSWORD, PublicKeys, ada, body_of, now, verifier};

    fn deps(ada: &AdaOnEngine) -> UpdateMe<Table, PublicKeys, SeededRandom, FixedClock> {
        UpdateMe { verifier: verifier(), users: ada.reauthenticate() }
    }

    fn proven(mut fields: Value) -> Value {
        fields["currentPassword"] = json!(PASSWORD);
        fields
    }

    async fn update(ada: &AdaOnEngine, fields: Value) -> Result<Response, Problem> {
        let own = ada.session(1).await;
        update_me(&deps(ada), asks(&own, &proven(fields))).await
    }

    fn email(text: &str) -> Identifier {
        Identifier::Email(Email::parse(text).unwrap())
    }

    fn phone(text: &str) -> Identifier {
        Identifier::Phone(Phone::parse(text).unwrap())
    }

    /// Ada has shown that both of her identifiers reach her.
    async fn verified() -> AdaOnEngine {
        let ada = AdaOnEngine::new().await;
        ada.change(|ada| User { email_verified: true, phone_verified: true, ..ada }, None).await;
        ada
    }

    #[tokio::test]
    async fn a_new_address_and_number_are_shown_sign_in_and_have_yet_to_be_verified() {
        let ada = verified().await;
        let own = ada.session_of(&ada.ada().await, 1).await;
        let fields = json!({"email": "Ada@Example.org", "phone": "+33 6 87 65 43 21"});
        let before = hash_computations();
        let answer = update_me(&deps(&ada), asks(&own, &proven(fields))).await.unwrap();
        assert_eq!(ada.engine.round_trips(), ["BatchGetItem", "UpdateItem", "GetItem", "TransactWriteItems"]);
        assert_eq!(hash_computations() - before, 1);
        let expected = json!({
            "id": self::ada().id, "email": "ada@example.org", "emailVerified": false, "phone": "+33687654321",
            "phoneVerified": false, "createdAt": now(), "updatedAt": now()
        });
        assert_eq!((answer.status, body_of(&answer)), (StatusCode::OK, expected));

        let after = ada.ada().await;
        assert_eq!((after.version, after.epoch), (3, 0));
        assert_eq!(ada.find(&own).await.authorize(0, now()), Ok(()), "the token that asked goes on");
        for identifier in [email("ada@example.org"), phone("+33687654321")] {
            let credential = ada.credential(&identifier).await.unwrap();
            assert!(credential.password_hash.matches(&Secret::new(PASSWORD.to_owned())));
            assert_eq!(credential.user, after);
        }
        for identifier in self::ada().identifiers() {
            assert_eq!(ada.credential(&identifier).await, None);
        }
        ada.signs_up(User { id: UserId::random(&SeededRandom::new(8)), ..self::ada() }).await;
        let recorded = [("IDENTIFIER_CHANGED".to_owned(), Some("email and phone".to_owned()))];
        assert_eq!(ada.recorded().await, recorded);
    }

    #[tokio::test]
    async fn what_is_absent_stays_as_it_is_and_null_is_no_number() {
        for (fields, phone, verified_email, detail) in [
            (json!({"email": "ada@example.org"}), Some("+33612345678"), false, "email"),
            (json!({"email": "ada@example.com", "phone": null}), None, true, "phone"),
        ] {
            let ada = verified().await;
            let own = ada.session_of(&ada.ada().await, 1).await;
            let answer = body_of(&update_me(&deps(&ada), asks(&own, &proven(fields))).await.unwrap());
            assert_eq!((&answer["phone"], &answer["phoneVerified"]), (&json!(phone), &json!(phone.is_some())));
            assert_eq!(answer["emailVerified"], verified_email);
            assert_eq!(ada.recorded().await, [("IDENTIFIER_CHANGED".to_owned(), Some(detail.to_owned()))]);
        }
    }

    #[tokio::test]
    async fn what_is_so_already_is_shown_in_one_round_trip_and_makes_no_new_version() {
        let ada = AdaOnEngine::new().await;
        let fields = json!({"email": "ADA@example.com", "phone": "+33 (0)6 12 34 56 78"});
        let before = hash_computations();
        let answer = update(&ada, fields).await.unwrap();
        assert_eq!(
            (ada.engine.round_trips().as_slice(), hash_computations()),
            (["BatchGetItem".to_owned()].as_slice(), before)
        );
        assert_eq!(body_of(&answer)["email"], "ada@example.com");
        assert_eq!(ada.ada().await, self::ada());
    }

    #[tokio::test]
    async fn every_field_that_is_wrong_is_named_and_nothing_is_counted() {
        let ada = AdaOnEngine::new().await;
        let own = ada.session(1).await;
        for (body, pointers) in [
            (proven(json!({})), vec!["/email"]),
            (proven(json!({"email": null})), vec!["/email"]),
            (proven(json!({"email": "ada", "phone": "0612345678"})), vec!["/email", "/phone"]),
            (proven(json!({"email": null, "phone": "+33"})), vec!["/email", "/phone"]),
            (proven(json!({"phone": null, "status": "ADMIN"})), vec!["/status"]),
            (json!({"phone": null}), vec!["/currentPassword"]),
        ] {
            let problem = update_me(&deps(&ada), asks(&own, &body)).await.unwrap_err();
            let named: Vec<_> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
            assert_eq!((problem.problem_type, named), (&INVALID_REQUEST, pointers), "{body}");
            assert_eq!(ada.engine.round_trips(), ["BatchGetItem"]);
        }
    }

    #[tokio::test]
    async fn what_somebody_else_has_is_a_409_that_names_it_and_nothing_changes() {
        let ada = AdaOnEngine::new().await;
        let bob = Email::parse("bob@example.com").unwrap();
        ada.signs_up(User::new(UserId::random(&SeededRandom::new(8)), bob, None, now())).await;
        let problem = update(&ada, json!({"email": "bob@example.com", "phone": null})).await.unwrap_err();
        assert_eq!((problem.problem_type, problem.errors[0].pointer.as_str()), (&IDENTIFIER_TAKEN, "/email"));
        assert_eq!(ada.ada().await, self::ada());
    }

    #[tokio::test]
    async fn nobody_finds_out_in_bulk_which_addresses_are_taken() {
        let ada = AdaOnEngine::new().await;
        let bob = Email::parse("bob@example.com").unwrap();
        ada.signs_up(User::new(UserId::random(&SeededRandom::new(8)), bob, None, now())).await;
        let own = ada.session(1).await;
        let deps = deps(&ada);
        let mut kinds = Vec::new();
        for _ in 0..6 {
            let request = asks(&own, &proven(json!({"email": "bob@example.com"})));
            kinds.push(update_me(&deps, request).await.unwrap_err().problem_type.code);
        }
        assert_eq!(kinds[..5], [IDENTIFIER_TAKEN.code; 5]);
        assert_eq!(kinds[5], TOO_MANY_ATTEMPTS.code);
    }

    #[tokio::test]
    async fn whoever_is_not_signed_in_or_does_not_know_the_password_changes_nothing() {
        let ada = AdaOnEngine::new().await;
        let own = ada.session(1).await;
        let body = json!({"email": "ada@example.org", "currentPassword": "wrong"});
        assert_eq!(update_me(&deps(&ada), asks(&own, &body)).await.unwrap_err().problem_type, &INVALID_CREDENTIALS);
        assert_eq!(ada.recorded().await[0].0, "REAUTHENTICATION_FAILED");

        let mut stranger = asks(&own, &proven(json!({"email": "ada@example.org"})));
        stranger.headers_mut().remove("authorization");
        assert_eq!(update_me(&deps(&ada), stranger).await.unwrap_err().problem_type, &UNAUTHENTICATED);
        assert_eq!(ada.ada().await, self::ada());
    }

    #[tokio::test]
    async fn nobody_takes_an_address_or_a_number_that_is_their_password() {
        let ada = AdaOnEngine::new().await;
        let own = ada.session(1).await;
        for (field, value, password) in
            [("email", "ada.lovelace@example.org", "ada.lovelace"), ("phone", "+33687654321", "06 87 65 43 21")]
        {
            let body = json!({field: value, "currentPassword": password});
            let problem = update_me(&deps(&ada), asks(&own, &body)).await.unwrap_err();
            assert_eq!(
                (problem.problem_type, problem.errors[0].pointer.as_str()),
                (&INVALID_REQUEST, "/currentPassword")
            );
        }
    }

    #[tokio::test]
    async fn what_happens_meanwhile_is_kept_unless_it_is_the_same() {
        let ada = AdaOnEngine::new().await;
        ada.before_change.happens(ada.change(|ada| User { email_verified: true, ..ada }, None));
        let answer = body_of(&update(&ada, json!({"phone": null})).await.unwrap());
        assert_eq!((&answer["emailVerified"], &answer["phone"]), (&json!(true), &Value::Null));
        assert_eq!(ada.ada().await.version, 3);

        let ada = AdaOnEngine::new().await;
        ada.before_change.happens(ada.change(|ada| User { phone: None, ..ada }, None));
        assert_eq!(body_of(&update(&ada, json!({"phone": null})).await.unwrap())["phone"], Value::Null);
        assert_eq!(ada.ada().await.version, 2);
    }
}
