//! What is written down of what happens to people's accounts, for those who must be able to tell later.

use std::time::Duration;

use kernel::{Random, Secret, SessionId, Timestamp, UserId};
use ring::hmac;

use super::Identifier;

/// What happened. The names are what an auditor asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditEventKind {
    /// Somebody became a person.
    SignedUp,
    /// A session began.
    SignedIn,
    /// Somebody did not know the password, or there is no such identifier, or the person may not sign in.
    SignInFailed,
    /// The same, and from now on the identifier waits before the next attempt.
    IdentifierLocked,
    /// Somebody who is signed in did not know the password that a change asks for.
    ReauthenticationFailed,
    /// A person ended a session: theirs, or another of their list.
    SessionEnded,
    /// A person ended all of their sessions, or all but the one they used.
    SessionsRevoked,
    /// A refresh token came a second time: the session was ended.
    RefreshTokenReused,
    /// A person chose another password.
    PasswordChanged,
    /// A person changed their e-mail address or phone number.
    IdentifierChanged,
    /// A code was sent to an address or a number.
    CodeSent,
    /// A code that somebody returned was not the one that was sent.
    CodeRefused,
    /// A person has shown that an address or a number reaches them.
    IdentifierVerified,
    /// An operator suspended a person.
    UserSuspended,
    /// An operator let a person act again.
    UserReactivated,
    /// A signing key was published. It does not sign yet.
    SigningKeyPublished,
    /// A signing key signs from now on.
    SigningKeyPromoted,
    /// A signing key verifies no more.
    SigningKeyRetired,
}

impl AuditEventKind {
    /// Its name in the trail.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignedUp => "SIGNED_UP",
            Self::SignedIn => "SIGNED_IN",
            Self::SignInFailed => "SIGN_IN_FAILED",
            Self::IdentifierLocked => "IDENTIFIER_LOCKED",
            Self::ReauthenticationFailed => "REAUTHENTICATION_FAILED",
            Self::SessionEnded => "SESSION_ENDED",
            Self::SessionsRevoked => "SESSIONS_REVOKED",
            Self::RefreshTokenReused => "REFRESH_TOKEN_REUSED",
            Self::PasswordChanged => "PASSWORD_CHANGED",
            Self::IdentifierChanged => "IDENTIFIER_CHANGED",
            Self::CodeSent => "CODE_SENT",
            Self::CodeRefused => "CODE_REFUSED",
            Self::IdentifierVerified => "IDENTIFIER_VERIFIED",
            Self::UserSuspended => "PERSON_SUSPENDED",
            Self::UserReactivated => "PERSON_REACTIVATED",
            Self::SigningKeyPublished => "SIGNING_KEY_PUBLISHED",
            Self::SigningKeyPromoted => "SIGNING_KEY_PROMOTED",
            Self::SigningKeyRetired => "SIGNING_KEY_RETIRED",
        }
    }
}

/// Whom a record is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditSubject {
    /// A person.
    User(UserId),
    /// An identifier that nobody has, by its hash.
    UnknownIdentifier(String),
    /// The deployment itself.
    Deployment,
}

/// Who asked, as far as the request tells. The address does not print itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientInfo {
    /// The id of the request or of the invocation.
    pub request_id: String,
    /// The network address it came from.
    pub address: Option<Secret<String>>,
    /// What the client calls itself, cut to a length that a list can show.
    pub user_agent: Option<String>,
}

impl ClientInfo {
    /// An operator or a schedule, known by the invocation.
    pub fn invocation(request_id: impl Into<String>) -> Self {
        Self { request_id: request_id.into(), ..Self::default() }
    }
}

/// One record. It never changes, and is deleted when its time is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Tells records of one millisecond apart.
    pub id: String,
    /// What happened.
    pub kind: AuditEventKind,
    /// To whom.
    pub subject: AuditSubject,
    /// When.
    pub at: Timestamp,
    /// By which request.
    pub request_id: String,
    /// From where: the address under a keyed hash, so that requests from one place can be told to be that.
    pub source: Option<String>,
    /// In which session.
    pub session: Option<SessionId>,
    /// What else there is to know, such as the key's id or the operator's reason. Never what identifies a person.
    pub detail: Option<String>,
    /// From when on it may be deleted.
    pub expires_at: Timestamp,
}

