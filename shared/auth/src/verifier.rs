//! Verification of access tokens with cached public keys.

use std::collections::HashMap;
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cache::Cached;
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use kernel::{Clock, KeyId, Timestamp};

use crate::verified_tokens::{TokenDigest, VerifiedToken, VerifiedTokens, VerifyingKey};
use crate::{Claims, Principal, TOKEN_TYPE, install_crypto};

/// The minimum interval between loads for unknown key ids. Forged key ids cost at most one query per interval and execution
/// environment, and a new key is accepted within it.
pub const RELOAD_INTERVAL: Duration = Duration::from_secs(5);

/// The maximum age of cached keys, and so the time for which a retired key may still be accepted.
pub const MAX_AGE: Duration = Duration::from_mins(10);

/// The public half of a signing key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    pub kid: KeyId,
    /// The 32 bytes in base64url without padding.
    pub x: String,
}

/// The public keys could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("loading the public keys failed: {0}")]
pub struct LoadKeysError(pub String);

/// A source of public keys.
pub trait LoadKeys {
    /// Returns every public key that may have signed an unexpired token. MUST fail rather than return a subset.
    fn load_keys(&self) -> impl Future<Output = Result<Vec<PublicKey>, LoadKeysError>> + Send;
}

impl<L: LoadKeys + Sync> LoadKeys for &L {
    fn load_keys(&self) -> impl Future<Output = Result<Vec<PublicKey>, LoadKeysError>> + Send {
        (**self).load_keys()
    }
}

/// Why a token was rejected. The messages are for the log; the client learns only that it is not authenticated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Not an access token, not signed by one of our keys, or for another audience.
    #[error("invalid token: {0}")]
    Invalid(String),
    #[error("token expired at {0}")]
    Expired(Timestamp),
    /// The token could not be verified at the moment.
    #[error(transparent)]
    Unavailable(#[from] LoadKeysError),
}

type KeysById = Arc<HashMap<String, Arc<VerifyingKey>>>;

/// Verifies access tokens without a round trip, with public keys held in memory. The signature of a token is verified at
/// its first use; its key and its expiry are checked at each.
pub struct Verifier<L> {
    validation: Validation,
    source: L,
    clock: Arc<dyn Clock + Send + Sync>,
    keys: Cached<KeysById, LoadKeysError>,
    verified: VerifiedTokens,
}

impl<L: LoadKeys + Sync> Verifier<L> {
    /// Creates a verifier for tokens of this issuer and audience. Call [`warm_up`](Self::warm_up) during init.
    pub fn new(issuer: &str, audience: &str, source: L, clock: impl Clock + Send + Sync + 'static) -> Self {
        install_crypto();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        // Checked below against the injected clock.
        validation.validate_exp = false;
        Self {
            validation,
            source,
            clock: Arc::new(clock),
            keys: Cached::new(MAX_AGE, RELOAD_INTERVAL),
            verified: VerifiedTokens::default(),
        }
    }

