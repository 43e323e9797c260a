//! The OpenAPI operation of an endpoint.

use std::collections::BTreeMap;

use http_api::{ProblemType, TokenCookies, problem_types};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::{Problem, Schemas};

/// The media type of a problem.
const PROBLEM: &str = "application/problem+json";

/// An endpoint's operation, built up by the methods below.
#[derive(Debug)]
pub struct Endpoint {
    method: &'static str,
    path: &'static str,
    operation: Map<String, Value>,
    parameters: Vec<Value>,
    responses: BTreeMap<u16, Response>,
    problems: Vec<&'static ProblemType>,
    schemas: Schemas,
}

/// The response for one status.
#[derive(Debug)]
struct Response {
    description: String,
    /// Header name -> its component.
    headers: BTreeMap<&'static str, &'static str>,
    content: Value,
}

impl Endpoint {
    /// Creates an unauthenticated operation. `id` is its name in generated clients.
    pub fn new(method: &'static str, path: &'static str, tag: &str, id: &str, summary: &str) -> Self {
        let mut operation = Map::new();
        operation.insert("tags".to_owned(), json!([tag]));
        operation.insert("operationId".to_owned(), json!(id));
        operation.insert("summary".to_owned(), json!(summary));
        operation.insert("security".to_owned(), json!([]));
        let endpoint = Self {
            method,
            path,
            operation,
            parameters: Vec::new(),
            responses: BTreeMap::new(),
            // Any request can be malformed.
            problems: vec![&problem_types::INVALID_REQUEST, &problem_types::INTERNAL],
            schemas: Schemas::default(),
        };
        if method == "get" { endpoint } else { endpoint.problems(&[&problem_types::CROSS_SITE_REQUEST]) }
    }

    #[must_use]
    pub fn description(mut self, description: &str) -> Self {
        self.operation.insert("description".to_owned(), json!(description));
        self
    }

    /// Requires an access token, as a bearer token or in the cookie, whose name depends on whether the deployment has TLS.
    #[must_use]
    pub fn authenticated(mut self) -> Self {
        self.operation.insert("security".to_owned(), json!([{"bearer": []}, {"secureCookie": []}, {"cookie": []}]));
        self.problems(&[&problem_types::UNAUTHENTICATED, &problem_types::UNAVAILABLE])
    }

    /// Requires another of the document's security schemes.
    #[must_use]
    pub fn secured_by(mut self, scheme: &str) -> Self {
        self.operation.insert("security".to_owned(), json!([{scheme: []}]));
        self
    }

    /// Accepts an access token, but does not require one.
    #[must_use]
    pub fn optionally_authenticated(mut self) -> Self {
        self.operation.insert("security".to_owned(), json!([{"bearer": []}, {"secureCookie": []}, {"cookie": []}, {}]));
        self.problems(&[&problem_types::UNAUTHENTICATED, &problem_types::UNAVAILABLE])
    }

    /// Requires a body of type `T`. Each example has a name.
    #[must_use]
    pub fn request_body<T: ToSchema>(self, examples: &[(&str, Value)]) -> Self {
        self.body::<T>(true, examples)
    }

    /// Accepts an optional body of type `T`.
    #[must_use]
    pub fn optional_request_body<T: ToSchema>(self, examples: &[(&str, Value)]) -> Self {
        self.body::<T>(false, examples)
    }

    fn body<T: ToSchema>(mut self, required: bool, examples: &[(&str, Value)]) -> Self {
        let schema = self.schemas.refer::<T>();
        let content = json!({"application/json": {"schema": schema, "examples": named(examples)}});
        self.operation.insert("requestBody".to_owned(), json!({"required": required, "content": content}));
        self.problems(&[&problem_types::PAYLOAD_TOO_LARGE, &problem_types::UNSUPPORTED_MEDIA_TYPE])
    }

    #[must_use]
    pub fn path_parameter(self, name: &str, description: &str, schema: &Value) -> Self {
        self.parameter("path", name, description, schema)
    }

    /// Adds an optional query parameter.
    #[must_use]
    pub fn query(self, name: &str, description: &str, schema: &Value) -> Self {
        self.parameter("query", name, description, schema)
    }

    /// Adds a required header.
    #[must_use]
    pub fn header(self, name: &str, description: &str, schema: &Value) -> Self {
        self.parameter("header", name, description, schema)
    }

    /// Adds the optional cookie with a refresh token, under both of its names.
    #[must_use]
    pub fn refresh_token_cookie(self, description: &str) -> Self {
        let schema = json!({"type": "string"});
        let without_tls = format!("{description} The name on deployments without TLS.");
        self.parameter("cookie", TokenCookies::PREFIXED.refresh_token, description, &schema).parameter(
            "cookie",
            TokenCookies::PLAIN.refresh_token,
            &without_tls,
            &schema,
        )
    }

