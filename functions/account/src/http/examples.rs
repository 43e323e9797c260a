//! Examples in the OpenAPI document.

use serde_json::{Value, json};

pub(super) const EMAIL: &str = "ada@example.com";
pub(super) const PHONE: &str = "+250788123456";
pub(super) const PASSWORD: &str = "correct horse battery";
pub(super) const USER_ID: &str = "0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b";
pub(super) const SESSION_ID: &str = "5f0c2d3e-7a1b-4c9d-8e6f-1a2b3c4d5e6f";
pub(super) const REFRESH_TOKEN: &str = "AZChslw9Tm-KexydXy06S18MLT56G0ydjm8aKzxNXm9NqkU0a1bN3o0vQyJb8TzqXv1mWc7kLhF2eR5sUw9xYQh1pTz4c8Vb0nRk2yWmQe7JsA3uXfL9gDo6iHtZwB5K";
pub(super) const TIME: &str = "2026-01-31T12:00:00.000Z";

pub(super) fn credentials() -> [(&'static str, Value); 2] {
    [
        ("by e-mail", json!({"email": EMAIL, "password": PASSWORD})),
        ("by phone", json!({"phone": PHONE, "password": PASSWORD})),
    ]
}

pub(super) fn tokens() -> Value {
    json!({
        "access_token": "eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl", "token_type": "Bearer", "expires_in": 900,
        "refresh_token": REFRESH_TOKEN, "refresh_expires_in": 3600
    })
}

pub(super) fn user() -> Value {
    json!({
        "id": USER_ID, "email": EMAIL, "emailVerified": true, "phone": null, "phoneVerified": false,
        "createdAt": TIME, "updatedAt": TIME
    })
}