    /// Loads the keys before the first token, which also opens the connection. If that fails, the first token retries it.
    pub async fn warm_up(&self) {
        if let Err(error) = self.keys.refresh(self.clock.now(), || self.load()).await {
            tracing::warn!(%error, "loading the public keys during init failed");
        }
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// [`Rejection`] if it is not valid.
    pub async fn verify(&self, token: &str) -> Result<Principal, Rejection> {
        let digest = TokenDigest::of(token);
        match self.verified_before(digest).await? {
            Some(principal) => Ok(principal),
            None => Ok(self.read(token, digest).await?.1),
        }
    }

    /// Verifies a token and returns all of its claims.
    ///
    /// # Errors
    /// [`Rejection`] if it is not valid.
    pub async fn claims(&self, token: &str) -> Result<Claims, Rejection> {
        let digest = TokenDigest::of(token);
        if self.verified_before(digest).await?.is_none() {
            return Ok(self.read(token, digest).await?.0);
        }
        // The digest is that of the token whose signature was verified, so these are the claims that were signed.
        insecure_decode_claims(token).map_err(invalid)
    }

    /// Returns the principal of a token that has been verified, if its key has not changed since.
    async fn verified_before(&self, digest: TokenDigest) -> Result<Option<Principal>, Rejection> {
        let Some(VerifiedToken { key, principal }) = self.verified.get(digest) else { return Ok(None) };
        if self.key(key.public.kid.as_str()).await?.public != key.public {
            return Ok(None);
        }
        self.unexpired(principal.expires_at)?;
        Ok(Some(principal))
    }

    async fn read(&self, token: &str, digest: TokenDigest) -> Result<(Claims, Principal), Rejection> {
        let header = jsonwebtoken::decode_header(token).map_err(invalid)?;
        if header.alg != Algorithm::EdDSA {
            return Err(Rejection::Invalid(format!("algorithm {:?} instead of EdDSA", header.alg)));
        }
        if !header.typ.is_some_and(|typ| typ.eq_ignore_ascii_case(TOKEN_TYPE)) {
            return Err(Rejection::Invalid(format!("type is not {TOKEN_TYPE}")));
        }
        let kid = header.kid.ok_or_else(|| Rejection::Invalid("no key id".to_owned()))?;
        let key = self.key(&kid).await?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key.decoding, &self.validation).map_err(invalid)?.claims;
        let expires_at = Timestamp::from_unix_seconds(claims.exp).map_err(invalid)?;
        self.unexpired(expires_at)?;
        let principal = Principal {
            user_id: claims.sub,
            session_id: claims.sid,
            epoch: claims.epoch,
            issued_at: Timestamp::from_unix_seconds(claims.iat).map_err(invalid)?,
            expires_at,
            email_verified: claims.email_verified,
            phone_verified: claims.phone_number_verified,
        };
        self.verified.insert(digest, VerifiedToken { key, principal });
        Ok((claims, principal))
    }

    fn unexpired(&self, expires_at: Timestamp) -> Result<(), Rejection> {
        if self.clock.now() >= expires_at { Err(Rejection::Expired(expires_at)) } else { Ok(()) }
    }

    async fn key(&self, kid: &str) -> Result<Arc<VerifyingKey>, Rejection> {
        let now = self.clock.now();
        if self.keys.is_loaded()
            && let Some(key) = self.keys.get_or_stale(now, || self.load()).await?.get(kid)
        {
            return Ok(Arc::clone(key));
        }
        let reloaded = self.keys.refresh(now, || self.load()).await?;
        let key = reloaded.and_then(|keys| keys.get(kid).cloned());
        key.ok_or_else(|| Rejection::Invalid("unknown key id".to_owned()))
    }

    async fn load(&self) -> Result<KeysById, LoadKeysError> {
        let read = |public: PublicKey| match URL_SAFE_NO_PAD.decode(&public.x) {
            Ok(bytes) => {
                let decoding = DecodingKey::from_ed_der(&bytes);
                Ok((public.kid.to_string(), Arc::new(VerifyingKey { public, decoding })))
            }
            Err(error) => Err(LoadKeysError(format!("key {}: {error}", public.kid))),
        };
        self.source.load_keys().await?.into_iter().map(read).collect::<Result<_, _>>().map(Arc::new)
    }
}

