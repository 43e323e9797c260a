//! Parsing requests.

use lambda_http::http::HeaderMap;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::{FieldError, Problem, problem_types};

/// A request as received from API Gateway.
pub type Request = lambda_http::Request;

/// The maximum body size.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// Parses the body as JSON. `T` should deny unknown fields.
///
/// # Errors
/// A [`Problem`] that says what to send instead: 413 above [`MAX_BODY_BYTES`], 415 for another media type, 400 with the
/// field for anything else.
pub fn json_body<T: DeserializeOwned>(request: &Request) -> Result<T, Problem> {
    let body: &[u8] = request.body();
    if body.len() > MAX_BODY_BYTES {
        let detail = format!("The body has {} bytes; send at most {MAX_BODY_BYTES}.", body.len());
        return Err(Problem::new(&problem_types::PAYLOAD_TOO_LARGE, detail));
    }
    if body.is_empty() {
        return Err(Problem::new(&problem_types::INVALID_REQUEST, "The body is empty; send a JSON object."));
    }
    if !is_json(request.headers()) {
        return Err(Problem::new(
            &problem_types::UNSUPPORTED_MEDIA_TYPE,
            "Send the header `Content-Type: application/json`.",
        ));
    }
    // serde also accepts an array for a struct, field by field.
    if body.trim_ascii_start().first() != Some(&b'{') {
        serde_json::from_slice::<IgnoredAny>(body).map_err(|error| not_json(&error))?;
        return Err(Problem::new(&problem_types::INVALID_REQUEST, "The body is not a JSON object; send one."));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| unreadable(body, &error))?;
    reader.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

fn unreadable(body: &[u8], error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    use serde_path_to_error::Segment;
    let inner = error.inner();
    // serde_json reports some values of a wrong type as syntax errors: a number in place of an enum variant, or one that
    // overflows a float. Parsing into `IgnoredAny` tells whether the body is JSON at all.
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(body) {
        return not_json(&error);
    }
    let mut pointer: String = error
        .path()
        .iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => "/?".to_owned(),
        })
        .collect();
    // The message ends with line and column, which say less than the pointer.
    let message = inner.to_string();
    let detail = message.rsplit_once(" at line ").map_or(message.as_str(), |(detail, _)| detail).to_owned();
    // For these two serde reports the parent object, and names the field only in its message.
    for found_at_the_object in ["missing field `", "duplicate field `"] {
        if let Some(field) = detail.strip_prefix(found_at_the_object) {
            pointer.push('/');
            pointer.push_str(field.trim_end_matches('`'));
        }
    }
    Problem::fields(vec![FieldError { pointer, detail }])
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::new(&problem_types::INVALID_REQUEST, format!("The body is not JSON: {error}."))
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// The client's name for a request, which makes retries safe
/// (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns the request's `Idempotency-Key`, if present: 1 to 255 printable ASCII characters except the comma, bare or as the
/// quoted string of the IETF draft. Both forms of one key are the same key. With a comma, two headers that API Gateway has
/// joined would be a key.
///
/// # Errors
/// A 400 if the header is not a valid key.
pub fn idempotency_key(request: &Request) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = request.headers().get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().ok().and_then(unquote);
    let key = key.filter(|key| (1..=255).contains(&key.len()) && !key.contains(','));
    match (key, values.next()) {
        (Some(key), None) => Ok(Some(IdempotencyKey(key))),
        _ => Err(Problem::new(
            &problem_types::INVALID_REQUEST,
            "The header Idempotency-Key must be sent once and hold 1 to 255 printable ASCII characters, without a comma.",
        )),
    }
}