    fn parameter(mut self, place: &str, name: &str, description: &str, schema: &Value) -> Self {
        let required = matches!(place, "path" | "header");
        let parameter =
            json!({"in": place, "name": name, "description": description, "required": required, "schema": schema});
        self.parameters.push(parameter);
        self
    }

    /// Accepts an `Idempotency-Key`. `reused` is the problem for a key that was used with a different payload.
    #[must_use]
    pub fn idempotent(mut self, reused: &'static ProblemType) -> Self {
        self.parameters.push(json!({"$ref": "#/components/parameters/IdempotencyKey"}));
        self.problems(&[reused])
    }

    #[must_use]
    pub fn response<T: ToSchema>(mut self, status: u16, description: &str, example: &Value) -> Self {
        let schema = self.schemas.refer::<T>();
        self.json_response(status, description, &schema, example)
    }

    /// Adds a response with an array of `T`.
    #[must_use]
    pub fn list_response<T: ToSchema>(mut self, status: u16, description: &str, example: &Value) -> Self {
        let schema = json!({"type": "array", "items": self.schemas.refer::<T>()});
        self.json_response(status, description, &schema, example)
    }

    /// Adds a response with a generic `T`, whose schema is called `name`.
    #[must_use]
    pub fn named_response<T: ToSchema>(mut self, name: &str, status: u16, description: &str, example: &Value) -> Self {
        let schema = self.schemas.refer_as::<T>(name);
        self.json_response(status, description, &schema, example)
    }

    /// Adds a response with an `A` or a `B`. Each example has a name.
    #[must_use]
    pub fn either_response<A: ToSchema, B: ToSchema>(
        mut self,
        status: u16,
        description: &str,
        examples: &[(&str, Value)],
    ) -> Self {
        let either = json!({"anyOf": [self.schemas.refer::<A>(), self.schemas.refer::<B>()]});
        let content = json!({"application/json": {"schema": either, "examples": named(examples)}});
        self.response_content(status, description, content)
    }

    /// Adds a response with a `T` in JSON that has its own media type.
    #[must_use]
    pub fn response_in<T: ToSchema>(
        mut self,
        media_type: &str,
        status: u16,
        description: &str,
        example: &Value,
    ) -> Self {
        let schema = self.schemas.refer::<T>();
        self.response_content(status, description, content(media_type, &schema, example))
    }

    fn json_response(self, status: u16, description: &str, schema: &Value, example: &Value) -> Self {
        self.response_content(status, description, content("application/json", schema, example))
    }

    /// Adds a response that is not JSON.
    #[must_use]
    pub fn response_content(mut self, status: u16, description: &str, content: Value) -> Self {
        self.responses.insert(status, Response::new(description.to_owned(), content));
        self
    }

    /// Adds a header of `components/headers` to a response.
    #[must_use]
    pub fn with_header(mut self, status: u16, name: &'static str, component: &'static str) -> Self {
        if let Some(response) = self.responses.get_mut(&status) {
            response.headers.insert(name, component);
        }
        self
    }

    /// Adds problem types that the operation may return.
    #[must_use]
    pub fn problems(mut self, problems: &[&'static ProblemType]) -> Self {
        for problem_type in problems {
            if !self.problems.contains(problem_type) {
                self.problems.push(problem_type);
            }
        }
        self
    }

    /// Adds the operation to the document.
    pub fn write(mut self, paths: &mut Map<String, Value>, schemas: &mut Schemas) {
        let problem = self.schemas.refer::<Problem>();
        let mut by_status: BTreeMap<u16, Vec<&ProblemType>> = BTreeMap::new();
        for problem_type in &self.problems {
            by_status.entry(problem_type.status).or_default().push(problem_type);
        }
        for (status, problem_types) in by_status {
            self.responses.insert(status, Response::problem(status, &problem_types, &problem));
        }
        // A replay may return any response of the first request.
        if self.parameters.iter().any(|parameter| parameter.get("$ref").is_some()) {
            for response in self.responses.values_mut() {
                response.headers.insert("Idempotent-Replayed", "IdempotentReplayed");
            }
        }
        let responses: Map<_, _> =
            self.responses.into_iter().map(|(status, response)| (status.to_string(), response.into_json())).collect();
        self.operation.insert("responses".to_owned(), Value::Object(responses));
        if !self.parameters.is_empty() {
            self.operation.insert("parameters".to_owned(), Value::Array(self.parameters));
        }
        let methods = paths.entry(self.path).or_insert_with(|| json!({}));
        if let Some(methods) = methods.as_object_mut() {
            methods.insert(self.method.to_owned(), Value::Object(self.operation));
        }
        schemas.extend(self.schemas);
    }
}

impl Response {
    fn new(description: String, content: Value) -> Self {
        Self { description, headers: BTreeMap::from([("Request-Id", "RequestId")]), content }
    }

