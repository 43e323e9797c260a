//! What the endpoints say of themselves in the API's document.

use openapi::{Endpoint, Schemas};
use runtime::http::kinds as shared;
use serde_json::{Map, Value, json};

use super::credentials::Credentials;
use super::{kinds, login, me, register, signin, signout, signup, validate};

const TAG: &str = "Account";
const ADA: &str = "ada@example.com";
const PHONE: &str = "+250788123456";
const PASSWORD: &str = "correct horse battery";
const ID: &str = "0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b";
const TIME: &str = "2026-01-31T12:00:00.000Z";

/// Adds this context's endpoints to the document.
pub fn describe(paths: &mut Map<String, Value>, schemas: &mut Schemas) {
    for endpoint in [sign_up(), sign_in(), sign_out(), who_am_i(), register_by_phone(), log_in(), validate_token()] {
        endpoint.write(paths, schemas);
    }
}

fn sign_up() -> Endpoint {
    Endpoint::new("post", "/auth/signup", TAG, "signUp", "Signs up with an e-mail address and a password")
        .takes::<signup::Body>(&[
            ("without a phone", json!({"email": ADA, "password": PASSWORD})),
            ("with a phone", json!({"email": ADA, "password": PASSWORD, "phone": PHONE})),
        ])
        .answers::<signup::SignedUp<'_>>(
            201,
            "Who has signed up. Nobody is signed in by it.",
            &json!({"id": ID, "email": ADA, "phone": null, "createdAt": TIME}),
        )
        .refuses(&[&kinds::IDENTIFIER_TAKEN, &shared::UNAVAILABLE])
}

fn register_by_phone() -> Endpoint {
    Endpoint::new("post", "/api/auth/register", TAG, "register", "Signs up with a phone number too")
        .takes::<register::Body>(&[("example", json!({"phone": PHONE, "email": ADA, "password": PASSWORD}))])
        .answers::<register::Registered<'_>>(
            201,
            "Who has registered.",
            &json!({"id": ID, "phone": PHONE, "email": ADA}),
        )
        .refuses(&[&kinds::IDENTIFIER_TAKEN, &shared::UNAVAILABLE])
}

fn credentials() -> [(&'static str, Value); 2] {
    [
        ("by e-mail", json!({"email": ADA, "password": PASSWORD})),
        ("by phone", json!({"phone": PHONE, "password": PASSWORD})),
    ]
}

fn sign_in() -> Endpoint {
    Endpoint::new("post", "/auth/signin", TAG, "signIn", "Signs in a browser: the token comes as a cookie")
        .takes::<Credentials>(&credentials())
        .answers::<signin::SignedIn<'_>>(200, "Who has signed in.", &json!({"id": ID, "email": ADA, "phone": null}))
        .with_header(200, "Set-Cookie", "AccessTokenCookie")
        .refuses(&[&kinds::INVALID_CREDENTIALS, &shared::UNAVAILABLE])
}

fn log_in() -> Endpoint {
    Endpoint::new("post", "/api/auth/login", TAG, "logIn", "Signs in any other client: the token comes in the body")
        .takes::<Credentials>(&credentials())
        .answers::<login::LoggedIn<'_>>(
            200,
            "The token, to be sent as `Authorization: Bearer`.",
            &json!({"access_token": "eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl", "token_type": "Bearer", "expires_in": 900}),
        )
        .refuses(&[&kinds::INVALID_CREDENTIALS, &shared::UNAVAILABLE])
}

fn sign_out() -> Endpoint {
    Endpoint::new("post", "/auth/signout", TAG, "signOut", "Ends the session and clears the cookie")
        .about("Also when the token is no good: a browser could not be rid of its cookie otherwise.")
        .signed_in_or_not()
        .query(
            "scope",
            "Which sessions end: only this one.",
            &json!({"type": "string", "enum": ["local"], "default": "local"}),
        )
        .answers::<signout::SignedOut>(200, "It is done.", &json!({"message": "You are signed out."}))
        .with_header(200, "Set-Cookie", "AccessTokenCookie")
}

fn who_am_i() -> Endpoint {
    Endpoint::new("get", "/auth/me", TAG, "getMe", "Who is signed in").signed_in().answers::<me::SignedInPerson<'_>>(
        200,
        "Who is signed in.",
        &json!({"id": ID, "email": ADA, "phone": null, "createdAt": TIME, "updatedAt": TIME}),
    )
}

fn validate_token() -> Endpoint {
    let payload = json!({"sub": ID, "phone": PHONE, "email": ADA, "iat": 1_769_860_800, "exp": 1_769_861_700});
    Endpoint::new("get", "/api/auth/validate", TAG, "validateToken", "Whether a token is good, and what it says")
        .about(
            "It reads the token alone. Whether the session has ended since, `GET /auth/me` tells. Without a token the \
             answer is `{\"valid\": false}`.",
        )
        .signed_in_or_not()
        .answers::<validate::Verdict>(200, "What the token says.", &json!({"valid": true, "payload": payload}))
        .refuses(&[&shared::UNAUTHENTICATED])
}