fn invalid(error: impl Display) -> Rejection {
    Rejection::Invalid(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use jsonwebtoken::{EncodingKey, Header};
    use kernel::testing::ManualClock;
    use ring::signature::{Ed25519KeyPair, KeyPair};
    use serde_json::{Value, json};

    use super::*;
    use crate::provider::signatures_verified;

    struct Key {
        kid: &'static str,
        pkcs8: Vec<u8>,
    }

    impl Key {
        fn generate(kid: &'static str) -> Self {
            let pkcs8 = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
            Self { kid, pkcs8: pkcs8.as_ref().to_vec() }
        }

        fn public(&self) -> PublicKey {
            let pair = Ed25519KeyPair::from_pkcs8(&self.pkcs8).unwrap();
            PublicKey { kid: KeyId::new(self.kid), x: URL_SAFE_NO_PAD.encode(pair.public_key()) }
        }

        fn sign(&self, header: &Header, claims: &Value) -> String {
            install_crypto();
            jsonwebtoken::encode(header, claims, &EncodingKey::from_ed_der(&self.pkcs8)).unwrap()
        }

        fn token(&self, claims: &Value) -> String {
            self.sign(&self.header(), claims)
        }

        fn header(&self) -> Header {
            Header { typ: Some(TOKEN_TYPE.to_owned()), kid: Some(self.kid.to_owned()), ..Header::new(Algorithm::EdDSA) }
        }
    }

    struct Source {
        keys: Vec<PublicKey>,
        loads: AtomicUsize,
    }

    impl LoadKeys for Source {
        async fn load_keys(&self) -> Result<Vec<PublicKey>, LoadKeysError> {
            self.loads.fetch_add(1, Ordering::SeqCst);
            Ok(self.keys.clone())
        }
    }

    const NOW: &str = "2026-01-31T12:00:00Z";

    fn verifier(keys: &[&Key]) -> Verifier<Source> {
        verifier_at(&clock(), keys)
    }

    fn verifier_at(clock: &ManualClock, keys: &[&Key]) -> Verifier<Source> {
        let source = Source { keys: keys.iter().map(|key| key.public()).collect(), loads: AtomicUsize::new(0) };
        Verifier::new("https://issuer.example", "payments", source, clock.clone())
    }

    fn clock() -> ManualClock {
        ManualClock::at(Timestamp::parse(NOW).unwrap())
    }

    fn claims() -> Value {
        let now = Timestamp::parse(NOW).unwrap().unix_seconds();
        json!({
            "iss": "https://issuer.example", "aud": "payments",
            "sub": "0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b", "sid": "1190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b",
            "epoch": 3, "iat": now, "exp": now + 900
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    #[tokio::test]
    async fn valid_token_yields_user_session_and_epoch() {
        let key = Key::generate("a");
        let principal = verifier(&[&key]).verify(&key.token(&claims())).await.unwrap();
        assert_eq!(principal.user_id.to_string(), "0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b");
        assert_eq!(principal.session_id.to_string(), "1190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b");
        assert_eq!(principal.epoch, 3);
    }

    #[tokio::test]
    async fn claims_debug_output_omits_contact_data() {
        let key = Key::generate("a");
        let verifier = verifier(&[&key]);
        let mut reachable = with("email", json!("ada@example.com"));
        reachable["phone_number"] = json!("+33612345678");
        reachable["email_verified"] = json!(true);
        reachable["phone_number_verified"] = json!(true);
        let read = verifier.claims(&key.token(&reachable)).await.unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), reachable);
        let printed = format!("{read:?}");
        assert!(!printed.contains("ada@") && !printed.contains("+33"), "{printed}");

        let unreachable = verifier.claims(&key.token(&claims())).await.unwrap();
        assert_eq!((unreachable.email, unreachable.phone_number), (None, None));
    }

    #[tokio::test]
    async fn token_without_id_or_client_is_accepted() {
        let key = Key::generate("a");
        let verifier = verifier(&[&key]);
        let old = verifier.claims(&key.token(&claims())).await.unwrap();
        assert_eq!((old.jti, old.client_id), (None, None));
        let mut named = with("jti", json!("j-1"));
        named["client_id"] = json!(crate::CLIENT_ID);
        let new = verifier.claims(&key.token(&named)).await.unwrap();
        assert_eq!((new.jti.as_deref(), new.client_id.as_deref()), (Some("j-1"), Some("first-party")));
    }

    #[tokio::test]
    async fn missing_verified_claims_mean_not_verified() {
        let key = Key::generate("a");
        let verifier = verifier(&[&key]);
        let shown = async |claims: &Value| {
            let principal = verifier.verify(&key.token(claims)).await.unwrap();
            (principal.email_verified, principal.phone_verified)
        };
        assert_eq!(shown(&claims()).await, (false, false));
        assert_eq!(shown(&with("email_verified", json!(true))).await, (true, false));
        assert_eq!(shown(&with("phone_number_verified", json!(true))).await, (false, true));
    }

    #[tokio::test]
    async fn token_is_valid_until_its_expiry_second() {
        let key = Key::generate("a");
        let now = Timestamp::parse(NOW).unwrap().unix_seconds();
        let verifier = verifier(&[&key]);
        assert!(verifier.verify(&key.token(&with("exp", json!(now + 1)))).await.is_ok());
        let expired = verifier.verify(&key.token(&with("exp", json!(now)))).await;
        assert!(matches!(expired, Err(Rejection::Expired(_))), "{expired:?}");
    }

    #[tokio::test]
    async fn foreign_or_tampered_token_is_rejected() {
        let key = Key::generate("a");
        let other = Key::generate("a");
        let good = key.token(&claims());
        let (head, signature) = good.rsplit_once('.').unwrap();
        let (header, body) = head.split_once('.').unwrap();
        let none = URL_SAFE_NO_PAD.encode(json!({"alg": "none", "typ": TOKEN_TYPE, "kid": "a"}).to_string());
        let hs256 = URL_SAFE_NO_PAD.encode(json!({"alg": "HS256", "typ": TOKEN_TYPE, "kid": "a"}).to_string());
        let unknown_kid = Header { kid: Some("b".to_owned()), ..key.header() };
        let no_kid = Header { kid: None, ..key.header() };
        let id_token = Header { typ: Some("JWT".to_owned()), ..key.header() };
        let tampered = URL_SAFE_NO_PAD.encode(with("epoch", json!(99)).to_string());
        let mut missing = claims();
        missing.as_object_mut().unwrap().remove("sid");
        let tokens = [
            ("empty", String::new()),
            ("garbage", "a.b.c".to_owned()),
            ("no signature", format!("{head}.")),
            ("alg none", format!("{none}.{body}.")),
            ("alg none with a signature", format!("{none}.{body}.{signature}")),
            ("another algorithm", format!("{hs256}.{body}.{signature}")),
            ("tampered claims", format!("{header}.{tampered}.{signature}")),
            ("another key under our id", other.token(&claims())),
            ("unknown key id", key.sign(&unknown_kid, &claims())),
            ("no key id", key.sign(&no_kid, &claims())),
            ("another type of token", key.sign(&id_token, &claims())),
            ("another issuer", key.token(&with("iss", json!("https://evil.example")))),
            ("another audience", key.token(&with("aud", json!("reports")))),
            ("a subject that is no id", key.token(&with("sub", json!("admin")))),
            ("an expiry beyond time", key.token(&with("exp", json!(i64::MAX)))),
            ("no session", key.token(&missing)),
        ];
        let verifier = verifier(&[&key]);
        for (what, token) in tokens {
            let verdict = verifier.verify(&token).await;
            assert!(matches!(verdict, Err(Rejection::Invalid(_))), "{what}: {verdict:?}");
        }
    }

    #[tokio::test]
    async fn failed_key_load_is_not_repeated_within_the_interval() {
        let key = Key::generate("a");
        let clock = clock();
        let mut verifier = verifier_at(&clock, &[&key]);
        verifier.source.keys[0].x = "no key".to_owned();
        verifier.warm_up().await;
        for _ in 0..20 {
            let verdict = verifier.verify(&key.token(&claims())).await;
            assert!(matches!(verdict, Err(Rejection::Unavailable(_))), "{verdict:?}");
        }
        assert_eq!(verifier.source.loads.load(Ordering::SeqCst), 1);

        verifier.source.keys = vec![key.public()];
        clock.advance(RELOAD_INTERVAL);
        assert!(verifier.verify(&key.token(&claims())).await.is_ok());
    }

    #[tokio::test]
    async fn removed_key_is_rejected_after_max_age() {
        let key = Key::generate("a");
        let now = Timestamp::parse(NOW).unwrap();
        let lasting = with("exp", json!(now.unix_seconds() + 3600));
        let clock = clock();
        let mut verifier = verifier_at(&clock, &[&key]);
        verifier.warm_up().await;
        verifier.source.keys.clear();
        assert!(verifier.verify(&key.token(&lasting)).await.is_ok(), "no token costs a round trip");
        clock.advance(MAX_AGE);
        assert!(verifier.verify(&key.token(&lasting)).await.is_err());
        assert_eq!(verifier.source.loads.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn unknown_key_ids_load_keys_once_per_interval() {
        let key = Key::generate("a");
        let unknown = Key::generate("b");
        let clock = clock();
        let mut verifier = verifier_at(&clock, &[&key]);
        verifier.warm_up().await;
        for _ in 0..50 {
            assert!(verifier.verify(&unknown.token(&claims())).await.is_err());
        }
        assert_eq!(verifier.source.loads.load(Ordering::SeqCst), 1);

        clock.advance(RELOAD_INTERVAL);
        verifier.source.keys.push(unknown.public());
        for _ in 0..50 {
            assert!(verifier.verify(&unknown.token(&claims())).await.is_ok());
        }
        assert_eq!(verifier.source.loads.load(Ordering::SeqCst), 2);
    }

    /// The claims of another user.
    fn claims_of_ben() -> Value {
        with("sub", json!("2290a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b"))
    }

    #[tokio::test]
    async fn repeated_token_has_its_signature_verified_once() {
        let key = Key::generate("a");
        let (verifier, token) = (verifier(&[&key]), key.token(&claims()));
        let before = signatures_verified();
        let first = verifier.claims(&token).await.unwrap();
        for _ in 0..20 {
            assert_eq!(verifier.verify(&token).await.unwrap().user_id, first.sub);
        }
        assert_eq!(signatures_verified() - before, 1);
        assert_eq!(verifier.claims(&token).await.unwrap(), first);
    }

    #[tokio::test]
    async fn verified_tokens_of_two_users_stay_apart() {
        let key = Key::generate("a");
        let verifier = verifier(&[&key]);
        let tokens = [claims(), claims_of_ben()].map(|claims| (key.token(&claims), claims["sub"].clone()));
        for _ in 0..3 {
            for (token, sub) in &tokens {
                let principal = verifier.verify(token).await.unwrap();
                let claims = verifier.claims(token).await.unwrap();
                assert_eq!((&json!(principal.user_id), &json!(claims.sub)), (sub, sub));
            }
        }
    }

    #[tokio::test]
    async fn verified_token_with_one_changed_byte_is_rejected() {
        let key = Key::generate("a");
        let (verifier, token) = (verifier(&[&key]), key.token(&claims()));
        assert!(verifier.verify(&token).await.is_ok());
        for position in 0..token.len() {
            let replacement = if token[position..].starts_with('A') { "B" } else { "A" };
            let changed = [&token[..position], replacement, &token[position + 1..]].concat();
            for _ in 0..2 {
                let verdict = verifier.verify(&changed).await;
                assert!(matches!(verdict, Err(Rejection::Invalid(_))), "{position}: {verdict:?}");
                assert!(verifier.claims(&changed).await.is_err(), "{position}");
            }
        }
        for changed in [format!("{token}A"), token[..token.len() - 1].to_owned(), format!("{token}.{token}")] {
            assert!(verifier.verify(&changed).await.is_err());
        }
    }

    #[tokio::test]
    async fn rejected_token_is_verified_again() {
        let key = Key::generate("a");
        let verifier = verifier(&[&key]);
        let foreign = key.token(&with("aud", json!("reports")));
        let before = signatures_verified();
        for _ in 0..3 {
            assert!(verifier.verify(&foreign).await.is_err());
            assert!(verifier.claims(&foreign).await.is_err());
        }
        assert_eq!(signatures_verified() - before, 6);
    }

    #[tokio::test]
    async fn verified_token_is_rejected_from_its_expiry() {
        let key = Key::generate("a");
        let clock = clock();
        let (verifier, token) = (verifier_at(&clock, &[&key]), key.token(&claims()));
        assert!(verifier.verify(&token).await.is_ok());
        clock.advance(Duration::from_secs(899));
        assert!(verifier.verify(&token).await.is_ok());
        clock.advance(Duration::from_secs(1));
        for _ in 0..2 {
            assert!(matches!(verifier.verify(&token).await, Err(Rejection::Expired(_))));
            assert!(matches!(verifier.claims(&token).await, Err(Rejection::Expired(_))));
        }
    }

    #[tokio::test]
    async fn verified_token_is_rejected_when_its_key_is_gone() {
        let (key, other, same_id) = (Key::generate("a"), Key::generate("b"), Key::generate("a"));
        let token = key.token(&with("exp", json!(Timestamp::parse(NOW).unwrap().unix_seconds() + 3600)));
        for replacement in [vec![other.public()], vec![other.public(), same_id.public()]] {
            let clock = clock();
            let mut verifier = verifier_at(&clock, &[&key]);
            assert!(verifier.verify(&token).await.is_ok());
            verifier.source.keys = replacement;
            // Loaded again for the id of another key.
            clock.advance(RELOAD_INTERVAL);
            assert!(verifier.verify(&token).await.is_ok());
            assert!(verifier.verify(&other.token(&claims())).await.is_ok());
            for _ in 0..2 {
                assert!(matches!(verifier.verify(&token).await, Err(Rejection::Invalid(_))));
                assert!(matches!(verifier.claims(&token).await, Err(Rejection::Invalid(_))));
            }
        }
    }
}