impl AuditEvent {
    /// The same record with the session it is about.
    #[must_use]
    pub const fn in_session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// The same record with what else there is to know.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

/// Makes records.
#[derive(Debug)]
pub struct AuditLog {
    pepper: hmac::Key,
    retention: Duration,
}

impl AuditLog {
    /// Records are kept so long, and hide addresses and identifiers by this key. It makes them pseudonyms: whoever holds
    /// the key can still try all addresses.
    pub fn new(pepper: &Secret<String>, retention: Duration) -> Self {
        Self { pepper: hmac::Key::new(hmac::HMAC_SHA256, pepper.expose().as_bytes()), retention }
    }

    /// A record of what happened just now.
    pub fn event(
        &self,
        kind: AuditEventKind,
        subject: AuditSubject,
        caller: &ClientInfo,
        now: Timestamp,
        random: &impl Random,
    ) -> AuditEvent {
        AuditEvent {
            id: kernel::ids::random_uuid(random).simple().to_string(),
            kind,
            subject,
            at: now,
            request_id: caller.request_id.clone(),
            source: caller.address.as_ref().map(|address| self.pseudonym(address.expose())),
            session: None,
            detail: None,
            expires_at: now.plus(self.retention),
        }
    }

    /// The subject of what was tried with an identifier that nobody has. It tells attempts on one identifier to be that,
    /// and does not tell which.
    pub fn unknown_identifier(&self, identifier: &Identifier) -> AuditSubject {
        AuditSubject::UnknownIdentifier(self.pseudonym(&format!(
            "{}#{}",
            identifier.kind().name(),
            identifier.as_str()
        )))
    }

    /// 128 bits of a keyed hash, in hexadecimal digits.
    fn pseudonym(&self, text: &str) -> String {
        let tag = hmac::sign(&self.pepper, text.as_bytes());
        let bits = tag.as_ref().iter().take(16).fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
        format!("{bits:032x}")
    }
}

#[cfg(test)]
mod tests {
    use contact::Email;
    use kernel::testing::SeededRandom;

    use super::*;

    fn audit_log(pepper: &str) -> AuditLog {
        AuditLog::new(&Secret::new(pepper.to_owned()), Duration::from_hours(24 * 400))
    }

    fn caller(address: &str) -> ClientInfo {
        ClientInfo { address: Some(Secret::new(address.to_owned())), ..ClientInfo::invocation("r-1") }
    }

    fn record(audit_log: &AuditLog, caller: &ClientInfo) -> AuditEvent {
        let now = Timestamp::parse("2026-01-31T12:00:00Z").unwrap();
        audit_log.event(AuditEventKind::SignedIn, AuditSubject::Deployment, caller, now, &SeededRandom::new(1))
    }

    #[test]
    fn one_address_is_one_source_and_cannot_be_read_or_guessed_without_the_key() {
        let audit_log = audit_log("pepper");
        let (one, again, other) = (
            record(&audit_log, &caller("192.0.2.1")),
            record(&audit_log, &caller("192.0.2.1")),
            record(&audit_log, &caller("::1")),
        );
        assert_eq!((&one.source, one.source.as_ref().map(String::len)), (&again.source, Some(32)));
        assert_ne!(one.source, other.source);
        assert_ne!(one.source, record(&self::audit_log("another"), &caller("192.0.2.1")).source);
        assert!(!format!("{one:?}").contains("192.0.2.1"));
    }

    #[test]
    fn an_identifier_that_nobody_has_is_hidden_in_the_same_way() {
        let identifier = Identifier::Email(Email::parse("ada@example.com").unwrap());
        let AuditSubject::UnknownIdentifier(hash) = audit_log("pepper").unknown_identifier(&identifier) else {
            panic!()
        };
        assert!(hash.len() == 32 && !hash.contains("ada"));
    }
}
