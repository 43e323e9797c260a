//! What the endpoints say of themselves in the API's document.

use http_api::problem_types as shared;
use openapi::{Endpoint, Schemas};
use serde_json::{Map, Value, json};

use super::credentials::Credentials;
use super::token_response::Reissued;
use super::tokens::Tokens;
use super::{
    change_password, confirm_code, jwks, list_sessions, me, problem_types, refresh, register, send_code, signin,
    signup, update_me, validate,
};

const TAG: &str = "Account";
const ADA: &str = "ada@example.com";
const PHONE: &str = "+250788123456";
const PASSWORD: &str = "correct horse battery";
const ID: &str = "0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b";
const SESSION: &str = "5f0c2d3e-7a1b-4c9d-8e6f-1a2b3c4d5e6f";
const REFRESH_TOKEN: &str = "AZChslw9Tm-KexydXy06S18MLT56G0ydjm8aKzxNXm9NqkU0a1bN3o0vQyJb8TzqXv1mWc7kLhF2eR5sUw9xYQ";
const TIME: &str = "2026-01-31T12:00:00.000Z";

/// Adds the endpoints of this context to the OpenAPI document.
pub fn describe(paths: &mut Map<String, Value>, schemas: &mut Schemas) {
    for endpoint in [
        sign_up(),
        sign_in(),
        refresh_session(),
        sign_out(),
        list_of_sessions(),
        end_of_a_session(),
        who_am_i(),
        update_of_me(),
        change_of_password(),
        register_by_phone(),
        log_in(),
        validate_token(),
        public_keys(),
        send_verification(),
        confirm_verification(),
    ] {
        endpoint.write(paths, schemas);
    }
}

fn sign_up() -> Endpoint {
    Endpoint::new("post", "/auth/signup", TAG, "signUp", "Create a user")
        .request_body::<signup::Body>(&[
            ("without a phone", json!({"email": ADA, "password": PASSWORD})),
            ("with a phone", json!({"email": ADA, "password": PASSWORD, "phone": PHONE})),
        ])
        .response::<signup::SignedUp<'_>>(
            201,
            "The new user. No session is started.",
            &json!({"id": ID, "email": ADA, "phone": null, "createdAt": TIME}),
        )
        .problems(&[&problem_types::IDENTIFIER_TAKEN, &shared::UNAVAILABLE])
}

fn register_by_phone() -> Endpoint {
    Endpoint::new("post", "/api/auth/register", TAG, "register", "Create a user with a phone number")
        .request_body::<register::Body>(&[("example", json!({"phone": PHONE, "email": ADA, "password": PASSWORD}))])
        .response::<register::Registered<'_>>(201, "The new user.", &json!({"id": ID, "phone": PHONE, "email": ADA}))
        .problems(&[&problem_types::IDENTIFIER_TAKEN, &shared::UNAVAILABLE])
}

fn credentials() -> [(&'static str, Value); 2] {
    [
        ("by e-mail", json!({"email": ADA, "password": PASSWORD})),
        ("by phone", json!({"phone": PHONE, "password": PASSWORD})),
    ]
}

fn tokens() -> Value {
    json!({
        "access_token": "eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl", "token_type": "Bearer", "expires_in": 900,
        "refresh_token": REFRESH_TOKEN, "refresh_expires_in": 3600
    })
}

fn sign_in() -> Endpoint {
    Endpoint::new("post", "/auth/signin", TAG, "signIn", "Sign in with cookies")
        .request_body::<Credentials>(&credentials())
        .response::<signin::SignedIn<'_>>(200, "The signed-in user.", &json!({"id": ID, "email": ADA, "phone": null}))
        .with_header(200, "Set-Cookie", "TokenCookies")
        .problems(&[&problem_types::INVALID_CREDENTIALS, &problem_types::TOO_MANY_ATTEMPTS, &shared::UNAVAILABLE])
}

fn log_in() -> Endpoint {
    Endpoint::new("post", "/api/auth/login", TAG, "logIn", "Sign in for a bearer token")
        .request_body::<Credentials>(&credentials())
        .response::<Tokens<'_>>(
            200,
            "Send the access token as `Authorization: Bearer`, and the refresh token to `/auth/refresh`.",
            &tokens(),
        )
        .problems(&[&problem_types::INVALID_CREDENTIALS, &problem_types::TOO_MANY_ATTEMPTS, &shared::UNAVAILABLE])
}

