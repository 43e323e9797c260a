//! `POST /auth/signup`: somebody new.

use kernel::{Clock, Random, Secret, Timestamp, UserId};
use lambda_http::http::StatusCode;
use runtime::http::{Answer, Fields, Problem, Request, json_body};
use serde::{Deserialize, Serialize};

use crate::domain::{Email, Password, PasswordHash, PasswordPolicy, Person, Phone};
use crate::error::AccountError;
use crate::store::{CreatePerson, Created};

/// What the endpoint needs.
#[derive(Debug)]
pub struct Signup<S, R, C> {
    /// Where people are created.
    pub people: S,
    /// What is asked of a password.
    pub password_policy: PasswordPolicy,
    /// For the person's id and the hash's salt.
    pub random: R,
    /// For the time of the sign-up.
    pub clock: C,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    email: String,
    phone: Option<String>,
    password: Secret<String>,
}

struct SignUp {
    email: Email,
    phone: Option<Phone>,
    password: Password,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedUp<'a> {
    id: UserId,
    email: &'a str,
    phone: Option<&'a str>,
    created_at: Timestamp,
}

/// Answers one request.
///
/// # Errors
///
/// A 400 naming every field that is wrong; a 409 if the e-mail address or the phone number is somebody's.
pub async fn signup<S, R, C>(deps: &Signup<S, R, C>, request: Request) -> Result<Answer, Problem>
where
    S: CreatePerson + Sync,
    R: Random + Sync,
    C: Clock + Sync,
{
    let command = json_body::<Body>(&request)?.try_into_domain(deps.password_policy)?;
    let person = deps.sign_up(command).await?;
    Answer::json(StatusCode::CREATED, &SignedUp::from(&person))
}

impl<S: CreatePerson, R: Random, C: Clock> Signup<S, R, C> {
    async fn sign_up(&self, command: SignUp) -> Result<Person, AccountError> {
        let hash = PasswordHash::of(&command.password, &self.random)?;
        let person = Person::new(UserId::random(&self.random), command.email, command.phone, self.clock.now());
        match self.people.create_person(&person, &hash).await? {
            Created::Yes => Ok(person),
            Created::Taken(identifiers) => Err(AccountError::IdentifierTaken(identifiers)),
        }
    }
}

impl Body {
    fn try_into_domain(self, policy: PasswordPolicy) -> Result<SignUp, Problem> {
        let mut fields = Fields::default();
        let email = fields.read("email", Email::parse(&self.email));
        let phone = fields.read_optional("phone", self.phone.as_deref().map(Phone::parse));
        let known_phone = phone.as_ref().and_then(Option::as_ref);
        let password = fields.read("password", policy.accept(self.password, email.as_ref(), known_phone));
        match (email, phone, password) {
            (Some(email), Some(phone), Some(password)) => Ok(SignUp { email, phone, password }),
            _ => Err(fields.problem()),
        }
    }
}

impl<'a> From<&'a Person> for SignedUp<'a> {
    fn from(person: &'a Person) -> Self {
        Self {
            id: person.id,
            email: person.email.as_str(),
            phone: person.phone.as_ref().map(Phone::as_str),
            created_at: person.created_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use kernel::random::Seeded;
    use kernel::time::FixedClock;
    use serde_json::{Value, json};

    use super::super::testing::{now, post};
    use super::*;
    use crate::domain::IdentifierKind;
    use crate::http::kinds;
    use crate::store::StoreError;

    /// Creates whoever it is asked to, or answers as it was told.
    #[derive(Default)]
    struct People {
        created: Mutex<Vec<(Person, PasswordHash)>>,
        instead: Option<Result<Created, StoreError>>,
    }

    impl CreatePerson for People {
        async fn create_person(&self, person: &Person, hash: &PasswordHash) -> Result<Created, StoreError> {
            if let Some(answer) = &self.instead {
                return answer.clone();
            }
            self.created.lock().unwrap().push((person.clone(), hash.clone()));
            Ok(Created::Yes)
        }
    }

    fn deps(people: People) -> Signup<People, Seeded, FixedClock> {
        Signup { people, password_policy: "8".parse().unwrap(), random: Seeded::new(1), clock: FixedClock(now()) }
    }

    async fn refused(body: Value) -> Problem {
        let deps = deps(People::default());
        let problem = signup(&deps, post(&body)).await.unwrap_err();
        assert!(deps.people.created.lock().unwrap().is_empty());
        problem
    }

    #[tokio::test]
    async fn somebody_new_is_created_with_their_password_hashed() {
        let deps = deps(People::default());
        let body = json!({"email": "Ada@Example.com", "phone": "+33612345678", "password": "correct horse"});
        let answer = signup(&deps, post(&body)).await.unwrap();
        let created = deps.people.created.into_inner().unwrap();
        let [(person, hash)] = created.as_slice() else { panic!("{created:?}") };
        assert!(hash.matches(&Secret::new("correct horse".to_owned())));
        assert_eq!(answer.status, StatusCode::CREATED);
        let expected = json!({
            "id": person.id, "email": "ada@example.com", "phone": "+33612345678", "createdAt": now()
        });
        assert_eq!(serde_json::from_str::<Value>(&answer.body).unwrap(), expected);
    }

    #[tokio::test]
    async fn a_phone_is_optional_and_null_where_there_is_none() {
        for body in [
            json!({"email": "ada@example.com", "password": "correct horse"}),
            json!({"email": "ada@example.com", "password": "correct horse", "phone": null}),
        ] {
            let answer = signup(&deps(People::default()), post(&body)).await.unwrap();
            assert_eq!(serde_json::from_str::<Value>(&answer.body).unwrap()["phone"], Value::Null);
        }
    }

    #[tokio::test]
    async fn every_field_that_is_wrong_is_named_at_once() {
        let problem = refused(json!({"email": "ada", "phone": "0612345678", "password": "short"})).await;
        let pointers: Vec<_> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/email", "/phone", "/password"]);
    }

    #[tokio::test]
    async fn a_password_that_is_an_identifier_and_a_field_that_is_unknown_are_refused() {
        let problem = refused(json!({"email": "ada@example.com", "password": "ADA@example.com"})).await;
        assert_eq!(problem.errors[0].pointer, "/password");
        let body = json!({"email": "ada@example.com", "password": "correct horse", "status": "ADMIN"});
        assert_eq!(refused(body).await.errors[0].pointer, "/status");
    }

    #[tokio::test]
    async fn a_taken_identifier_is_a_409_that_names_it_and_a_busy_store_a_503() {
        let body = json!({"email": "ada@example.com", "password": "correct horse"});
        let answers: [(Result<Created, StoreError>, _); 2] = [
            (Ok(Created::Taken(vec![IdentifierKind::Email])), &kinds::IDENTIFIER_TAKEN),
            (Err(StoreError::Unavailable("busy".to_owned())), &runtime::http::kinds::UNAVAILABLE),
        ];
        for (answer, kind) in answers {
            let people = People { instead: Some(answer), ..People::default() };
            assert_eq!(signup(&deps(people), post(&body)).await.unwrap_err().kind, kind);
        }
    }
}
