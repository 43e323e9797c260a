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

/// Adds this context's endpoints to the document.
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
    Endpoint::new("post", "/auth/signup", TAG, "signUp", "Signs up with an e-mail address and a password")
        .request_body::<signup::Body>(&[
            ("without a phone", json!({"email": ADA, "password": PASSWORD})),
            ("with a phone", json!({"email": ADA, "password": PASSWORD, "phone": PHONE})),
        ])
        .response::<signup::SignedUp<'_>>(
            201,
            "Who has signed up. Nobody is signed in by it.",
            &json!({"id": ID, "email": ADA, "phone": null, "createdAt": TIME}),
        )
        .problems(&[&problem_types::IDENTIFIER_TAKEN, &shared::UNAVAILABLE])
}

fn register_by_phone() -> Endpoint {
    Endpoint::new("post", "/api/auth/register", TAG, "register", "Signs up with a phone number too")
        .request_body::<register::Body>(&[("example", json!({"phone": PHONE, "email": ADA, "password": PASSWORD}))])
        .response::<register::Registered<'_>>(
            201,
            "Who has registered.",
            &json!({"id": ID, "phone": PHONE, "email": ADA}),
        )
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
    Endpoint::new("post", "/auth/signin", TAG, "signIn", "Signs in a browser: the token comes as a cookie")
        .request_body::<Credentials>(&credentials())
        .response::<signin::SignedIn<'_>>(200, "Who has signed in.", &json!({"id": ID, "email": ADA, "phone": null}))
        .with_header(200, "Set-Cookie", "TokenCookies")
        .problems(&[&problem_types::INVALID_CREDENTIALS, &problem_types::TOO_MANY_ATTEMPTS, &shared::UNAVAILABLE])
}

fn log_in() -> Endpoint {
    Endpoint::new("post", "/api/auth/login", TAG, "logIn", "Signs in any other client: the token comes in the body")
        .request_body::<Credentials>(&credentials())
        .response::<Tokens<'_>>(
            200,
            "The access token is to be sent as `Authorization: Bearer`, the refresh token to `/auth/refresh`.",
            &tokens(),
        )
        .problems(&[&problem_types::INVALID_CREDENTIALS, &problem_types::TOO_MANY_ATTEMPTS, &shared::UNAVAILABLE])
}

fn refresh_session() -> Endpoint {
    let token = json!({"type": "string"});
    Endpoint::new("post", "/auth/refresh", TAG, "refresh", "Goes on with a session: the next tokens")
        .description(
            "A refresh token is good once. If its answer was lost, send it again within ten seconds: the answer is the \
             very same. After that a spent token ends the session.",
        )
        .optional_request_body::<refresh::Body>(&[("a program", json!({"refresh_token": REFRESH_TOKEN}))])
        .cookie("refresh_token", "What a browser sends by itself. It counts where there is no body.", &token)
        .either_response::<Tokens<'_>, refresh::Lifetimes>(
            200,
            "The next tokens: in the body for whoever sent one, else as cookies.",
            &[("a program", tokens()), ("a browser", json!({"expires_in": 900, "refresh_expires_in": 3600}))],
        )
        .with_header(200, "Set-Cookie", "TokenCookies")
        .problems(&[&problem_types::INVALID_REFRESH_TOKEN, &shared::UNAVAILABLE])
}

fn sign_out() -> Endpoint {
    Endpoint::new("post", "/auth/signout", TAG, "signOut", "Ends the session, or more of them")
        .description(
            "`local` ends the session of the access token or, where there is no good one, that of the refresh token in \
             the cookie. It clears the cookies also when neither is good: a browser could not be rid of them otherwise. \
             With `others` this session goes on, with fresh tokens: the former ones are good no more.",
        )
        .optionally_authenticated()
        .query(
            "scope",
            "Which sessions end: this one, all but this one, or all.",
            &json!({"type": "string", "enum": ["local", "others", "global"], "default": "local"}),
        )
        .cookie(
            "refresh_token",
            "What a browser sends by itself. It counts for `local`, where no access token is good.",
            &json!({"type": "string"}),
        )
        .response::<Reissued<'_>>(200, "It is done.", &json!({"message": "You are signed out."}))
        .with_header(200, "Set-Cookie", "TokenCookies")
        .problems(&[&shared::UNAUTHENTICATED])
}

fn list_of_sessions() -> Endpoint {
    let session = json!({
        "id": SESSION, "createdAt": TIME, "lastUsedAt": TIME, "expiresAt": "2026-01-31T13:00:00.000Z",
        "userAgent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "current": true
    });
    Endpoint::new("get", "/auth/sessions", TAG, "listSessions", "Where you are signed in")
        .authenticated()
        .response::<list_sessions::SessionList<'_>>(200, "Your sessions that go on.", &json!({"data": [session]}))
}

fn end_of_a_session() -> Endpoint {
    let id = json!({"type": "string", "format": "uuid", "example": SESSION});
    Endpoint::new("delete", "/auth/sessions/{id}", TAG, "endSession", "Ends a session of yours")
        .authenticated()
        .path_parameter("id", "The session's id.", &id)
        .response_content(204, "It has ended, now or before.", json!({}))
        .with_header(204, "Set-Cookie", "TokenCookies")
        .problems(&[&problem_types::SESSION_NOT_FOUND])
}

