//! Changing the e-mail address or the phone number.

use contact::{Email, Phone};
use kernel::Timestamp;

use super::active_session::AuthenticatedSession;
use super::error::AccountError;
use super::reauthenticate::{PlannedUpdate, ReauthRequest, Reauthenticate};
use crate::domain::{AuditEventKind, User, UserSession};

/// The change of an optional attribute.
#[derive(Debug, Default)]
pub enum Change<T> {
    #[default]
    Keep,
    Remove,
    Set(T),
}

/// A change of a user's identifiers.
#[derive(Debug)]
pub struct ProfileUpdate {
    /// The new e-mail address; `None` keeps the current one.
    pub email: Option<Email>,
    pub phone: Change<Phone>,
}

impl ProfileUpdate {
    pub const fn new_phone(&self) -> Option<&Phone> {
        if let Change::Set(phone) = &self.phone { Some(phone) } else { None }
    }

    /// Whether the user has these identifiers already.
    pub fn is_noop(&self, user: &User) -> bool {
        self.changed(user).is_none()
    }

    /// Returns the user with the new identifiers, which are unverified, and what has changed.
    fn changed(&self, before: &User) -> Option<(User, &'static str)> {
        let mut user = before.clone();
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
        Some((user, detail))
    }

    fn plan(&self, found: &UserSession, now: Timestamp) -> Option<PlannedUpdate> {
        let (user, detail) = self.changed(&found.user.next_version(now))?;
        let kind = AuditEventKind::IdentifierChanged;
        Some(PlannedUpdate { user, new_hash: None, retained_session: None, kind, detail: Some(detail) })
    }
}

/// Updates the user in two round trips: the check of the password, and the update.
///
/// # Errors
///
/// Those of [`Reauthenticate`].
pub async fn update_profile(
    users: &Reauthenticate,
    request: &ReauthRequest,
    session: AuthenticatedSession,
    update: &ProfileUpdate,
) -> Result<User, AccountError> {
    let user = users.verify_password(request, session.user_session).await?;
    Ok(users.update(request, user, |found, now| update.plan(found, now)).await?.user)
}
