//! The protocol of CloudFormation custom resources
//! (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html>).

use std::fmt::Display;
use std::future::Future;

use serde::{Deserialize, Serialize};

/// The resource is the set of signing keys, of which a deployment has one. The id never changes: CloudFormation would
/// take another one for a replacement, and delete the former.
const PHYSICAL_RESOURCE_ID: &str = "signing-keys";
/// CloudFormation reads no response above 4096 bytes; the other fields are short.
const MAX_REASON_CHARACTERS: usize = 512;

/// What CloudFormation asks.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Request {
    #[serde(rename = "RequestType")]
    pub(super) kind: RequestType,
    #[serde(rename = "ResponseURL")]
    pub(super) response_url: String,
    stack_id: String,
    #[serde(rename = "RequestId")]
    id: String,
    logical_resource_id: String,
    /// Not there in the request to create it.
    physical_resource_id: Option<String>,
}

/// What is to become of the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum RequestType {
    Create,
    Update,
    Delete,
}

/// What CloudFormation is answered, by a PUT to the URL in its request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Response {
    status: Status,
    physical_resource_id: String,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Status {
    Success,
    Failed,
}

impl Response {
    pub(super) fn new<E: Display>(request: &Request, outcome: Result<(), E>) -> Self {
        let reason = outcome.err().map(|error| error.to_string().chars().take(MAX_REASON_CHARACTERS).collect());
        Self {
            status: if reason.is_none() { Status::Success } else { Status::Failed },
            physical_resource_id: request.physical_resource_id.as_deref().unwrap_or(PHYSICAL_RESOURCE_ID).to_owned(),
            stack_id: request.stack_id.clone(),
            request_id: request.id.clone(),
            logical_resource_id: request.logical_resource_id.clone(),
            reason,
        }
    }
}

/// Delivers responses.
pub trait DeliverResponse {
    /// Puts the response where CloudFormation waits for it.
    fn deliver_response(
        &self,
        url: &str,
        response: &Response,
    ) -> impl Future<Output = Result<(), DeliveryFailed>> + Send;
}

/// CloudFormation was not answered, and waits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("CloudFormation could not be answered: {0}")]
pub struct DeliveryFailed(pub String);
