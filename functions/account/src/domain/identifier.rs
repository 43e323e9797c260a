//! What a person signs in by.

use contact::{Email, Phone};

/// An e-mail address or a phone number: it names one person, whoever else has what in common with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identifier {
    /// By e-mail.
    Email(Email),
    /// By phone.
    Phone(Phone),
}

/// Which kind of identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentifierKind {
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
}

impl IdentifierKind {
    /// Its name in requests and in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
        }
    }
}

impl Identifier {
    /// Which kind it is.
    pub const fn kind(&self) -> IdentifierKind {
        match self {
            Self::Email(_) => IdentifierKind::Email,
            Self::Phone(_) => IdentifierKind::Phone,
        }
    }

    /// The address or the number.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Email(email) => email.as_str(),
            Self::Phone(phone) => phone.as_str(),
        }
    }
}
