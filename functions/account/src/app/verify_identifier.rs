//! Verifying identifiers: `POST /auth/verifications` and `POST /auth/verifications/confirm`.

use kernel::{Clock, Random, Timestamp};

use crate::app::error::AccountError;
use crate::domain::verification_code::{CODE_LIFETIME, Code, CodeHash};
use crate::domain::{
    AuditEvent, AuditEventKind, AuditLog, AuditSubject, ClientInfo, Identifier, IdentifierKind, Revoked, User,
    UserSession,
};
use crate::notify::SendCode;
use crate::store::{
    AppendAuditEvent, CountCodeAttempt, FindCodeHistory, NewCode, StoreCode, StoreCodeOutcome, StoreError, UserUpdate,
    VerifyIdentifier, VerifyOutcome,
};

/// The maximum number of attempts in case of concurrent writes.
const MAX_ATTEMPTS: usize = 3;

#[derive(Debug)]
pub struct SendVerification<S, D, R, C> {
    pub codes: S,
    pub delivery: D,
    pub audit_log: AuditLog,
    pub random: R,
    pub clock: C,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    pub expires_at: Timestamp,
    /// The earliest time for another code.
    pub resend_after: Timestamp,
}

#[derive(Debug)]
pub struct ConfirmVerification<S, R, C> {
    pub users: S,
    pub audit_log: AuditLog,
    pub random: R,
    pub clock: C,
}

impl<S, D, R, C> SendVerification<S, D, R, C>
where
    S: FindCodeHistory + StoreCode,
    D: SendCode,
    R: Random,
    C: Clock,
{
    /// Sends a verification code, which replaces the previous one.
    /// The code is stored before it is sent: a sent code can always be confirmed, and a failed delivery counts, so that a failing
    /// service is not called repeatedly.
    /// # Errors
    /// [`AccountError::NoSuchIdentifier`] if the user has no such identifier, [`AccountError::AlreadyVerified`],
    /// [`AccountError::CodeSentRecently`], or [`AccountError::CodeNotSent`].
    pub async fn send(&self, user: &User, kind: IdentifierKind, caller: &ClientInfo) -> Result<Sent, AccountError> {
        let now = self.clock.now();
        let address = unverified(user, kind)?.ok_or(AccountError::NoSuchIdentifier(kind))?;
        let mut sent_before = self.codes.find_code_history(user.id, kind).await?;
        let mut sent = sent_before.with_code_sent_at(now).map_err(AccountError::CodeSentRecently)?;
        let code = Code::random(&self.random);
        let hash = CodeHash::new(&code, &address, &self.random)?;
        let expires_at = now.plus(CODE_LIFETIME);
        let record =
            self.audit_log.event(AuditEventKind::CodeSent, AuditSubject::User(user.id), caller, now, &self.random);
        let record = record.with_detail(format!("by {}", kind.name()));
        for _ in 0..MAX_ATTEMPTS {
            let new = NewCode { user: user.id, kind, history: &sent, hash: &hash, expires_at, event: &record };
            match self.codes.store_code(new).await? {
                StoreCodeOutcome::Stored => {
                    let resend_after = sent.next_at(now);
                    if let Err(reason) = self.delivery.send_code(&address, &code).await {
                        return Err(AccountError::CodeNotSent { reason, resend_after: now.until(resend_after) });
                    }
                    return Ok(Sent { expires_at, resend_after });
                }
                StoreCodeOutcome::VersionConflict(codes) => sent_before = codes,
            }
            sent = sent_before.with_code_sent_at(now).map_err(AccountError::CodeSentRecently)?;
        }
        Err(StoreError::Unavailable("others kept sending codes".to_owned()).into())
    }
}