    /// A problem response with the codes that this status can have here.
    fn problem(status: u16, problem_types: &[&ProblemType], problem: &Value) -> Self {
        let codes: Vec<_> = problem_types.iter().map(|problem_type| problem_type.code).collect();
        let titles: Vec<_> = problem_types
            .iter()
            .map(|problem_type| format!("`{}`: {}.", problem_type.code, problem_type.title))
            .collect();
        let examples: Map<_, _> = problem_types
            .iter()
            .map(|problem_type| (problem_type.code.to_owned(), json!({"value": example(problem_type)})))
            .collect();
        let of_these = json!({"properties": {"code": {"enum": codes}, "status": {"const": status}}});
        let content = json!({PROBLEM: {"schema": {"allOf": [problem, of_these]}, "examples": examples}});
        let mut response = Self::new(titles.join(" "), content);
        match status {
            401 => response.headers.insert("WWW-Authenticate", "WwwAuthenticate"),
            429 | 503 => response.headers.insert("Retry-After", "RetryAfter"),
            _ => None,
        };
        response
    }

    fn into_json(self) -> Value {
        let refer = |component| json!({"$ref": format!("#/components/headers/{component}")});
        let headers: Map<_, _> =
            self.headers.into_iter().map(|(name, component)| (name.to_owned(), refer(component))).collect();
        json!({"description": self.description, "headers": headers, "content": self.content})
    }
}

fn named(examples: &[(&str, Value)]) -> Map<String, Value> {
    examples.iter().map(|(name, value)| ((*name).to_owned(), json!({"value": value}))).collect()
}

fn content(media_type: &str, schema: &Value, example: &Value) -> Value {
    json!({media_type: {"schema": schema, "examples": {"example": {"value": example}}}})
}

fn example(kind: &ProblemType) -> Value {
    json!({
        "type": format!("urn:problem:{}", kind.code),
        "title": kind.title,
        "status": kind.status,
        "detail": "An explanation of this occurrence.",
        "instance": "/the/path/of/the/request",
        "code": kind.code,
        "retryable": kind.retryable,
        "requestId": "8f0c5d52-6a0e-4b55-9d1e-2f6f3a1c7b90",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEAPOT: ProblemType = ProblemType { code: "teapot", status: 422, title: "It is a teapot", retryable: false };
    const KETTLE: ProblemType = ProblemType { code: "kettle", status: 422, title: "It is a kettle", retryable: false };

    fn written(endpoint: Endpoint) -> Value {
        let mut paths = Map::new();
        endpoint.write(&mut paths, &mut Schemas::default());
        paths["/tea"]["post"].clone()
    }

    fn tea() -> Endpoint {
        Endpoint::new("post", "/tea", "Tea", "makeTea", "Makes tea")
    }

    #[test]
    fn status_lists_exactly_its_problem_codes() {
        let operation = written(tea().problems(&[&TEAPOT, &KETTLE, &TEAPOT]));
        let of_these = &operation["responses"]["422"]["content"][PROBLEM]["schema"]["allOf"][1];
        assert_eq!(of_these["properties"], json!({"code": {"enum": ["teapot", "kettle"]}, "status": {"const": 422}}));
    }

    #[test]
    fn authenticated_operation_documents_401() {
        let operation = written(tea().authenticated());
        assert_eq!(operation["security"], json!([{"bearer": []}, {"secureCookie": []}, {"cookie": []}]));
        assert!(operation["responses"]["401"]["headers"]["WWW-Authenticate"].is_object());
        assert!(written(tea())["responses"].get("401").is_none());
    }

    #[test]
    fn only_unsafe_methods_document_cross_site_rejection() {
        let problems = |method| {
            let mut paths = Map::new();
            Endpoint::new(method, "/tea", "Tea", "tea", "Tea").write(&mut paths, &mut Schemas::default());
            paths["/tea"][method]["responses"]["403"].clone()
        };
        for method in ["post", "patch", "delete"] {
            assert!(problems(method).to_string().contains("cross_site_request"), "{method}");
        }
        assert_eq!(problems("get"), Value::Null);
    }

    #[test]
    fn keyed_operation_documents_replay_on_every_status() {
        let operation = written(tea().response::<Problem>(201, "Tea", &json!({})).idempotent(&TEAPOT));
        for status in ["201", "400", "422"] {
            assert!(operation["responses"][status]["headers"]["Idempotent-Replayed"].is_object(), "{status}");
        }
    }
}
