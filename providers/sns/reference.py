"""The reference path: botocore writes the Publish call and signs it, as boto3 would send it. Sending stays ours.

Several times as dear as `publish`. For whoever wants to tell whether a fault is ours: a setting picks it.
"""

from functools import cache
from typing import Any

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import create_request_object, prepare_request_dict
from botocore.serialize import QuerySerializer

from outgoing.types import HttpRequest
from providers.sns.access import Access
from providers.sns.payload import platform_payload, publish_attributes, publish_message
from providers.sns.publish import sns_endpoint
from providers.types import Push

_OURS = {"content-length", "host"}  # headers that the client writes


def publish_request(access: Access, push: Push) -> HttpRequest:
    """As `publish.publish_request`."""
    endpoint = sns_endpoint(push)
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
    headers = {name: _text(value) for name, value in prepared.headers.items() if name.lower() not in _OURS}
    return HttpRequest(prepared.url, headers, _bytes(prepared.body))


@cache
def _publish() -> Any:
    return botocore.session.get_session().get_service_model("sns").operation_model("Publish")


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