fn who_am_i() -> Endpoint {
    Endpoint::new("get", "/auth/me", TAG, "getMe", "Who is signed in").authenticated().response::<me::SignedInUser<'_>>(
        200,
        "Who is signed in.",
        &json!({
            "id": ID, "email": ADA, "emailVerified": true, "phone": null, "phoneVerified": false,
            "createdAt": TIME, "updatedAt": TIME
        }),
    )
}

fn send_verification() -> Endpoint {
    Endpoint::new("post", "/auth/verifications", TAG, "sendCode", "Sends you a code by e-mail or SMS")
        .description(
            "Six digits, good for ten minutes. The next code takes the place of this one; it may be asked for after a \
             minute, and ten times in 24 hours.",
        )
        .authenticated()
        .request_body::<send_code::Body>(&[
            ("by e-mail", json!({"identifier": "email"})),
            ("by SMS", json!({"identifier": "phone"})),
        ])
        .response::<send_code::CodeSent>(
            202,
            "The code is on its way.",
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
        "Returns the code: the address is verified",
    )
    .description(
        "A code may be tried five times. The access token that you hold says nothing of it yet; the one that a \
             refresh gives does.",
    )
    .authenticated()
    .request_body::<confirm_code::Body>(&[("example", json!({"identifier": "email", "code": "012345"}))])
    .response::<me::SignedInUser<'_>>(
        200,
        "You, as `GET /auth/me` shows you.",
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
    Endpoint::new("patch", "/auth/me", TAG, "updateMe", "Changes your e-mail address or your phone number")
        .description(
            "What you leave out stays as it is; a phone of null is removed. What is new signs you in at once, and has yet \
             to be verified; what was before signs nobody in, and is free for others. Your sessions go on. The password \
             is asked for because a token alone may be stolen, and its attempts are counted like those to sign in, \
             but apart from them; where nothing would change, it is not looked at.",
        )
        .authenticated()
        .request_body::<update_me::Body>(&[
            ("another e-mail address", json!({"email": "ada.lovelace@example.com", password: PASSWORD})),
            ("another phone", json!({"phone": PHONE, password: PASSWORD})),
            ("no phone", json!({"phone": null, password: PASSWORD})),
        ])
        .response::<me::SignedInUser<'_>>(200, "You, as `GET /auth/me` shows you from now on.", &moved)
        .problems(&[&problem_types::INVALID_CREDENTIALS, &problem_types::IDENTIFIER_TAKEN, &problem_types::TOO_MANY_ATTEMPTS])
}

fn change_of_password() -> Endpoint {
    let reissued = json!({
        "message": "Your password is changed. All your other sessions have ended.",
        "access_token": "eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl", "token_type": "Bearer", "expires_in": 900,
        "refresh_token": "AZChslw9Tm-KexydXy06Sw", "refresh_expires_in": 3600
    });
    Endpoint::new("post", "/auth/password", TAG, "changePassword", "Changes your password, and ends every other session")
        .description(
            "A new password has 8 to 128 characters (or more than 8, if the deployment asks for them), in any script, and \
             no rules of composition. It is refused if many people have it, or if it is your e-mail address, the part of \
             that before the @, or your phone number. This session goes on with fresh tokens: all former ones are \
             good no more, this session's too. Attempts are counted like those to sign in, but \
             apart from them.",
        )
        .authenticated()
        .request_body::<change_password::Body>(&[(
            "example",
            json!({"currentPassword": PASSWORD, "newPassword": "another correct horse battery"}),
        )])
        .response::<Reissued<'_>>(200, "It is done. A browser has the tokens in its cookies alone.", &reissued)
        .with_header(200, "Set-Cookie", "TokenCookies")
        .problems(&[&problem_types::INVALID_CREDENTIALS, &problem_types::TOO_MANY_ATTEMPTS])
}

fn validate_token() -> Endpoint {
    let payload = json!({"sub": ID, "phone": PHONE, "email": ADA, "iat": 1_769_860_800, "exp": 1_769_861_700});
    Endpoint::new("get", "/api/auth/validate", TAG, "validateToken", "Whether a token is good, and what it says")
        .description(
            "It reads the token alone. Whether the session has ended since, `GET /auth/me` tells. Without a token the \
             answer is `{\"valid\": false}`.",
        )
        .optionally_authenticated()
        .response::<validate::Verdict>(200, "What the token says.", &json!({"valid": true, "payload": payload}))
        .problems(&[&shared::UNAUTHENTICATED])
}

fn public_keys() -> Endpoint {
    let key = json!({
        "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "use": "sig", "alg": "EdDSA"
    });
    Endpoint::new("get", "/.well-known/jwks.json", TAG, "getJwks", "The public keys of access tokens (RFC 7517)")
        .description("A key stands here an hour before it signs, and until the last token it signed has expired.")
        .response_in::<jwks::JsonWebKeySet>(jwks::MEDIA_TYPE, 200, "The keys.", &json!({"keys": [key]}))
        .with_header(200, "Cache-Control", "CacheControl")
        .problems(&[&shared::UNAVAILABLE])
}
