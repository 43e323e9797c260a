"""CloudFormation's resources of an HTTP API, whose routes are in an OpenAPI document, as SAM generates them."""

import secrets

from localstack.services.cloudformation.resource_provider import (
    OperationStatus,
    ProgressEvent,
    ResourceProvider,
    ResourceRequest,
)

from localstack_native.http_api.gateway import APIS
from localstack_native.http_api.routes import routes_of


class HttpApiProvider(ResourceProvider):
    TYPE = "AWS::ApiGatewayV2::Api"
    SCHEMA = {
        "typeName": TYPE,
        "properties": {"ApiId": {"type": "string"}, "ApiEndpoint": {"type": "string"}, "Body": {"type": "object"}},
        "primaryIdentifier": ["/properties/ApiId"],
        "readOnlyProperties": ["/properties/ApiId", "/properties/ApiEndpoint"],
        "createOnlyProperties": [],
    }

    def create(self, request: ResourceRequest) -> ProgressEvent:
        return self._put(request, secrets.token_hex(5))

    def update(self, request: ResourceRequest) -> ProgressEvent:
        return self._put(request, request.previous_state["ApiId"])

    def delete(self, request: ResourceRequest) -> ProgressEvent:
        APIS.pop((request.previous_state or request.desired_state)["ApiId"], None)
        return ProgressEvent(OperationStatus.SUCCESS, {})

    def _put(self, request: ResourceRequest, api_id: str) -> ProgressEvent:
        model = request.desired_state
        APIS[api_id] = routes_of(model.get("Body") or {})
        model["ApiId"] = api_id
        model["ApiEndpoint"] = f"https://{api_id}.execute-api.{request.region_name}.amazonaws.com"
        return ProgressEvent(OperationStatus.SUCCESS, model)


class StageProvider(ResourceProvider):
    """Accepts any stage, and changes nothing: every API is served as its stage $default is."""

    TYPE = "AWS::ApiGatewayV2::Stage"
    SCHEMA = {
        "typeName": TYPE,
        "properties": {"ApiId": {"type": "string"}, "StageName": {"type": "string"}},
        "primaryIdentifier": ["/properties/StageName"],
        "readOnlyProperties": [],
        "createOnlyProperties": ["/properties/ApiId", "/properties/StageName"],
    }

    def create(self, request: ResourceRequest) -> ProgressEvent:
        return ProgressEvent(OperationStatus.SUCCESS, request.desired_state)

    def update(self, request: ResourceRequest) -> ProgressEvent:
        return ProgressEvent(OperationStatus.SUCCESS, request.desired_state)

    def delete(self, _request: ResourceRequest) -> ProgressEvent:
        return ProgressEvent(OperationStatus.SUCCESS, {})
