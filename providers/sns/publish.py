"""One Publish call as a signed HTTP request, by the AWS query protocol: the only one that SNS's service model names."""

from outgoing.types import HttpRequest
from providers.sns.access import access_get
from providers.sns.form import form_encode, form_quote
from providers.sns.payload import platform_payload, publish_attributes, publish_message
from providers.sns.sigv4 import sign
from providers.sns.types import SnsCredentials, sns_endpoint
from providers.template import fill
from providers.types import Push


def publish_request(credentials: SnsCredentials, push: Push) -> HttpRequest:
    """Raises VendorRetry, VendorMisconfigured: there are no credentials to sign with."""
    access = access_get(credentials)
    endpoint = sns_endpoint(push)
    address = form_quote(endpoint.endpoint_arn)
    body = fill(push, name=f"{endpoint.platform} form", variant=push.ttl, make=_form, address=address)
    url = access.endpoint_url
    return HttpRequest(url, sign(access.frozen_credentials(), region=access.source.region, url=url, body=body), body)


def _form(push: Push) -> bytes:
    endpoint = sns_endpoint(push)
    payload = platform_payload(push, endpoint.platform)
    parameters = [
        ("Action", "Publish"),
        ("Version", "2010-03-31"),
        ("TargetArn", endpoint.endpoint_arn),
        ("MessageStructure", "json"),
        ("Message", publish_message(push, endpoint.platform, payload)),
    ]
    for number, (name, value) in enumerate(publish_attributes(push, endpoint.platform).items(), start=1):
        entry = f"MessageAttributes.entry.{number}"
        parameters += [
            (f"{entry}.Name", name),
            (f"{entry}.Value.DataType", "String"),
            (f"{entry}.Value.StringValue", value),
        ]
    return form_encode(parameters)
