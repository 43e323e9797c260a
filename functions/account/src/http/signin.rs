//! `POST /auth/signin`: a session, and an access token for it in a cookie.

use kernel::{Clock, Random, Secret, UserId};
use lambda_http::http::StatusCode;
use runtime::http::{Answer, Problem, Request, json_body};
use serde::{Deserialize, Serialize};

use super::cookie;
use crate::current_key::CurrentKey;
use crate::domain::{AccessTokens, Email, Identifier, PasswordHash, Person, PersonStatus, Phone, Session};
use crate::error::AccountError;
use crate::store::{FindCredential, LoadSigningKey, StartSession, Started};

/// How often a sign-in begins anew because the person changed under it.
const ATTEMPTS: usize = 3;

/// What the endpoint needs.
#[derive(Debug)]
pub struct Signin<S, L, R, C> {
    /// Where credentials are found and sessions are started.
    pub people: S,
    /// What tokens are signed with.
    pub signing_key: CurrentKey<L>,
    /// Issues the tokens.
    pub tokens: AccessTokens,
    /// For the session's id.
    pub random: R,
    /// For the time of the sign-in.
    pub clock: C,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    email: Option<String>,
    phone: Option<String>,
    password: Secret<String>,
}

struct SignIn {
    identifier: Identifier,
    /// As it was typed: how long it must be was asked when it was chosen.
    password: Secret<String>,
}

#[derive(Serialize)]
struct SignedIn<'a> {
    id: UserId,
    email: &'a str,
    phone: Option<&'a str>,
}

/// Answers one request, in two round trips to the table.
///
/// # Errors
///
/// A 400 if it names no identifier, two, or one that cannot be; otherwise the same 401 whatever the cause.
pub async fn signin<S, L, R, C>(deps: &Signin<S, L, R, C>, request: Request) -> Result<Answer, Problem>
where
    S: FindCredential + StartSession + Sync,
    L: LoadSigningKey + Sync,
    R: Random + Sync,
    C: Clock + Sync,
{
    let attempt = json_body::<Body>(&request)?.try_into_domain()?;
    let (person, token) = deps.sign_in(&attempt).await?;
    let answer = Answer::json(StatusCode::OK, &SignedIn::from(&person))?;
    Ok(answer.header("set-cookie", cookie::set_access_token(&token, deps.tokens.lifetime())))
}

impl<S, L, R, C> Signin<S, L, R, C>
where
    S: FindCredential + StartSession,
    L: LoadSigningKey,
    R: Random,
    C: Clock,
{
    /// The credential's copy of the person may be behind, so the session is started on the condition that it is not. If
    /// it is, the answer says how the person is now; but then the password may have changed too, and all is checked anew.
    async fn sign_in(&self, attempt: &SignIn) -> Result<(Person, Secret<String>), AccountError> {
        let key = self.signing_key.get().await?;
        let mut newer: Option<Person> = None;
        for _ in 0..ATTEMPTS {
            let copy = self.check(attempt).await?;
            let person =
                newer.take().filter(|newer| newer.id == copy.id && newer.version > copy.version).unwrap_or(copy);
            let now = self.clock.now();
            let session = Session::start(&self.random, now, self.tokens.lifetime());
            match self.people.start_session(&person, &session).await? {
                Started::Yes => {
                    let token = self.tokens.issue(&key, &person, session.id, now)?;
                    return Ok((person, token));
                }
                Started::PersonIsNow(Some(changed)) if changed.status == PersonStatus::Active => newer = Some(*changed),
                Started::PersonIsNow(_) => return Err(AccountError::InvalidCredentials),
            }
        }
        Err(AccountError::PersonKeptChanging)
    }

    /// Whose identifier and password these are. It takes as long for an identifier that nobody has.
    async fn check(&self, attempt: &SignIn) -> Result<Person, AccountError> {
        let credential = self.people.find_credential(&attempt.identifier).await?;
        let hash = credential.as_ref().map_or_else(PasswordHash::of_nobody, |found| found.password_hash.clone());
        let matches = hash.matches(&attempt.password);
        credential.filter(|_| matches).map(|found| found.person).ok_or(AccountError::InvalidCredentials)
    }
}

