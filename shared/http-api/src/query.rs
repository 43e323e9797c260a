//! Query parameters.

use lambda_http::RequestExt;

use crate::{FieldErrors, Problem, Request};

/// The query parameters that a function accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryParameters {
    /// These, each at most once.
    Only(&'static [&'static str]),
    /// Any, all of which are ignored: for pages, since others add parameters to links.
    Ignored,
}

impl QueryParameters {
    pub const NONE: Self = Self::Only(&[]);

    /// Rejects unknown and repeated parameters.
    pub(crate) fn check(self, request: &Request) -> Result<(), Problem> {
        let (Self::Only(known), Some(sent)) = (self, request.query_string_parameters_ref()) else { return Ok(()) };
        let mut names: Vec<_> = sent.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        let mut fields = FieldErrors::default();
        for same in names.chunk_by(|one, other| one == other) {
            let Some(name) = same.first() else { continue };
            // Escaped as in a JSON Pointer.
            let field = name.replace('~', "~0").replace('/', "~1");
            if !known.contains(name) {
                fields.push(&field, unknown(known));
            } else if same.len() > 1 {
                fields.push(&field, REPEATED);
            }
        }
        if fields.is_empty() { Ok(()) } else { Err(fields.problem()) }
    }
}

const REPEATED: &str = "send this parameter once";

fn unknown(known: &[&str]) -> String {
    let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
    match known.as_slice() {
        [] => "unknown parameter, there are none".to_owned(),
        [one] => format!("unknown parameter, expected {one}"),
        many => format!("unknown parameter, expected one of {}", many.join(", ")),
    }
}

/// Returns a query parameter, if it is present.
///
/// # Errors
/// A 400 if it is repeated.
pub fn query_parameter(request: &Request, name: &str) -> Result<Option<String>, Problem> {
    let parameters = request.query_string_parameters_ref();
    let values = parameters.and_then(|parameters| parameters.all(name)).unwrap_or_default();
    // API Gateway joins repeated parameters with commas in one of its two forms; none of ours contains one.
    match values.as_slice() {
        [] => Ok(None),
        [value] if !value.contains(',') => Ok(Some((*value).to_owned())),
        _ => Err(Problem::field(name, REPEATED)),
    }
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;
    use lambda_http::aws_lambda_events::query_map::QueryMap;

    use super::*;

    const PAGE: QueryParameters = QueryParameters::Only(&["limit", "cursor"]);

    fn request(query: &str) -> Request {
        Request::new(Body::Empty).with_query_string_parameters(query.parse::<QueryMap>().unwrap())
    }

    fn errors(accepted: QueryParameters, query: &str) -> Vec<(String, String)> {
        let errors = accepted.check(&request(query)).err().map(|problem| problem.errors).unwrap_or_default();
        errors.into_iter().map(|error| (error.pointer, error.detail)).collect()
    }

    #[test]
    fn known_parameters_are_accepted_once() {
        for query in ["", "limit=5", "limit=5&cursor=a", "cursor=", "&", "limit"] {
            assert_eq!(errors(PAGE, query), [], "{query}");
        }
        for query in ["limit=5&limit=5", "limit=5&limit=6&cursor=a", "limit&limit"] {
            assert_eq!(errors(PAGE, query), [("/limit".to_owned(), REPEATED.to_owned())], "{query}");
        }
    }

    #[test]
    fn unknown_parameters_are_all_reported() {
        let unknown = "unknown parameter, expected one of `limit`, `cursor`".to_owned();
        let expected =
            |pointers: &[&str]| pointers.iter().map(|name| ((*name).to_owned(), unknown.clone())).collect::<Vec<_>>();
        assert_eq!(errors(PAGE, "limit=5&Limit=6"), expected(&["/Limit"]));
        assert_eq!(errors(PAGE, "b=1&a=2&b=3"), expected(&["/a", "/b"]));
        assert_eq!(errors(PAGE, "a%2Fb~=1&=2&%FF=3"), expected(&["/", "/a~1b~0", "/\u{fffd}"]));
        let none = ("/a".to_owned(), "unknown parameter, there are none".to_owned());
        assert_eq!(errors(QueryParameters::NONE, "a=1"), [none]);
        assert_eq!(errors(QueryParameters::Ignored, "a=1&a=2"), []);
    }

    #[test]
    fn repeated_parameter_is_rejected() {
        assert_eq!(query_parameter(&request("limit=5"), "limit").unwrap().as_deref(), Some("5"));
        assert_eq!(query_parameter(&request("limit=5"), "cursor").unwrap(), None);
        for query in ["limit=5&limit=6", "limit=5,6"] {
            assert!(query_parameter(&request(query), "limit").is_err());
        }
    }
}