impl<S, R, C> ConfirmVerification<S, R, C>
where
    S: CountCodeAttempt + VerifyIdentifier + AppendAuditEvent,
    R: Random,
    C: Clock,
{
    /// Verifies the identifier if the code is the one that was sent to it. Returns the updated user. The attempt is counted
    /// before the code is checked. `epoch` is that of the access token.
    /// # Errors
    /// [`AccountError::InvalidCode`] for every reason to reject the code; [`AccountError::AlreadyVerified`];
    /// [`AccountError::Revoked`] if the token has been revoked.
    pub async fn confirm(
        &self,
        who: UserSession,
        epoch: u64,
        kind: IdentifierKind,
        code: &Code,
        caller: &ClientInfo,
    ) -> Result<User, AccountError> {
        let now = self.clock.now();
        let UserSession { mut user, session } = who;
        let address = unverified(&user, kind)?.ok_or(AccountError::InvalidCode)?;
        let attempt = self.users.count_code_attempt(user.id, kind, now).await?;
        let attempt = attempt.ok_or(AccountError::InvalidCode)?;
        let record = |kind_of_record, detail: String| -> AuditEvent {
            let subject = AuditSubject::User(user.id);
            let record = self.audit_log.event(kind_of_record, subject, caller, now, &self.random);
            record.in_session(session.id).with_detail(detail)
        };
        if !attempt.hash.matches(code, &address) {
            let refused = record(AuditEventKind::CodeRefused, format!("attempt {} by {}", attempt.number, kind.name()));
            self.users.append_audit_event(&refused).await?;
            return Err(AccountError::InvalidCode);
        }
        let verified = record(AuditEventKind::IdentifierVerified, kind.name().to_owned());
        for _ in 0..MAX_ATTEMPTS {
            let after = user.next_version(now).with_verified(kind);
            let change = UserUpdate {
                before: &user,
                after: &after,
                password_hash: None,
                reset_failed_attempts: false,
                retained_session: None,
                event: &verified,
            };
            match self.users.verify_identifier(change, kind, &attempt.hash).await? {
                VerifyOutcome::Verified => return Ok(after),
                VerifyOutcome::CodeExpired => return Err(AccountError::InvalidCode),
                VerifyOutcome::VersionConflict(None) => return Err(Revoked::SessionNotFound.into()),
                VerifyOutcome::VersionConflict(Some(changed)) => {
                    let who = UserSession { user: *changed, session: session.clone() };
                    who.authorize(epoch, now)?;
                    // A code is valid only for the address it was sent to.
                    if unverified(&who.user, kind)?.as_ref() != Some(&address) {
                        return Err(AccountError::InvalidCode);
                    }
                    user = who.user;
                }
            }
        }
        Err(AccountError::UserKeptChanging)
    }
}