impl Body {
    fn try_into_domain(self) -> Result<SignIn, Problem> {
        let identifier = match (self.email, self.phone) {
            (Some(email), None) => {
                Email::parse(&email).map(Identifier::Email).map_err(|error| Problem::field("email", error))?
            }
            (None, Some(phone)) => {
                Phone::parse(&phone).map(Identifier::Phone).map_err(|error| Problem::field("phone", error))?
            }
            (None, None) => return Err(Problem::field("email", "send an email or a phone")),
            (Some(_), Some(_)) => return Err(Problem::field("phone", "send an email or a phone, not both")),
        };
        Ok(SignIn { identifier, password: self.password })
    }
}

impl<'a> From<&'a Person> for SignedIn<'a> {
    fn from(person: &'a Person) -> Self {
        Self { id: person.id, email: person.email.as_str(), phone: person.phone.as_ref().map(Phone::as_str) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;
    use std::time::Duration;

    use kernel::random::Seeded;
    use kernel::time::FixedClock;
    use serde_json::{Value, json};

    use super::super::testing::{ada, now, post, signing_key, verifier};
    use super::*;
    use crate::domain::{PasswordPolicy, SigningKey};
    use crate::http::kinds;
    use crate::store::{Credential, StoreError};

    const PASSWORD: &str = "correct horse battery staple";

    /// Knows one person, and how they are by the time of each attempt to start a session.
    #[derive(Default)]
    struct People {
        known: Option<Person>,
        password_changes_after: Option<usize>,
        found: Mutex<usize>,
        outcomes: Mutex<VecDeque<Result<Started, StoreError>>>,
        started: Mutex<Vec<(Person, Session)>>,
    }

    impl FindCredential for People {
        async fn find_credential(&self, identifier: &Identifier) -> Result<Option<Credential>, StoreError> {
            let mut found = self.found.lock().unwrap();
            let changed = self.password_changes_after.is_some_and(|times| *found >= times);
            *found += 1;
            let password_hash = hash(if changed { "another password" } else { PASSWORD });
            let known = self.known.clone().filter(|person| person.identifiers().contains(identifier));
            Ok(known.map(|person| Credential { person, password_hash }))
        }
    }

    impl StartSession for People {
        async fn start_session(&self, person: &Person, session: &Session) -> Result<Started, StoreError> {
            self.started.lock().unwrap().push((person.clone(), session.clone()));
            self.outcomes.lock().unwrap().pop_front().unwrap_or(Ok(Started::Yes))
        }
    }

    struct Key(Option<SigningKey>);

    impl LoadSigningKey for Key {
        async fn load_signing_key(&self) -> Result<Option<SigningKey>, StoreError> {
            Ok(self.0.as_ref().map(|key| SigningKey::from_pkcs8(key.pkcs8().clone()).unwrap()))
        }
    }

    fn hash(password: &str) -> PasswordHash {
        let policy: PasswordPolicy = "8".parse().unwrap();
        let password = policy.accept(Secret::new(password.to_owned()), None, None).unwrap();
        PasswordHash::of(&password, &Seeded::new(3)).unwrap()
    }

    fn deps(outcomes: impl IntoIterator<Item = Started>) -> Signin<People, Key, Seeded, FixedClock> {
        let outcomes = Mutex::new(outcomes.into_iter().map(Ok).collect());
        Signin {
            people: People { known: Some(ada()), outcomes, ..People::default() },
            signing_key: CurrentKey::new(Key(Some(signing_key()))),
            tokens: AccessTokens::new("issuer", "audience", Duration::from_mins(15)),
            random: Seeded::new(1),
            clock: FixedClock(now()),
        }
    }

    fn right() -> Value {
        json!({"email": "ADA@example.com", "password": PASSWORD})
    }

    fn ada_is_now(status: PersonStatus, epoch: u64, version: u64) -> Started {
        Started::PersonIsNow(Some(Box::new(Person { status, epoch, version, ..ada() })))
    }

    #[tokio::test]
    async fn the_answer_says_who_signed_in_and_only_the_cookie_holds_the_token() {
        for body in [right(), json!({"phone": "+33612345678", "password": PASSWORD})] {
            let deps = deps([]);
            let answer = signin(&deps, post(&body)).await.unwrap();
            let person = json!({"id": ada().id, "email": "ada@example.com", "phone": "+33612345678"});
            assert_eq!((answer.status, serde_json::from_str::<Value>(&answer.body).unwrap()), (StatusCode::OK, person));

            let [("set-cookie", cookie)] = answer.headers.as_slice() else { panic!("{:?}", answer.headers) };
            let (token, attributes) = cookie.strip_prefix("access_token=").unwrap().split_once("; ").unwrap();
            assert_eq!(attributes, "Max-Age=900; Path=/; HttpOnly; Secure; SameSite=Lax");
            let principal = verifier().verify(token).await.unwrap();
            let started = deps.people.started.into_inner().unwrap();
            assert_eq!((principal.user_id, principal.session_id), (ada().id, started[0].1.id));
            assert_eq!(started[0].1.expires_at, now().plus(Duration::from_mins(15)));
        }
    }

    #[tokio::test]
    async fn a_wrong_password_and_an_unknown_identifier_are_one_problem_and_start_nothing() {
        let deps = deps([]);
        let mut bodies = Vec::new();
        for body in [
            json!({"email": "ada@example.com", "password": "wrong"}),
            json!({"email": "bob@example.com", "password": PASSWORD}),
            json!({"phone": "+33600000000", "password": PASSWORD}),
        ] {
            let problem = signin(&deps, post(&body)).await.unwrap_err();
            assert_eq!(problem.kind, &kinds::INVALID_CREDENTIALS);
            bodies.push(format!("{problem:?}"));
        }
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:#?}");
        assert!(deps.people.started.into_inner().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_suspended_or_deleted_person_gets_that_same_problem() {
        for outcome in [ada_is_now(PersonStatus::Suspended, 0, 2), Started::PersonIsNow(None)] {
            let problem = signin(&deps([outcome]), post(&right())).await.unwrap_err();
            assert_eq!(problem.kind, &kinds::INVALID_CREDENTIALS);
        }
    }

    #[tokio::test]
    async fn a_person_who_has_changed_signs_in_as_they_are_now() {
        let deps = deps([ada_is_now(PersonStatus::Active, 5, 9)]);
        let answer = signin(&deps, post(&right())).await.unwrap();
        let started = deps.people.started.into_inner().unwrap();
        let versions: Vec<_> = started.iter().map(|(person, _)| person.version).collect();
        assert_eq!(versions, [1, 9]);
        let token = answer.headers[0].1.strip_prefix("access_token=").unwrap().split(';').next().unwrap();
        assert_eq!(verifier().verify(token).await.unwrap().epoch, 5);
    }

    #[tokio::test]
    async fn a_password_that_changed_during_the_sign_in_is_no_longer_good() {
        let mut deps = deps([ada_is_now(PersonStatus::Active, 1, 2)]);
        deps.people.password_changes_after = Some(1);
        let problem = signin(&deps, post(&right())).await.unwrap_err();
        assert_eq!(problem.kind, &kinds::INVALID_CREDENTIALS);
    }

    #[tokio::test]
    async fn without_a_key_and_for_one_who_keeps_changing_the_answer_is_to_try_again() {
        let keyless = Signin { signing_key: CurrentKey::new(Key(None)), ..deps([]) };
        let restless = deps((2..).map(|version| ada_is_now(PersonStatus::Active, 0, version)).take(ATTEMPTS));
        for deps in [keyless, restless] {
            let problem = signin(&deps, post(&right())).await.unwrap_err();
            assert_eq!(problem.kind, &runtime::http::kinds::UNAVAILABLE);
        }
    }

    #[tokio::test]
    async fn a_body_names_one_identifier_that_can_be_one() {
        for (body, pointer) in [
            (json!({"password": PASSWORD}), "/email"),
            (json!({"email": "ada@example.com", "phone": "+33612345678", "password": PASSWORD}), "/phone"),
            (json!({"email": "ada", "password": PASSWORD}), "/email"),
            (json!({"phone": "0612345678", "password": PASSWORD}), "/phone"),
            (json!({"email": "ada@example.com"}), "/password"),
        ] {
            let problem = signin(&deps([]), post(&body)).await.unwrap_err();
            assert_eq!((problem.kind.status, problem.errors[0].pointer.as_str()), (400, pointer), "{body}");
        }
    }
}
