//! Standard Webhooks: signing messages, and verifying that they are authentic and recent
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).
//! A message is signed with HMAC-SHA256 over `id.timestamp.body` and has three headers: [`ID`], [`TIMESTAMP`] and
//! [`SIGNATURE`]. It may have several signatures, and a receiver may accept several secrets, so that either side can rotate
//! its secret.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kernel::Timestamp;
use ring::hmac::{self, HMAC_SHA256, Key};

/// The header with the message id, which is the same for every delivery of the message.
pub const ID: &str = "webhook-id";
/// The header with the time of this delivery in Unix seconds.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the space-separated signatures, each `v1,<base64>`.
pub const SIGNATURE: &str = "webhook-signature";

/// The maximum difference between the time of delivery and the current time, either way.
pub const TOLERANCE: Duration = Duration::from_mins(5);

/// The minimum length of a secret in bytes.
const SHORTEST_SECRET_BYTES: usize = 24;
const VERSION: &str = "v1,";

/// A secret shared by sender and receiver. `Debug` is redacted.
#[derive(Clone)]
pub struct WebhookSecret(Key);

/// The text is not a valid secret. The message does not quote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a webhook secret must be the base64 of at least 24 bytes, with or without whsec_ before it")]
pub struct InvalidSecret;

impl WebhookSecret {
    /// Parses base64, with or without the prefix `whsec_`. White space around it is ignored, such as the newline at the end
    /// of a file.
    ///
    /// # Errors
    /// [`InvalidSecret`] for anything else, or fewer than 24 bytes.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let text = text.trim();
        let encoded = text.strip_prefix("whsec_").unwrap_or(text);
        let bytes = STANDARD.decode(encoded).map_err(|_| InvalidSecret)?;
        if bytes.len() < SHORTEST_SECRET_BYTES {
            return Err(InvalidSecret);
        }
        Ok(Self(Key::new(HMAC_SHA256, &bytes)))
    }

    /// Returns the signature of a message in its header format.
    pub fn sign(&self, id: &str, sent_at: Timestamp, body: &[u8]) -> String {
        let tag = hmac::sign(&self.0, &signed_content(id, &sent_at.unix_seconds().to_string(), body));
        format!("{VERSION}{}", STANDARD.encode(tag))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// The three headers of a message, as received.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a> {
    pub id: Option<&'a str>,
    pub timestamp: Option<&'a str>,
    pub signature: Option<&'a str>,
}

/// Why a message was rejected. The messages are for the log; the sender learns only that it was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("header {0} is missing")]
    MissingHeader(&'static str),
    #[error("delivery time is not a number")]
    InvalidTimestamp,
    /// A replay, or a wrong clock.
    #[error("delivery time differs by more than five minutes")]
    OutsideTolerance,
    #[error("no signature matches")]
    WrongSignature,
}

/// Verifies that a message was signed with one of the secrets and is recent. Signatures are compared in constant time.
/// Returns the message id.
///
/// # Errors
/// [`Rejection`] if the message is not authentic or not recent.
pub fn verify<'a>(
    secrets: &[WebhookSecret],
    headers: Headers<'a>,
    body: &[u8],
    now: Timestamp,
) -> Result<&'a str, Rejection> {
    let present =
        |value: Option<&'a str>, name| value.filter(|text| !text.is_empty()).ok_or(Rejection::MissingHeader(name));
    let id = present(headers.id, ID)?;
    let timestamp = present(headers.timestamp, TIMESTAMP)?;
    let signatures = present(headers.signature, SIGNATURE)?;
    let sent_at = timestamp.parse().ok().and_then(|seconds| Timestamp::from_unix_seconds(seconds).ok());
    let sent_at = sent_at.ok_or(Rejection::InvalidTimestamp)?;
    if now > sent_at.plus(TOLERANCE) || sent_at > now.plus(TOLERANCE) {
        return Err(Rejection::OutsideTolerance);
    }
    let content = signed_content(id, timestamp, body);
    let tags = signatures.split(' ').filter_map(|signature| signature.strip_prefix(VERSION));
    let tags: Vec<Vec<u8>> = tags.filter_map(|tag| STANDARD.decode(tag).ok()).collect();
    let matches = |secret: &WebhookSecret| tags.iter().any(|tag| hmac::verify(&secret.0, &content, tag).is_ok());
    if secrets.iter().any(matches) { Ok(id) } else { Err(Rejection::WrongSignature) }
}

