//! Requests that create something, with or without an idempotency key, and their responses.

use auth::Principal;
use http_api::{Problem, Request, Response, idempotency_key};
use kernel::Currency;
use lambda_http::http::StatusCode;
use serde::Serialize;

use crate::app::OperationContext;
use crate::domain::{IdempotentRequest, TokenClaims};
use crate::store::Store;

/// The header of a response that was replayed.
pub(super) const REPLAYED: (&str, &str) = ("idempotent-replayed", "true");

/// The context of a request. The route separates the idempotency keys of different endpoints; the payload is what a key
/// can't be reused with a different value of.
///
/// # Errors
///
/// A [`Problem`] if the `Idempotency-Key` is invalid.
pub(super) fn operation_context(
    store: &Store,
    principal: &Principal,
    request: &Request,
    route: &str,
    payload: &impl Serialize,
) -> Result<OperationContext, Problem> {
    let user = principal.user_id;
    let idempotent = match idempotency_key(request)? {
        None => IdempotentRequest::unkeyed(store.random()),
        Some(key) => {
            IdempotentRequest::keyed(user, route, key.as_str(), payload).map_err(|error| Problem::internal(&error))?
        }
    };
    let claims = TokenClaims::from(principal);
    Ok(OperationContext { user, claims, request: idempotent })
}

/// Omits a currency that is the default, so that the fingerprint of a request does not depend on whether it is spelled out.
pub(super) fn omit_default(currency: &mut Option<String>, default: Currency) {
    currency.take_if(|code| code == default.as_str());
}

/// A response with status 201 and what was created, by this request or by an earlier one with the same key.
pub(super) fn created(body: &impl Serialize, replayed: bool) -> Result<Response, Problem> {
    let response = Response::json(StatusCode::CREATED, body)?;
    Ok(if replayed { response.header(REPLAYED.0, REPLAYED.1) } else { response })
}