fn refresh_session() -> Endpoint {
    let token = json!({"type": "string"});
    Endpoint::new("post", "/auth/refresh", TAG, "refresh", "Refresh tokens")
        .description(
            "A refresh token is valid once. If the response was lost, send the token again within ten seconds to get the \
             same response. After that, reuse of a token ends the session.",
        )
        .optional_request_body::<refresh::Body>(&[("token in the body", json!({"refresh_token": REFRESH_TOKEN}))])
        .cookie("refresh_token", "Sent by browsers. Used if there is no body.", &token)
        .either_response::<Tokens<'_>, refresh::Lifetimes>(
            200,
            "The next tokens: in the body if the request had one, else as cookies.",
            &[("token in the body", tokens()), ("cookies", json!({"expires_in": 900, "refresh_expires_in": 3600}))],
        )
        .with_header(200, "Set-Cookie", "TokenCookies")
        .problems(&[&problem_types::INVALID_REFRESH_TOKEN, &shared::UNAVAILABLE])
}

fn sign_out() -> Endpoint {
    Endpoint::new("post", "/auth/signout", TAG, "signOut", "Sign out")
        .description(
            "`local` ends the session of the access token or, without a valid one, that of the refresh token in the \
             cookie. Cookies are cleared even if neither is valid. With `others` the current session stays active with \
             new tokens; its former tokens are revoked.",
        )
        .optionally_authenticated()
        .query(
            "scope",
            "The sessions to end: the current one, all others, or all.",
            &json!({"type": "string", "enum": ["local", "others", "global"], "default": "local"}),
        )
        .cookie(
            "refresh_token",
            "Sent by browsers. Used for `local` if there is no valid access token.",
            &json!({"type": "string"}),
        )
        .response::<Reissued<'_>>(200, "The sessions were ended.", &json!({"message": "You are signed out."}))
        .with_header(200, "Set-Cookie", "TokenCookies")
        .problems(&[&shared::UNAUTHENTICATED])
}

fn list_of_sessions() -> Endpoint {
    let session = json!({
        "id": SESSION, "createdAt": TIME, "lastUsedAt": TIME, "expiresAt": "2026-01-31T13:00:00.000Z",
        "userAgent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "current": true
    });
    Endpoint::new("get", "/auth/sessions", TAG, "listSessions", "List sessions")
        .authenticated()
        .response::<list_sessions::SessionList<'_>>(200, "Your active sessions.", &json!({"data": [session]}))
}

fn end_of_a_session() -> Endpoint {
    let id = json!({"type": "string", "format": "uuid", "example": SESSION});
    Endpoint::new("delete", "/auth/sessions/{id}", TAG, "endSession", "End a session")
        .authenticated()
        .path_parameter("id", "The session's id.", &id)
        .response_content(204, "The session has ended, now or before.", json!({}))
        .with_header(204, "Set-Cookie", "TokenCookies")
        .problems(&[&problem_types::SESSION_NOT_FOUND])
}

fn who_am_i() -> Endpoint {
    Endpoint::new("get", "/auth/me", TAG, "getMe", "Get the current user")
        .authenticated()
        .response::<me::SignedInUser<'_>>(
            200,
            "The current user.",
            &json!({
                "id": ID, "email": ADA, "emailVerified": true, "phone": null, "phoneVerified": false,
                "createdAt": TIME, "updatedAt": TIME
            }),
        )
}

fn send_verification() -> Endpoint {
    Endpoint::new("post", "/auth/verifications", TAG, "sendCode", "Send a verification code")
        .description(
            "Sends six digits by e-mail or SMS, valid for ten minutes. A new code replaces the previous one and can be \
             requested after a minute, at most ten times in 24 hours.",
        )
        .authenticated()
        .request_body::<send_code::Body>(&[
            ("by e-mail", json!({"identifier": "email"})),
            ("by SMS", json!({"identifier": "phone"})),
        ])
        .response::<send_code::CodeSent>(
            202,
            "The code was sent.",
            &json!({
                "identifier": "email", "expiresAt": "2026-01-31T12:10:00.000Z", "resendAfter": "2026-01-31T12:01:00.000Z"
            }),
        )
        .problems(&[&problem_types::ALREADY_VERIFIED, &problem_types::CODE_SENT_RECENTLY])
}

