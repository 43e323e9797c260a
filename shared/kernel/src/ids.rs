//! Typed ids: a user id cannot be passed where a session id is expected.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Random, Timestamp};

/// The text is not a canonical UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID in its canonical form, such as 0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b")]
pub struct InvalidId;

/// Generates a random UUID (RFC 9562, version 4).
pub fn random_uuid(random: &(impl Random + ?Sized)) -> Uuid {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// Generates a UUID whose canonical form sorts by time, to the millisecond (RFC 9562, version 7).
fn time_ordered_uuid(time: Timestamp, random: &(impl Random + ?Sized)) -> Uuid {
    let mut bytes = [0; 10];
    random.fill(&mut bytes);
    let millis = u64::try_from(time.unix_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
}

/// Parses a UUID in its canonical form only, so that an id has one spelling.
///
/// # Errors
/// [`InvalidId`] for anything else: upper case, braces, no hyphens.
pub fn parse_uuid(text: &str) -> Result<Uuid, InvalidId> {
    let id = Uuid::try_parse(text).map_err(|_| InvalidId)?;
    if id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text { Ok(id) } else { Err(InvalidId) }
}

/// Defines an id type that wraps a UUID.
#[macro_export]
macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, utoipa::ToSchema)]
        #[schema(value_type = String, format = "uuid", example = "0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b")]
        pub struct $name(uuid::Uuid);

        impl $name {
            /// Generates a random id.
            pub fn random(random: &(impl $crate::Random + ?Sized)) -> Self {
                Self($crate::ids::random_uuid(random))
            }

            /// Parses the canonical form.
            ///
            /// # Errors
            /// [`InvalidId`]($crate::ids::InvalidId) if the text is not a canonical UUID.
            pub fn parse(text: &str) -> Result<Self, $crate::ids::InvalidId> {
                $crate::ids::parse_uuid(text).map(Self)
            }

            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(uuid::Uuid::from_bytes(bytes))
            }

            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

uuid_id! {
    /// The id of a user.
    UserId
}

uuid_id! {
    /// The id of a session, from sign-in to sign-out or expiry: the `sid` claim of its tokens.
    SessionId
}

impl SessionId {
    /// Generates the id of a session that starts now. The sessions of a user sort by their start.
    pub fn starting_at(time: Timestamp, random: &(impl Random + ?Sized)) -> Self {
        Self(time_ordered_uuid(time, random))
    }
}

/// The id of a signing key: the `kid` of RFC 7515, here the key's RFC 7638 thumbprint.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(String);

impl KeyId {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededRandom;

    #[test]
    fn id_round_trips_through_text() {
        let id = UserId::random(&SeededRandom::new(7));
        assert_eq!(UserId::parse(&id.to_string()), Ok(id));
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{id}\""));
    }

    #[test]
    fn session_ids_sort_by_their_start() {
        let random = SeededRandom::new(7);
        let start = Timestamp::parse("2026-01-31T12:00:00Z").unwrap();
        let ids: Vec<_> = (0..1000)
            .map(|millis| {
                SessionId::starting_at(start.plus(std::time::Duration::from_millis(millis)), &random).to_string()
            })
            .collect();
        assert!(ids.is_sorted() && ids.iter().all(|id| SessionId::parse(id).is_ok()));
    }

    #[test]
    fn non_canonical_uuid_is_rejected() {
        for text in ["", "x", "0190A1B2-5C3D-4E6F-8A7B-9C0D1E2F3A4B", "0190a1b25c3d4e6f8a7b9c0d1e2f3a4b"] {
            assert_eq!(UserId::parse(text), Err(InvalidId), "{text}");
        }
    }
}
