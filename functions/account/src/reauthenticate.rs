//! Changing oneself: what `POST /auth/password` and `PATCH /auth/me` have in common. Whoever is signed in shows once more
//! that they know their password, for a token alone may be stolen.

use auth::Principal;
use aws_sdk_dynamodb::Client;
use config::{ConfigError, Env};
use futures_util::future::join;
use kernel::SystemRandom;
use kernel::{Clock, Random, Secret, SystemClock, Timestamp};

use crate::domain::{
    AuditKind, AuditRecord, AuditSubject, AuditTrail, Caller, Identifier, PasswordHash, Person, Revoked, Session,
    SignedIn,
};
use crate::error::AccountError;
use crate::settings;
use crate::sign_in::check;
use crate::store::{
    AccountTable, ChangePerson, Changed, CountReauthentication, Credential, FindCredential, FindSession, Locked,
    PersonChange, RecordEvent,
};

/// How often a change begins anew because the person changed under it.
const TRIES: usize = 3;

/// Changes people who know their password.
#[derive(Debug)]
pub struct Reauthenticate<S, R, C> {
    /// Where they are found and changed.
    pub people: S,
    /// Writes down what came of it.
    pub trail: AuditTrail,
    /// For the records' ids.
    pub random: R,
    /// For the time of the change.
    pub clock: C,
}

/// Whoever is signed in and asks for a change.
#[derive(Debug)]
pub struct Asker {
    /// As their token says.
    pub principal: Principal,
    /// The password that they have, as it was typed.
    pub password: Secret<String>,
    /// Who they are, as far as the request tells.
    pub caller: Caller,
}

/// Whoever has shown that they know their password, as they were found.
#[derive(Debug)]
pub struct Proven {
    found: SignedIn,
    credential: Credential,
}

/// What a change makes of somebody.
#[derive(Debug)]
pub struct Plan {
    /// The person, in their next version.
    pub person: Person,
    /// The hash of their password, if it is another.
    pub new_hash: Option<PasswordHash>,
    /// Their session, if it goes on although all others end.
    pub carried: Option<Session>,
    /// What is changed, for the trail.
    pub kind: AuditKind,
    /// What else the trail is told.
    pub detail: Option<&'static str>,
}

impl<S, R, C> Reauthenticate<S, R, C>
where
    S: CountReauthentication + FindCredential + FindSession + ChangePerson + RecordEvent,
    R: Random,
    C: Clock,
{
    /// Checks the password of whoever was found to be signed in. Their attempts are counted: otherwise a stolen token
    /// would be good for any number of guesses. But not among the attempts to sign in, which anybody may make: an outsider
    /// must not be able to keep the owner from another password.
    ///
    /// # Errors
    ///
    /// [`AccountError::InvalidCredentials`] if it is not theirs; [`AccountError::TooManyAttempts`] if they have to wait.
    pub async fn prove(&self, asker: &Asker, found: SignedIn) -> Result<Proven, AccountError> {
        let now = self.clock.now();
        let email = Identifier::Email(found.person.email.clone());
        let counted = self.people.count_reauthentication(found.person.id, now);
        let (counted, credential) = join(counted, self.people.find_credential(&email)).await;
        let attempts = counted?.map_err(|Locked(wait)| AccountError::TooManyAttempts(wait))?;
        let checked = asker.check(credential?);
        if matches!(checked, Err(AccountError::InvalidCredentials)) {
            let record = self.record(AuditKind::ReauthenticationFailed, asker, now);
            let record = record.with_detail(format!("attempt {attempts}"));
            self.people.record_event(&record).await?;
        }
        checked.map(|credential| Proven { found, credential })
    }

    /// Makes of them what is planned, if anything is, and forgets the attempts that failed. Should they change under it,
    /// the plan is made anew, but only for as long as their token and their password are good. What is refused because
    /// somebody else has it leaves the attempt counted: nobody learns in bulk from it who has an account.
    ///
    /// # Errors
    ///
    /// [`AccountError::IdentifierTaken`] if somebody else has what they want; [`AccountError::Revoked`] or
    /// [`AccountError::InvalidCredentials`] if what they showed is good no more.
    pub async fn change(
        &self,
        asker: &Asker,
        proven: Proven,
        plan: impl Fn(&SignedIn, Timestamp) -> Option<Plan> + Sync,
    ) -> Result<SignedIn, AccountError> {
        let Proven { mut found, mut credential } = proven;
        for _ in 0..TRIES {
            let now = self.clock.now();
            let Some(Plan { person, new_hash, carried, kind, detail }) = plan(&found, now) else { return Ok(found) };
            let record = self.record(kind, asker, now);
            let change = PersonChange {
                before: &found.person,
                after: &person,
                password_hash: Some(new_hash.as_ref().unwrap_or(&credential.password_hash)),
                knows_password: true,
                carried: carried.as_ref(),
                record: &detail.into_iter().fold(record, AuditRecord::with_detail),
            };
            match self.people.change_person(change).await? {
                Changed::Yes => return Ok(SignedIn { person, session: carried.unwrap_or(found.session) }),
                Changed::Taken(identifiers) => return Err(AccountError::IdentifierTaken(identifiers)),
                Changed::PersonIsNow(_) | Changed::SessionMoved => {}
            }
            let Principal { user_id, session_id, epoch, .. } = asker.principal;
            found = self.people.find_session(user_id, session_id).await?.ok_or(Revoked::NoSession)?;
            // All that they had may have been revoked: then nothing of it is to be carried on.
            found.accept(epoch, self.clock.now())?;
            let email = Identifier::Email(found.person.email.clone());
            credential = asker.check(self.people.find_credential(&email).await?)?;
        }
        Err(AccountError::PersonKeptChanging)
    }

    fn record(&self, kind: AuditKind, asker: &Asker, now: Timestamp) -> AuditRecord {
        let subject = AuditSubject::Person(asker.principal.user_id);
        self.trail.record(kind, subject, &asker.caller, now, &self.random).in_session(asker.principal.session_id)
    }
}

impl Asker {
    /// The credential, if it is theirs and they know its password. Their address may be somebody else's by now.
    fn check(&self, credential: Option<Credential>) -> Result<Credential, AccountError> {
        check(credential.filter(|credential| credential.person.id == self.principal.user_id), &self.password)
    }
}

/// Changes people in the account table, as the function's environment says.
///
/// # Errors
///
/// [`ConfigError`] if a setting is missing.
pub fn from_env(
    env: &Env,
    client: Client,
) -> Result<Reauthenticate<AccountTable<SystemRandom>, SystemRandom, SystemClock>, ConfigError> {
    Ok(Reauthenticate {
        people: AccountTable::from_env(env, client)?,
        trail: settings::audit_trail(env)?,
        random: SystemRandom,
        clock: SystemClock,
    })
}
