"""The reference implementation: botocore writes the Publish call and signs it, as boto3 would send it.

The request is sent by the same client. It costs several times as much as `publish`. An operator chooses it by a
setting, to find out whether a fault is in pushhub's own implementation.
"""

from functools import cache
from typing import Any

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import create_request_object, prepare_request_dict
from botocore.serialize import QuerySerializer

from outgoing.types import HttpRequest
from providers.sns.access import access_get
from providers.sns.payload import platform_payload, publish_attributes, publish_message
from providers.sns.types import SnsCredentials, sns_endpoint
from providers.types import Push

_BY_CLIENT = {"content-length", "host"}  # headers that the HTTP client writes


def publish_request(credentials: SnsCredentials, push: Push) -> HttpRequest:
    """As `publish.publish_request`."""
    access, endpoint = access_get(credentials), sns_endpoint(push)
    attributes = publish_attributes(push, endpoint.platform).items()
    call = {
        "TargetArn": endpoint.endpoint_arn,
        "MessageStructure": "json",
        "Message": publish_message(push, endpoint.platform, platform_payload(push, endpoint.platform)),
        "MessageAttributes": {name: {"DataType": "String", "StringValue": value} for name, value in attributes},
    }
    serialized = QuerySerializer().serialize_to_request(call, _publish())
    prepare_request_dict(serialized, access.endpoint_url, context={})
    request = create_request_object(serialized)
    SigV4Auth(access.frozen_credentials(), "sns", access.source.region).add_auth(request)
    prepared = request.prepare()
    headers = {name: _text(value) for name, value in prepared.headers.items() if name.lower() not in _BY_CLIENT}
    return HttpRequest(prepared.url, headers, _bytes(prepared.body))


@cache
def _publish() -> Any:
    return botocore.session.get_session().get_service_model("sns").operation_model("Publish")


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