fn unquote(value: &str) -> Option<String> {
    let value = value.trim();
    if !value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return None;
    }
    let Some(quoted) = value.strip_prefix('"') else { return Some(value.to_owned()) };
    let mut key = String::new();
    let mut characters = quoted.strip_suffix('"')?.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => key.push(characters.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
            '"' => return None,
            plain => key.push(plain),
        }
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        amount: i64,
        #[serde(default)]
        lines: Vec<Line>,
        #[serde(default)]
        category: Category,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(rename_all = "UPPERCASE")]
    enum Category {
        #[default]
        Plain,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        #[expect(dead_code, reason = "only its type matters")]
        sku: String,
    }

    fn request(body: &str) -> Request {
        let mut request = Request::new(Body::Text(body.to_owned()));
        request.headers_mut().insert("content-type", "application/json; charset=utf-8".parse().unwrap());
        request
    }

    fn rejected(request: &Request) -> Problem {
        json_body::<Order>(request).unwrap_err()
    }

    #[test]
    fn valid_body_is_parsed() {
        let order: Order =
            json_body(&request(r#"{"amount": 5, "lines": [{"sku": "a"}], "category": "PLAIN"}"#)).unwrap();
        assert!(matches!((order.amount, order.lines.len(), order.category), (5, 1, Category::Plain)));
    }

    #[test]
    fn invalid_field_is_reported_with_its_pointer() {
        for (body, pointer, detail) in [
            (r#"{"amount": "5"}"#, "/amount", "invalid type: string \"5\", expected i64"),
            (r#"{"amount": 5.5}"#, "/amount", "invalid type: floating point `5.5`, expected i64"),
            (r#"{"amount": 5, "lines": [{"sku": 1}]}"#, "/lines/0/sku", "invalid type: integer `1`, expected a string"),
            (
                r#"{"amount": 5, "admin": true}"#,
                "/admin",
                "unknown field `admin`, expected one of `amount`, `lines`, `category`",
            ),
            (r#"{"amount": 5, "amount": 6}"#, "/amount", "duplicate field `amount`"),
            ("{}", "/amount", "missing field `amount`"),
            (&format!("{{\"amount\": 1{}}}", "0".repeat(400)), "/amount", "number out of range"),
            (r#"{"amount": 5, "category": null}"#, "/category", "expected value"),
            (r#"{"amount": 5, "lines": [{}]}"#, "/lines/0/sku", "missing field `sku`"),
        ] {
            let problem = rejected(&request(body));
            assert_eq!(problem.problem_type, &problem_types::INVALID_REQUEST);
            assert_eq!(
                problem.errors,
                [FieldError { pointer: pointer.to_owned(), detail: detail.to_owned() }],
                "{body}"
            );
        }
    }

    #[test]
    fn body_that_is_not_one_json_object_is_rejected() {
        for body in ["", "[]", " [5, []]", "{", "nonsense", r#"{"amount": 5} {"amount": 6}"#, "\u{feff}{}"] {
            let problem = rejected(&request(body));
            assert_eq!((problem.problem_type, problem.errors.len()), (&problem_types::INVALID_REQUEST, 0), "{body}");
        }
    }

    #[test]
    fn invalid_secret_is_not_quoted_in_the_problem() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct SignIn {
            #[expect(dead_code, reason = "only its type matters")]
            password: kernel::Secret<String>,
        }
        for (body, pointers) in [
            (r#"{"password": 31337}"#, vec!["/password"]),
            (r#"{"password": ["31337"]}"#, vec!["/password"]),
            (r#"{"password": "31337"#, vec![]),
            (r#""31337""#, vec![]),
            ("31337", vec![]),
            (r#"["31337"]"#, vec![]),
        ] {
            let problem = json_body::<SignIn>(&request(body)).unwrap_err();
            assert!(!problem.detail.contains("31337"), "{body}: {}", problem.detail);
            assert_eq!(
                problem.errors.iter().map(|error| error.pointer.as_str()).collect::<Vec<_>>(),
                pointers,
                "{body}"
            );
        }
    }

    #[test]
    fn wrong_media_type_or_oversized_body_is_rejected() {
        let mut form = request("amount=5");
        form.headers_mut().insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
        assert_eq!(rejected(&form).problem_type, &problem_types::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(rejected(&request(&" ".repeat(MAX_BODY_BYTES + 1))).problem_type, &problem_types::PAYLOAD_TOO_LARGE);
    }

    fn key(value: &str) -> Result<Option<IdempotencyKey>, Problem> {
        let mut request = request("");
        request.headers_mut().insert("idempotency-key", value.parse().unwrap());
        idempotency_key(&request)
    }

    #[test]
    fn bare_and_quoted_idempotency_keys_are_equal() {
        for value in ["order 7", "\"order 7\"", "  order 7 "] {
            assert_eq!(key(value).unwrap(), Some(IdempotencyKey("order 7".to_owned())), "{value}");
        }
        assert_eq!(key(r#""a\"b\\""#).unwrap(), Some(IdempotencyKey(r#"a"b\"#.to_owned())));
        assert_eq!(idempotency_key(&request("")).unwrap(), None);
    }

    #[test]
    fn invalid_idempotency_key_is_rejected() {
        let long = "k".repeat(256);
        for value in [
            "",
            "  ",
            "\"\"",
            "\"open",
            "\"a\"b\"",
            "\"a\\n\"",
            "tab\there",
            "né",
            &long,
            "a,b",
            "a, a",
            "\"a,b\"",
            "\"a\",\"a\"",
            ",",
        ] {
            assert!(key(value).is_err(), "{value:?}");
        }
        let mut twice = request("");
        twice.headers_mut().append("idempotency-key", "a".parse().unwrap());
        twice.headers_mut().append("idempotency-key", "b".parse().unwrap());
        assert!(idempotency_key(&twice).is_err());
    }
}
