//! One endpoint's operation.

use std::collections::BTreeMap;

use http_api::{ProblemType, problem_types};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::{Problem, Schemas};

/// The media type of a problem.
const PROBLEM: &str = "application/problem+json";

/// What an endpoint takes and answers.
#[derive(Debug)]
pub struct Endpoint {
    method: &'static str,
    path: &'static str,
    operation: Map<String, Value>,
    parameters: Vec<Value>,
    responses: BTreeMap<u16, Response>,
    refusals: Vec<&'static ProblemType>,
    schemas: Schemas,
}

/// What stands for one status.
#[derive(Debug)]
struct Response {
    description: String,
    /// Name -> its component.
    headers: BTreeMap<&'static str, &'static str>,
    content: Value,
}

impl Endpoint {
    /// An endpoint that anyone may ask. `id` is its name in generated clients; `summary` says what it does in a few words.
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
            refusals: vec![&problem_types::INTERNAL],
            schemas: Schemas::default(),
        };
        if method == "get" { endpoint } else { endpoint.problems(&[&problem_types::CROSS_SITE_REQUEST]) }
    }

    /// The same endpoint, with what there is to know beyond its summary.
    #[must_use]
    pub fn description(mut self, description: &str) -> Self {
        self.operation.insert("description".to_owned(), json!(description));
        self
    }

    /// The same endpoint, for signed-in people alone: by a bearer token or by the cookie.
    #[must_use]
    pub fn authenticated(mut self) -> Self {
        self.operation.insert("security".to_owned(), json!([{"bearer": []}, {"cookie": []}]));
        self.problems(&[&problem_types::UNAUTHENTICATED, &problem_types::UNAVAILABLE])
    }

    /// The same endpoint, for whoever passes another of the document's security schemes.
    #[must_use]
    pub fn secured_by(mut self, scheme: &str) -> Self {
        self.operation.insert("security".to_owned(), json!([{scheme: []}]));
        self
    }

    /// The same endpoint, which answers also those who are not signed in.
    #[must_use]
    pub fn optionally_authenticated(mut self) -> Self {
        self.operation.insert("security".to_owned(), json!([{"bearer": []}, {"cookie": []}, {}]));
        self.problems(&[&problem_types::UNAVAILABLE])
    }

    /// The same endpoint, for a body of this type. Each example has a name that says what it shows.
    #[must_use]
    pub fn request_body<T: ToSchema>(self, examples: &[(&str, Value)]) -> Self {
        self.body::<T>(true, examples)
    }

    /// The same endpoint, for a body of this type or for none.
    #[must_use]
    pub fn optional_request_body<T: ToSchema>(self, examples: &[(&str, Value)]) -> Self {
        self.body::<T>(false, examples)
    }

    fn body<T: ToSchema>(mut self, required: bool, examples: &[(&str, Value)]) -> Self {
        let schema = self.schemas.refer::<T>();
        let content = json!({"application/json": {"schema": schema, "examples": named(examples)}});
        self.operation.insert("requestBody".to_owned(), json!({"required": required, "content": content}));
        self.problems(&[
            &problem_types::INVALID_REQUEST,
            &problem_types::PAYLOAD_TOO_LARGE,
            &problem_types::UNSUPPORTED_MEDIA_TYPE,
        ])
    }

    /// The same endpoint with a part of its path that the client fills in.
    #[must_use]
    pub fn path_parameter(self, name: &str, description: &str, schema: &Value) -> Self {
        self.parameter("path", name, description, schema)
    }

    /// The same endpoint with a parameter in its query, which may be left out. Its example stands in the schema.
    #[must_use]
    pub fn query(self, name: &str, description: &str, schema: &Value) -> Self {
        self.parameter("query", name, description, schema).problems(&[&problem_types::INVALID_REQUEST])
    }

    /// The same endpoint with a header of the request that must be there.
    #[must_use]
    pub fn header(self, name: &str, description: &str, schema: &Value) -> Self {
        self.parameter("header", name, description, schema)
    }

    /// The same endpoint with a cookie, which may be left out.
    #[must_use]
    pub fn cookie(self, name: &str, description: &str, schema: &Value) -> Self {
        self.parameter("cookie", name, description, schema)
    }

    fn parameter(mut self, place: &str, name: &str, description: &str, schema: &Value) -> Self {
        let required = matches!(place, "path" | "header");
        let parameter =
            json!({"in": place, "name": name, "description": description, "required": required, "schema": schema});
        self.parameters.push(parameter);
        self
    }

    /// The same endpoint, for requests that may bear an idempotency key. `reused` is what refuses a key of another
    /// request.
    #[must_use]
    pub fn idempotent(mut self, reused: &'static ProblemType) -> Self {
        self.parameters.push(json!({"$ref": "#/components/parameters/IdempotencyKey"}));
        self.problems(&[&problem_types::INVALID_REQUEST, reused])
    }

    /// The same endpoint, which answers with a `T` when all went well.
    #[must_use]
    pub fn response<T: ToSchema>(mut self, status: u16, description: &str, example: &Value) -> Self {
        let schema = self.schemas.refer::<T>();
        self.json_response(status, description, &schema, example)
    }

    /// The same endpoint, which answers with a list of `T`.
    #[must_use]
    pub fn list_response<T: ToSchema>(mut self, status: u16, description: &str, example: &Value) -> Self {
        let schema = json!({"type": "array", "items": self.schemas.refer::<T>()});
        self.json_response(status, description, &schema, example)
    }

    /// The same endpoint, which answers with a generic `T`, called `name`.
    #[must_use]
    pub fn named_response<T: ToSchema>(mut self, name: &str, status: u16, description: &str, example: &Value) -> Self {
        let schema = self.schemas.refer_as::<T>(name);
        self.json_response(status, description, &schema, example)
    }

    /// The same endpoint, which answers with an `A` or with a `B`. Each example has a name that says which, and why.
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

    /// The same endpoint, which answers with a `T` in JSON that has a media type of its own.
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

    /// The same endpoint, which answers with something else than JSON.
    #[must_use]
    pub fn response_content(mut self, status: u16, description: &str, content: Value) -> Self {
        self.responses.insert(status, Response::new(description.to_owned(), content));
        self
    }

    /// The same endpoint, whose answer bears a header of `components/headers`.
    #[must_use]
    pub fn with_header(mut self, status: u16, name: &'static str, component: &'static str) -> Self {
        if let Some(response) = self.responses.get_mut(&status) {
            response.headers.insert(name, component);
        }
        self
    }

    /// The same endpoint, which refuses by these kinds of problem too.
    #[must_use]
    pub fn problems(mut self, refusals: &[&'static ProblemType]) -> Self {
        for kind in refusals {
            if !self.refusals.contains(kind) {
                self.refusals.push(kind);
            }
        }
        self
    }

    /// Adds the endpoint to the document's paths and schemas.
    pub fn write(mut self, paths: &mut Map<String, Value>, schemas: &mut Schemas) {
        let problem = self.schemas.refer::<Problem>();
        let mut by_status: BTreeMap<u16, Vec<&ProblemType>> = BTreeMap::new();
        for kind in &self.refusals {
            by_status.entry(kind.status).or_default().push(kind);
        }
        for (status, kinds) in by_status {
            self.responses.insert(status, Response::refusal(status, &kinds, &problem));
        }
        // What a key has been used for is answered again, whatever came of it.
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

    /// A problem, with the codes that it can have here.
    fn refusal(status: u16, kinds: &[&ProblemType], problem: &Value) -> Self {
        let codes: Vec<_> = kinds.iter().map(|kind| kind.code).collect();
        let titles: Vec<_> = kinds.iter().map(|kind| format!("`{}`: {}.", kind.code, kind.title)).collect();
        let examples: Map<_, _> =
            kinds.iter().map(|kind| (kind.code.to_owned(), json!({"value": example(kind)}))).collect();
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
        "detail": "What is so in this case, and what to do about it.",
        "instance": "/the/path/that/was/asked",
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
    fn a_status_names_every_code_that_it_can_have_there_and_no_other() {
        let operation = written(tea().problems(&[&TEAPOT, &KETTLE, &TEAPOT]));
        let of_these = &operation["responses"]["422"]["content"][PROBLEM]["schema"]["allOf"][1];
        assert_eq!(of_these["properties"], json!({"code": {"enum": ["teapot", "kettle"]}, "status": {"const": 422}}));
    }

    #[test]
    fn who_must_be_signed_in_is_told_how_and_can_be_refused() {
        let operation = written(tea().authenticated());
        assert_eq!(operation["security"], json!([{"bearer": []}, {"cookie": []}]));
        assert!(operation["responses"]["401"]["headers"]["WWW-Authenticate"].is_object());
        assert!(written(tea())["responses"].get("401").is_none());
    }

    #[test]
    fn a_change_can_be_refused_to_another_sites_page_and_reading_cannot() {
        let refusals = |method| {
            let mut paths = Map::new();
            Endpoint::new(method, "/tea", "Tea", "tea", "Tea").write(&mut paths, &mut Schemas::default());
            paths["/tea"][method]["responses"]["403"].clone()
        };
        for method in ["post", "patch", "delete"] {
            assert!(refusals(method).to_string().contains("cross_site_request"), "{method}");
        }
        assert_eq!(refusals("get"), Value::Null);
    }

    #[test]
    fn a_replay_may_be_any_answer_to_a_request_with_a_key() {
        let operation = written(tea().response::<Problem>(201, "Tea", &json!({})).idempotent(&TEAPOT));
        for status in ["201", "400", "422"] {
            assert!(operation["responses"][status]["headers"]["Idempotent-Replayed"].is_object(), "{status}");
        }
    }
}
