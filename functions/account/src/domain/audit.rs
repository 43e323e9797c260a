//! Audit events: what happened to users' accounts and to the signing keys.

use std::time::Duration;

use kernel::{Random, Secret, SessionId, Timestamp, UserId};
use ring::hmac;
use strum::IntoStaticStr;

use super::Identifier;

/// The kind of an audit event. Its name is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum AuditEventKind {
    SignedUp,
    SignedIn,
    /// The password was wrong, the identifier is unknown, or the user is suspended.
    SignInFailed,
    /// As [`Self::SignInFailed`], and the next attempt by the identifier has to wait.
    IdentifierLocked,
    /// A signed-in user confirmed a change by a wrong password.
    ReauthenticationFailed,
    /// A user ended one of their sessions.
    SessionEnded,
    /// A user ended all of their sessions, or all but the current one.
    SessionsRevoked,
    /// A used refresh token was presented again, which ended its session.
    RefreshTokenReused,
    /// A refresh token was presented for an active session that it was not issued for, or not in its current epoch. The
    /// session stays active.
    RefreshTokenRefused,
    PasswordChanged,
    /// A user changed their e-mail address or phone number.
    IdentifierChanged,
    /// A verification code was sent.
    CodeSent,
    /// A wrong verification code was submitted.
    CodeRefused,
    IdentifierVerified,
    /// An operator suspended a user.
    #[strum(serialize = "PERSON_SUSPENDED")]
    UserSuspended,
    /// An operator ended a user's suspension.
    #[strum(serialize = "PERSON_REACTIVATED")]
    UserReactivated,
    /// A signing key was published. It does not sign yet.
    SigningKeyPublished,
    /// A signing key became the one that signs.
    SigningKeyPromoted,
    /// A signing key no longer verifies tokens.
    SigningKeyRetired,
}

impl AuditEventKind {
    /// The stored name.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The subject of an audit event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditSubject {
    User(UserId),
    /// The pseudonym of an identifier that belongs to no user.
    UnknownIdentifier(String),
    Deployment,
}

/// The client that sent a request. `Debug` output does not contain its address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientInfo {
    /// The id of the request or of the Lambda invocation.
    pub request_id: String,
    pub address: Option<Secret<String>>,
    /// The `User-Agent` header, truncated for display.
    pub user_agent: Option<String>,
}

impl ClientInfo {
    /// An invocation by an operator or a schedule, which has neither an address nor a user agent.
    pub fn invocation(request_id: impl Into<String>) -> Self {
        Self { request_id: request_id.into(), ..Self::default() }
    }
}

/// An audit event. It is never changed, and is deleted when its retention period ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Distinguishes events of the same millisecond.
    pub id: String,
    pub kind: AuditEventKind,
    pub subject: AuditSubject,
    pub at: Timestamp,
    pub request_id: String,
    /// The pseudonym of the client's address, so that requests from one address can be correlated.
    pub source: Option<String>,
    pub session: Option<SessionId>,
    /// Further details, such as a key id or an operator's reason. Never personal data.
    pub detail: Option<String>,
    /// The earliest time of deletion.
    pub expires_at: Timestamp,
}

impl AuditEvent {
    #[must_use]
    pub const fn in_session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

/// Creates audit events.
#[derive(Debug)]
pub struct AuditLog {
    pepper: hmac::Key,
    retention: Duration,
}

impl AuditLog {
    /// Events are kept for `retention`. Addresses and identifiers are replaced by pseudonyms, keyed by `pepper`: a
    /// holder of that key can still recover them by trying all candidates.
    pub fn new(pepper: &Secret<String>, retention: Duration) -> Self {
        Self { pepper: hmac::Key::new(hmac::HMAC_SHA256, pepper.expose().as_bytes()), retention }
    }

    pub fn event(
        &self,
        kind: AuditEventKind,
        subject: AuditSubject,
        client: &ClientInfo,
        now: Timestamp,
        random: &(impl Random + ?Sized),
    ) -> AuditEvent {
        AuditEvent {
            id: kernel::ids::random_uuid(random).simple().to_string(),
            kind,
            subject,
            at: now,
            request_id: client.request_id.clone(),
            source: client.address.as_ref().map(|address| self.pseudonym(address.expose())),
            session: None,
            detail: None,
            expires_at: now.plus(self.retention),
        }
    }

    /// The subject of an event about an identifier that belongs to no user. Events about the same identifier can be
    /// correlated, but do not reveal it.
    pub fn unknown_identifier(&self, identifier: &Identifier) -> AuditSubject {
        AuditSubject::UnknownIdentifier(self.pseudonym(&format!("{}#{}", identifier.kind(), identifier.as_str())))
    }

    /// The first 128 bits of an HMAC-SHA-256, in hexadecimal.
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
    fn source_address_is_stored_as_keyed_pseudonym() {
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
    fn unknown_identifier_is_stored_as_keyed_pseudonym() {
        let identifier = Identifier::Email(Email::parse("ada@example.com").unwrap());
        let AuditSubject::UnknownIdentifier(hash) = audit_log("pepper").unknown_identifier(&identifier) else {
            panic!()
        };
        assert!(hash.len() == 32 && !hash.contains("ada"));
    }
}