fn signed_content(id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn secret(text: &str) -> WebhookSecret {
        WebhookSecret::parse(text).unwrap()
    }

    fn ours() -> WebhookSecret {
        secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    }

    fn now() -> Timestamp {
        Timestamp::from_unix_seconds(1_614_265_330).unwrap()
    }

    /// A test vector of the specification.
    const SIGNED: Headers<'_> = Headers {
        id: Some("msg_p5jXN8AQM9LWM0D4loKWxJek"),
        timestamp: Some("1614265330"),
        signature: Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    };

    #[test]
    fn signature_matches_the_specification_vector() {
        assert_eq!(Some(ours().sign(SIGNED.id.unwrap(), now(), BODY).as_str()), SIGNED.signature);
        assert_eq!(verify(&[ours()], SIGNED, BODY, now()), Ok("msg_p5jXN8AQM9LWM0D4loKWxJek"));
    }

    #[test]
    fn white_space_around_a_secret_is_ignored() {
        let signature = ours().sign("m", now(), BODY);
        for text in ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", " MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\r\n"] {
            assert_eq!(secret(text).sign("m", now(), BODY), signature, "{text:?}");
        }
    }

    #[test]
    fn message_matching_any_secret_is_accepted() {
        let next = secret("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
        assert!(verify(&[next.clone(), ours()], SIGNED, BODY, now()).is_ok());
        let both =
            format!("v1a,asymmetric v1,not-base64! {} {}", next.sign("m", now(), BODY), SIGNED.signature.unwrap());
        let headers = Headers { signature: Some(&both), ..SIGNED };
        assert!(verify(&[ours()], headers, BODY, now()).is_ok());
    }

    #[test]
    fn tampered_message_is_rejected() {
        let other = secret("C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
        for (secrets, headers, body) in [
            (vec![ours()], SIGNED, &b"{}"[..]),
            (vec![ours()], Headers { id: Some("msg_other"), ..SIGNED }, BODY),
            (vec![ours()], Headers { timestamp: Some("1614265331"), ..SIGNED }, BODY),
            (vec![ours()], Headers { signature: Some("v1,"), ..SIGNED }, BODY),
            (
                vec![ours()],
                Headers { signature: Some("v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="), ..SIGNED },
                BODY,
            ),
            (vec![other], SIGNED, BODY),
            (vec![], SIGNED, BODY),
        ] {
            assert_eq!(verify(&secrets, headers, body, now()), Err(Rejection::WrongSignature), "{headers:?}");
        }
    }

    #[test]
    fn message_is_valid_for_five_minutes_either_way() {
        let (minutes, second) = (TOLERANCE, Duration::from_secs(1));
        assert!(verify(&[ours()], SIGNED, BODY, now().plus(minutes)).is_ok());
        let late = verify(&[ours()], SIGNED, BODY, now().plus(minutes + second));
        assert_eq!(late, Err(Rejection::OutsideTolerance));
        let future = now().plus(minutes + second);
        let timestamp = future.unix_seconds().to_string();
        let signature = ours().sign("m", future, BODY);
        let headers = Headers { id: Some("m"), timestamp: Some(&timestamp), signature: Some(&signature) };
        assert_eq!(verify(&[ours()], headers, BODY, now()), Err(Rejection::OutsideTolerance));
        assert_eq!(verify(&[ours()], headers, BODY, now().plus(second)), Ok("m"));
    }

    #[test]
    fn missing_header_is_rejected() {
        for (headers, missing) in [
            (Headers { id: None, ..SIGNED }, ID),
            (Headers { timestamp: Some(""), ..SIGNED }, TIMESTAMP),
            (Headers { signature: None, ..SIGNED }, SIGNATURE),
        ] {
            assert_eq!(verify(&[ours()], headers, BODY, now()), Err(Rejection::MissingHeader(missing)));
        }
        for text in ["soon", "1614265330.5", "99999999999999999999", "9999999999999"] {
            let headers = Headers { timestamp: Some(text), ..SIGNED };
            assert_eq!(verify(&[ours()], headers, BODY, now()), Err(Rejection::InvalidTimestamp), "{text}");
        }
    }

    #[test]
    fn short_secret_is_rejected_and_debug_is_redacted() {
        for text in ["", "whsec_", "whsec_c2hvcnQ=", "not base64 at all, though long enough!"] {
            assert_eq!(WebhookSecret::parse(text).err(), Some(InvalidSecret), "{text}");
        }
        assert_eq!(format!("{:?}", ours()), "[secret]");
    }
}
