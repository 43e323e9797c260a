//! Requests and responses of CloudFormation custom resources
//! (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html>).

use std::fmt::Display;

use serde::{Deserialize, Serialize};

/// The physical id of the resource: the signing keys of the deployment. It is constant, since CloudFormation treats a
/// changed id as a replacement and deletes the previous resource.
const PHYSICAL_RESOURCE_ID: &str = "signing-keys";
/// CloudFormation rejects responses of more than 4096 bytes. The other fields are short.
const MAX_REASON_CHARACTERS: usize = 512;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CfnRequest {
    pub(super) request_type: RequestType,
    #[serde(rename = "ResponseURL")]
    pub(super) response_url: String,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
    /// Missing in a create request.
    physical_resource_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum RequestType {
    Create,
    Update,
    Delete,
}

/// The response, which is sent by a PUT request to the URL in the request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CfnResponse {
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

impl CfnResponse {
    pub(super) fn new<E: Display>(request: &CfnRequest, outcome: Result<(), E>) -> Self {
        let reason = outcome.err().map(|error| error.to_string().chars().take(MAX_REASON_CHARACTERS).collect());
        Self {
            status: if reason.is_none() { Status::Success } else { Status::Failed },
            physical_resource_id: request.physical_resource_id.as_deref().unwrap_or(PHYSICAL_RESOURCE_ID).to_owned(),
            stack_id: request.stack_id.clone(),
            request_id: request.request_id.clone(),
            logical_resource_id: request.logical_resource_id.clone(),
            reason,
        }
    }
}