fn confirm_verification() -> Endpoint {
    Endpoint::new(
        "post",
        "/auth/verifications/confirm",
        TAG,
        "confirmCode",
        "Confirm a verification code",
    )
    .description(
        "A code allows five attempts. The current access token does not include the new status; the next one, from a \
             refresh, does.",
    )
    .authenticated()
    .request_body::<confirm_code::Body>(&[("example", json!({"identifier": "email", "code": "012345"}))])
    .response::<me::SignedInUser<'_>>(
        200,
        "The user, as in `GET /auth/me`.",
        &json!({
            "id": ID, "email": ADA, "emailVerified": true, "phone": null, "phoneVerified": false,
            "createdAt": TIME, "updatedAt": TIME
        }),
    )
    .problems(&[&problem_types::INVALID_CODE, &problem_types::ALREADY_VERIFIED])
}

fn update_of_me() -> Endpoint {
    let password = "currentPassword";
    let moved = json!({
        "id": ID, "email": "ada.lovelace@example.com", "emailVerified": false, "phone": null, "phoneVerified": false,
        "createdAt": TIME, "updatedAt": TIME
    });
    Endpoint::new("patch", "/auth/me", TAG, "updateMe", "Update the current user")
        .description(
            "Omitted fields stay unchanged; a phone of null is removed. A new identifier can be used to sign in at once, and \
             is unverified; the former one is released. Sessions stay active. The password is required because a token \
             can be stolen; failed attempts are rate-limited separately from sign-ins. If nothing would change, the \
             password is not checked.",
        )
        .authenticated()
        .request_body::<update_me::Body>(&[
            ("another e-mail address", json!({"email": "ada.lovelace@example.com", password: PASSWORD})),
            ("another phone", json!({"phone": PHONE, password: PASSWORD})),
            ("no phone", json!({"phone": null, password: PASSWORD})),
        ])
        .response::<me::SignedInUser<'_>>(200, "The updated user, as in `GET /auth/me`.", &moved)
        .problems(&[&problem_types::INVALID_CREDENTIALS, &problem_types::IDENTIFIER_TAKEN, &problem_types::TOO_MANY_ATTEMPTS])
}

fn change_of_password() -> Endpoint {
    let reissued = json!({
        "message": "Your password is changed. All your other sessions have ended.",
        "access_token": "eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl", "token_type": "Bearer", "expires_in": 900,
        "refresh_token": "AZChslw9Tm-KexydXy06Sw", "refresh_expires_in": 3600
    });
    Endpoint::new("post", "/auth/password", TAG, "changePassword", "Change the password")
        .description(
            "A password has 8 to 128 characters (the deployment may require more than 8), in any script, without composition \
             rules. Common passwords, your e-mail address, its local part and your phone number are rejected. Every other \
             session ends. The current one stays active with new tokens; its former tokens are revoked. Failed attempts \
             are rate-limited separately from sign-ins.",
        )
        .authenticated()
        .request_body::<change_password::Body>(&[(
            "example",
            json!({"currentPassword": PASSWORD, "newPassword": "another correct horse battery"}),
        )])
        .response::<Reissued<'_>>(200, "The password was changed. Browsers receive the tokens in cookies only.", &reissued)
        .with_header(200, "Set-Cookie", "TokenCookies")
        .problems(&[&problem_types::INVALID_CREDENTIALS, &problem_types::TOO_MANY_ATTEMPTS])
}

fn validate_token() -> Endpoint {
    let payload = json!({"sub": ID, "phone": PHONE, "email": ADA, "iat": 1_769_860_800, "exp": 1_769_861_700});
    Endpoint::new("get", "/api/auth/validate", TAG, "validateToken", "Validate a token")
        .description(
            "Checks signature and expiry without a database read; `GET /auth/me` also checks that the session is still active. \
             Without a token the response is `{\"valid\": false}`.",
        )
        .optionally_authenticated()
        .response::<validate::Verdict>(200, "The validity and the claims.", &json!({"valid": true, "payload": payload}))
        .problems(&[&shared::UNAUTHENTICATED])
}

fn public_keys() -> Endpoint {
    let key = json!({
        "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "use": "sig", "alg": "EdDSA"
    });
    Endpoint::new("get", "/.well-known/jwks.json", TAG, "getJwks", "Get the public keys (JWKS)")
        .description("The public keys of access tokens (RFC 7517). A key is published an hour before it signs, and stays until the last token \
             it signed has expired.")
        .response_in::<jwks::JsonWebKeySet>(jwks::MEDIA_TYPE, 200, "The keys.", &json!({"keys": [key]}))
        .with_header(200, "Cache-Control", "CacheControl")
        .problems(&[&shared::UNAVAILABLE])
}
