//! The headers that authenticate a request or make it idempotent, apart from any endpoint.

use arbitrary::{Arbitrary, Unstructured};
use http_api::{Request, access_token, cookie, idempotency_key};
use lambda_http::Body;
use lambda_http::http::HeaderValue;

use crate::platform::Harness;

#[derive(Debug, Arbitrary)]
enum Token<'a> {
    /// A valid token with some bytes replaced.
    Altered(Vec<(u16, u8)>),
    Any(&'a str),
}

#[derive(Debug, Arbitrary)]
struct Headers<'a> {
    token: Token<'a>,
    authorization: Option<&'a [u8]>,
    cookies: Vec<&'a [u8]>,
    idempotency_key: Option<&'a [u8]>,
}

pub fn run(data: &[u8]) {
    let Ok(headers) = Headers::arbitrary_take_rest(Unstructured::new(data)) else { return };
    Harness::with(|harness| {
        let valid = harness.access_token();
        let token = headers.token.text(valid);
        assert_eq!(harness.verify(&token).is_ok(), token == valid, "{token}");
    });
    let mut request = Request::new(Body::Empty);
    let mut append = |name, value: &[u8]| {
        HeaderValue::from_bytes(value).is_ok_and(|value| request.headers_mut().append(name, value))
    };
    let is_authorized = headers.authorization.is_some_and(|value| append("authorization", value));
    for value in &headers.cookies {
        append("cookie", value);
    }
    if let Some(value) = headers.idempotency_key {
        append("idempotency-key", value);
    }
    let token = access_token(&request);
    assert!(
        !is_authorized || !matches!(token, Ok(None)),
        "a header that is not a bearer token was ignored: {headers:?}"
    );
    for name in ["access_token", "refresh_token"] {
        if let Ok(Some(value)) = cookie(&request, name) {
            assert!(!value.is_empty(), "{headers:?}");
        }
    }
    if let Ok(Some(key)) = idempotency_key(&request) {
        let key = key.as_str();
        assert!((1..=255).contains(&key.len()) && !key.contains(','), "{key:?}");
        assert!(key.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{key:?}");
    }
}

impl Token<'_> {
    fn text(&self, valid: &str) -> String {
        match self {
            Self::Any(text) => (*text).to_owned(),
            Self::Altered(changes) => {
                let mut bytes = valid.as_bytes().to_vec();
                for (position, byte) in changes {
                    let length = bytes.len();
                    bytes[usize::from(*position) % length] = byte & 0x7f;
                }
                String::from_utf8(bytes).expect("ASCII")
            }
        }
    }
}
