"""CloudFormation's custom resources with a function as their service, which LocalStack accepts without calling it.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

import json
import secrets
import uuid
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress

from localstack import config
from localstack.http import Request, Response
from localstack.services.cloudformation.resource_provider import (
    OperationStatus,
    ProgressEvent,
    ResourceProvider,
    ResourceRequest,
)
from localstack.services.edge import ROUTER

# If the resource has no ServiceTimeout. In AWS it would be an hour.
DEFAULT_TIMEOUT_SECONDS = 60


class ServiceFailure(Exception):
    """The function reported FAILED, or did not respond in time."""


class CustomResourceProvider(ResourceProvider):
    """Serves every `Custom::*` type as well, for which LocalStack loads the provider of this one."""

    TYPE = "AWS::CloudFormation::CustomResource"
    # `Id` is the physical id, which is no property of the resource.
    SCHEMA = {
        "typeName": TYPE,
        "properties": {"Id": {"type": "string"}, "ServiceToken": {"type": "string"}},
        "primaryIdentifier": ["/properties/Id"],
        "readOnlyProperties": ["/properties/Id"],
        "createOnlyProperties": [],
    }

    def create(self, request: ResourceRequest) -> ProgressEvent:
        properties = request.desired_state
        return self._respond(properties, request, "Create", properties)

    def update(self, request: ResourceRequest) -> ProgressEvent:
        properties, previous = request.desired_state, request.previous_state
        event = self._respond(
            properties,
            request,
            "Update",
            properties,
            PhysicalResourceId=previous["Id"],
            OldResourceProperties=without_id(previous),
        )
        # A new physical id is a new resource, which replaces the old one.
        if event.status == OperationStatus.SUCCESS and event.resource_model["Id"] != previous["Id"]:
            self._respond({}, request, "Delete", previous, PhysicalResourceId=previous["Id"])
        return event

    def delete(self, request: ResourceRequest) -> ProgressEvent:
        properties = request.previous_state or request.desired_state
        # The function reported a failure, or nothing, when it was to create the resource.
        if "Id" not in properties:
            return ProgressEvent(OperationStatus.SUCCESS, {})
        return self._respond({}, request, "Delete", properties, PhysicalResourceId=properties["Id"])

    def _respond(
        self, model: dict, request: ResourceRequest, request_type: str, properties: dict, **details
    ) -> ProgressEvent:
        """Call the function. The resulting model is `model` with the physical id and the attributes returned."""
        try:
            response = call_service(request, request_type, properties, details)
        except ServiceFailure as failure:
            return ProgressEvent(OperationStatus.FAILED, {}, message=str(failure))
        attributes = response.get("Data") or {}
        return ProgressEvent(OperationStatus.SUCCESS, model | attributes | {"Id": response["PhysicalResourceId"]})


def call_service(request: ResourceRequest, request_type: str, properties: dict, details: dict) -> dict:
    """Send a request to the function of a custom resource, and return what it sends to the ResponseURL."""
    response: Future[dict] = Future()

    def receive(incoming: Request) -> Response:
        with suppress(InvalidStateError):
            response.set_result(json.loads(incoming.get_data()))
        return Response(status=200)

    path = f"/_custom_resource/{secrets.token_urlsafe(16)}"
    rule = ROUTER.add(path, receive, methods=["PUT"])
    try:
        event = {
            "RequestType": request_type,
            "ResponseURL": f"{config.external_service_url()}{path}",
            "StackId": request.stack_id,
            "RequestId": str(uuid.uuid4()),
            "ResourceType": request.resource_type,
            "LogicalResourceId": request.logical_resource_id,
            "ResourceProperties": without_id(properties),
        } | details
        request.aws_client_factory.lambda_.invoke(
            FunctionName=properties["ServiceToken"], InvocationType="Event", Payload=json.dumps(event).encode()
        )
        result = response.result(int(properties.get("ServiceTimeout", DEFAULT_TIMEOUT_SECONDS)))
    except TimeoutError:
        raise ServiceFailure("The function did not respond in time") from None
    finally:
        ROUTER.remove(rule)
    if result.get("Status") != "SUCCESS":
        raise ServiceFailure(result.get("Reason", "The function reported a failure without a reason"))
    if not result.get("PhysicalResourceId"):
        raise ServiceFailure("The function did not return a PhysicalResourceId")
    return result


def without_id(model: dict) -> dict:
    return {name: value for name, value in model.items() if name != "Id"}