fn unverified(user: &User, kind: IdentifierKind) -> Result<Option<Identifier>, AccountError> {
    let identifier = user.identifier(kind);
    if identifier.is_some() && user.has_verified(kind) {
        return Err(AccountError::AlreadyVerified(kind));
    }
    Ok(identifier)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use contact::Email;
    use kernel::UserId;
    use kernel::testing::FixedClock;
    use kernel::testing::SeededRandom;

    use super::*;
    use crate::domain::verification_code::{CODE_INTERVAL, CodeHistory};
    use crate::domain::{UserStatus, hash_computations};
    use crate::notify::DeliveryError;
    use crate::store::CodeAttempt;
    use crate::testing::sessions::session;
    use crate::testing::{ada, audit_log, now};

    const EMAIL: IdentifierKind = IdentifierKind::Email;

    fn code() -> Code {
        Code::parse("012345").unwrap()
    }

    /// What was sent so far, what keeping a code comes to, and what was kept.
    #[derive(Default)]
    struct Codes {
        sent: CodeHistory,
        outcomes: Mutex<VecDeque<StoreCodeOutcome>>,
        kept: Mutex<Vec<(IdentifierKind, CodeHash, Timestamp, AuditEvent)>>,
    }

    impl FindCodeHistory for Codes {
        async fn find_code_history(&self, user: UserId, _kind: IdentifierKind) -> Result<CodeHistory, StoreError> {
            assert_eq!(user, ada().id);
            Ok(self.sent.clone())
        }
    }

    impl StoreCode for Codes {
        async fn store_code(&self, new: NewCode<'_>) -> Result<StoreCodeOutcome, StoreError> {
            let outcome = self.outcomes.lock().unwrap().pop_front().unwrap_or(StoreCodeOutcome::Stored);
            if outcome == StoreCodeOutcome::Stored {
                self.kept.lock().unwrap().push((new.kind, new.hash.clone(), new.expires_at, new.event.clone()));
            }
            Ok(outcome)
        }
    }

    /// Remembers what it was given to send, or refuses.
    #[derive(Default)]
    struct Post {
        sent: Mutex<Vec<(Identifier, Code)>>,
        refuses: Option<DeliveryError>,
    }

    impl SendCode for Post {
        async fn send_code(&self, to: &Identifier, code: &Code) -> Result<(), DeliveryError> {
            self.sent.lock().unwrap().push((to.clone(), code.clone()));
            self.refuses.clone().map_or(Ok(()), Err)
        }
    }

    fn sender(codes: Codes, delivery: Post) -> SendVerification<Codes, Post, SeededRandom, FixedClock> {
        SendVerification {
            codes,
            delivery,
            audit_log: audit_log(),
            random: SeededRandom::new(1),
            clock: FixedClock(now()),
        }
    }

    async fn send(
        sender: &SendVerification<Codes, Post, SeededRandom, FixedClock>,
        user: &User,
        kind: IdentifierKind,
    ) -> Result<Sent, AccountError> {
        sender.send(user, kind, &ClientInfo::invocation("r-1")).await
    }

    #[tokio::test]
    async fn the_code_that_is_sent_is_the_one_that_is_kept_and_only_as_a_hash() {
        for address in ada().identifiers() {
            let sender = sender(Codes::default(), Post::default());
            let sent = send(&sender, &ada(), address.kind()).await.unwrap();
            let expected = Sent { expires_at: now().plus(CODE_LIFETIME), resend_after: now().plus(CODE_INTERVAL) };
            assert_eq!(sent, expected);
            let posted = sender.delivery.sent.into_inner().unwrap();
            let kept = sender.codes.kept.into_inner().unwrap();
            let ([(to, code)], [(kind, hash, expires_at, record)]) = (&posted[..], &kept[..]) else { panic!() };
            assert_eq!((to, *kind, *expires_at), (&address, address.kind(), expected.expires_at));
            assert!(hash.matches(code, &address));
            assert_eq!(record.kind, AuditEventKind::CodeSent);
            assert!(!format!("{record:?}").contains(code.expose()));
        }
    }

    #[tokio::test]
    async fn who_has_no_phone_or_has_verified_it_is_sent_nothing() {
        let nobody = sender(Codes::default(), Post::default());
        let phoneless = User { phone: None, ..ada() };
        let outcome = send(&nobody, &phoneless, IdentifierKind::Phone).await;
        assert!(matches!(outcome, Err(AccountError::NoSuchIdentifier(IdentifierKind::Phone))));
        let verified = ada().with_verified(EMAIL);
        assert!(matches!(send(&nobody, &verified, EMAIL).await, Err(AccountError::AlreadyVerified(EMAIL))));
        assert!(nobody.codes.kept.into_inner().unwrap().is_empty());
        assert!(nobody.delivery.sent.into_inner().unwrap().is_empty());
    }

    #[tokio::test]
    async fn too_soon_after_the_last_code_nothing_is_hashed_kept_or_sent() {
        let sent = CodeHistory { version: 1, times: vec![now()] };
        let sender = sender(Codes { sent, ..Codes::default() }, Post::default());
        let before = hash_computations();
        let outcome = send(&sender, &ada(), EMAIL).await;
        assert!(matches!(outcome, Err(AccountError::CodeSentRecently(CODE_INTERVAL))));
        assert_eq!(hash_computations(), before);
        assert!(sender.delivery.sent.into_inner().unwrap().is_empty());
    }

    #[tokio::test]
    async fn who_was_sent_a_code_at_the_same_moment_is_sent_no_second_one() {
        let meanwhile = CodeHistory { version: 1, times: vec![now()] };
        let codes =
            Codes { outcomes: Mutex::new([StoreCodeOutcome::VersionConflict(meanwhile)].into()), ..Codes::default() };
        let sender = sender(codes, Post::default());
        let outcome = send(&sender, &ada(), EMAIL).await;
        assert!(matches!(outcome, Err(AccountError::CodeSentRecently(CODE_INTERVAL))));
        assert!(sender.delivery.sent.into_inner().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_code_that_could_not_be_sent_stays_and_the_next_one_has_to_wait() {
        let refuses = Some(DeliveryError::because("Throttled"));
        let sender = sender(Codes::default(), Post { refuses, ..Post::default() });
        let outcome = send(&sender, &ada(), EMAIL).await;
        assert!(matches!(&outcome, Err(AccountError::CodeNotSent { resend_after: CODE_INTERVAL, .. })), "{outcome:?}");
        assert_eq!(sender.codes.kept.into_inner().unwrap().len(), 1);
    }

    /// A code that was sent to Ada, and what verifying comes to.
    struct FakeUserStore {
        attempt: Option<CodeAttempt>,
        outcomes: Mutex<VecDeque<VerifyOutcome>>,
        changes: Mutex<Vec<(User, User)>>,
        recorded: Mutex<Vec<AuditEvent>>,
    }

    impl FakeUserStore {
        fn with_code(outcomes: impl IntoIterator<Item = VerifyOutcome>) -> Self {
            let address = Identifier::Email(ada().email);
            let hash = CodeHash::new(&code(), &address, &SeededRandom::new(1)).unwrap();
            Self {
                attempt: Some(CodeAttempt { hash, number: 3 }),
                outcomes: Mutex::new(outcomes.into_iter().collect()),
                changes: Mutex::default(),
                recorded: Mutex::default(),
            }
        }

        fn without_code() -> Self {
            Self { attempt: None, ..Self::with_code([]) }
        }
    }

    impl CountCodeAttempt for FakeUserStore {
        async fn count_code_attempt(
            &self,
            user: UserId,
            _kind: IdentifierKind,
            _now: Timestamp,
        ) -> Result<Option<CodeAttempt>, StoreError> {
            assert_eq!(user, ada().id);
            Ok(self.attempt.clone())
        }
    }

    impl VerifyIdentifier for FakeUserStore {
        async fn verify_identifier(
            &self,
            change: UserUpdate<'_>,
            _kind: IdentifierKind,
            hash: &CodeHash,
        ) -> Result<VerifyOutcome, StoreError> {
            assert_eq!(Some(hash), self.attempt.as_ref().map(|attempt| &attempt.hash));
            self.changes.lock().unwrap().push((change.before.clone(), change.after.clone()));
            let outcome = self.outcomes.lock().unwrap().pop_front().unwrap_or(VerifyOutcome::Verified);
            if outcome == VerifyOutcome::Verified {
                self.append_audit_event(change.event).await?;
            }
            Ok(outcome)
        }
    }

    impl AppendAuditEvent for FakeUserStore {
        async fn append_audit_event(&self, record: &AuditEvent) -> Result<(), StoreError> {
            self.recorded.lock().unwrap().push(record.clone());
            Ok(())
        }
    }

    /// What came of it, the changes that were tried, and the kinds of what was written down.
    async fn confirm(
        users: FakeUserStore,
        user: User,
        kind: IdentifierKind,
        code: &str,
    ) -> (Result<User, AccountError>, Vec<(User, User)>, Vec<AuditEventKind>) {
        let confirm = ConfirmVerification {
            users,
            audit_log: audit_log(),
            random: SeededRandom::new(1),
            clock: FixedClock(now()),
        };
        let who = UserSession { user, session: session(2) };
        let outcome = confirm.confirm(who, 0, kind, &Code::parse(code).unwrap(), &ClientInfo::invocation("r-1")).await;
        let recorded = confirm.users.recorded.into_inner().unwrap().iter().map(|record| record.kind).collect();
        (outcome, confirm.users.changes.into_inner().unwrap(), recorded)
    }

    fn is_now(user: User) -> VerifyOutcome {
        VerifyOutcome::VersionConflict(Some(Box::new(user)))
    }

    #[tokio::test]
    async fn the_code_that_was_sent_verifies_the_address_in_the_next_version() {
        let (outcome, changes, recorded) = confirm(FakeUserStore::with_code([]), ada(), EMAIL, "012345").await;
        let after = User { version: 2, email_verified: true, ..ada() };
        assert_eq!(outcome.unwrap(), after);
        assert_eq!((changes, recorded), (vec![(ada(), after)], vec![AuditEventKind::IdentifierVerified]));
    }

    #[tokio::test]
    async fn a_wrong_code_costs_one_hash_is_written_down_and_changes_nothing() {
        let users = FakeUserStore::with_code([]);
        let before = hash_computations();
        let (outcome, changes, recorded) = confirm(users, ada(), EMAIL, "012346").await;
        assert!(matches!(outcome, Err(AccountError::InvalidCode)));
        assert_eq!((changes, recorded), (Vec::new(), vec![AuditEventKind::CodeRefused]));
        assert_eq!(hash_computations(), before + 1);
    }

    #[tokio::test]
    async fn without_a_code_that_may_be_tried_nothing_is_hashed() {
        let users = FakeUserStore::without_code();
        let before = hash_computations();
        let (outcome, changes, recorded) = confirm(users, ada(), EMAIL, "012345").await;
        assert!(matches!(outcome, Err(AccountError::InvalidCode)));
        assert_eq!((changes.len(), recorded.len(), hash_computations()), (0, 0, before));
    }

    #[tokio::test]
    async fn a_code_says_nothing_of_another_address_than_it_was_sent_to() {
        let moved = User { email: Email::parse("ada@example.org").unwrap(), ..ada() };
        let (outcome, changes, _) = confirm(FakeUserStore::with_code([]), moved.clone(), EMAIL, "012345").await;
        assert!(matches!(outcome, Err(AccountError::InvalidCode)) && changes.is_empty());
        let (outcome, changes, _) = confirm(FakeUserStore::with_code([]), ada(), IdentifierKind::Phone, "012345").await;
        assert!(matches!(outcome, Err(AccountError::InvalidCode)) && changes.is_empty());
        // Nor if the address changes at the same moment.
        let users = FakeUserStore::with_code([is_now(User { version: 2, ..moved })]);
        let (outcome, changes, recorded) = confirm(users, ada(), EMAIL, "012345").await;
        assert!(matches!(outcome, Err(AccountError::InvalidCode)));
        assert_eq!((changes.len(), recorded.len()), (1, 0));
    }

    #[tokio::test]
    async fn a_person_who_changes_otherwise_is_verified_as_they_are_now() {
        let user = User { version: 7, phone: None, ..ada() };
        let (outcome, changes, _) =
            confirm(FakeUserStore::with_code([is_now(user.clone())]), ada(), EMAIL, "012345").await;
        let after = User { version: 8, email_verified: true, ..user.clone() };
        assert_eq!(outcome.unwrap(), after);
        assert_eq!(changes[1], (user, after));
    }

    #[tokio::test]
    async fn whoever_verified_it_before_is_told_so_however_close_in_time() {
        let verified = User { version: 2, ..ada().with_verified(EMAIL) };
        let (outcome, changes, _) = confirm(FakeUserStore::with_code([]), verified.clone(), EMAIL, "012345").await;
        assert!(matches!(outcome, Err(AccountError::AlreadyVerified(EMAIL))) && changes.is_empty());
        let (outcome, ..) = confirm(FakeUserStore::with_code([is_now(verified)]), ada(), EMAIL, "012345").await;
        assert!(matches!(outcome, Err(AccountError::AlreadyVerified(EMAIL))));
    }

    #[tokio::test]
    async fn who_is_suspended_revoked_or_deleted_at_the_same_moment_verifies_nothing() {
        let suspended = User { version: 2, status: UserStatus::Suspended, ..ada() };
        let revoked = User { version: 2, epoch: 1, ..ada() };
        for outcome in [is_now(suspended), is_now(revoked), VerifyOutcome::VersionConflict(None)] {
            let (outcome, changes, _) = confirm(FakeUserStore::with_code([outcome]), ada(), EMAIL, "012345").await;
            assert!(matches!(outcome, Err(AccountError::Revoked(_))));
            assert_eq!(changes.len(), 1);
        }
    }

    #[tokio::test]
    async fn a_code_that_another_replaces_at_the_same_moment_is_refused_and_one_who_keeps_changing_is_given_up() {
        let (outcome, ..) =
            confirm(FakeUserStore::with_code([VerifyOutcome::CodeExpired]), ada(), EMAIL, "012345").await;
        assert!(matches!(outcome, Err(AccountError::InvalidCode)));
        let restless = (2..).map(|version| is_now(User { version, ..ada() })).take(MAX_ATTEMPTS);
        let (outcome, ..) = confirm(FakeUserStore::with_code(restless), ada(), EMAIL, "012345").await;
        assert!(matches!(outcome, Err(AccountError::UserKeptChanging)));
    }
}
