"""The SNS API: `POST /sns`. A form comes in, XML goes out, and every signature is checked."""

import asyncio
import json
import re
import uuid
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from sandbox.behaviour import OK, Behaviour, Step, reset, stall
from sandbox.journal import Journal
from sandbox.outage import Outage
from sandbox.sns.calls import CallLog, Delay, Quota, throttled
from sandbox.sns.credential_services import CredentialServices
from sandbox.sns.publish import Chosen, choose
from sandbox.sns.sigv4 import Identity, Keyring
from sandbox.sns.store import Endpoint, Store
from sandbox.sns.topics import Topics, delivery_failure
from sandbox.sns.wire import AwsError, Entries, attributes, invalid, parse_form, required, xml_error, xml_response

Fields = Mapping[str, str]
Result = dict[str, Any] | None
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]+\Z")
_UNSIGNED = frozenset({"ConfirmSubscription"})


class Sns:
    def __init__(self, *, origin: str, journal: Journal, outage: Outage) -> None:
        self.keyring = Keyring()
        self.store = Store()
        self.topics = Topics(origin=origin, journal=journal)
        self.calls = CallLog()
        self.quotas: dict[tuple[str, str], Quota] = {}
        self.delays: dict[str, Delay] = {}
        self.credential_services = CredentialServices(keyring=self.keyring, calls=self.calls, outage=outage)
        self._journal = journal
        self._outage = outage
        self._actions = {
            "CreatePlatformApplication": self._create_platform_application,
            "GetPlatformApplicationAttributes": self._get_platform_application_attributes,
            "SetPlatformApplicationAttributes": self._set_platform_application_attributes,
            "DeletePlatformApplication": self._delete_platform_application,
            "CreatePlatformEndpoint": self._create_platform_endpoint,
            "GetEndpointAttributes": self._get_endpoint_attributes,
            "SetEndpointAttributes": self._set_endpoint_attributes,
            "DeleteEndpoint": self._delete_endpoint,
            "ListEndpointsByPlatformApplication": self._list_endpoints,
            "ConfirmSubscription": self._confirm_subscription,
        }

    def routes(self) -> list[web.RouteDef]:
        certificate = self.topics.certificate
        return [
            web.post("/sns", self.receive),
            web.post("/sns/", self.receive),
            web.get("/sns/", self._subscribe_url),
            web.get(certificate.path, lambda _: _pem(certificate.pem)),
            web.get("/sandbox/ca.pem", lambda _: _pem(certificate.authority_pem)),
            *self.credential_services.routes(),
        ]

    async def close(self, _app: web.Application) -> None:
        await self.topics.close()

    async def receive(self, request: web.Request) -> web.Response:
        self._journal.counters["sns.requests"] += 1
        down = await self._outage.play(request, "sns")
        if down is not None:
            return down
        body = await request.read()
        action, identity, fields = "?", Identity("", "", ""), {}
        try:
            fields = parse_form(body)
            action = required(fields, "Action")
            if action not in _UNSIGNED or "Authorization" in request.headers:
                identity = self.keyring.verify(request, body, "sns")
            self.quotas.setdefault((identity.account, identity.region), Quota()).take(action)
            response = await self._act(request, action, identity, fields)
        except AwsError as error:
            self._refused(action, identity, fields, error)
            return xml_error("sns", error)
        self._log(action, identity, fields, "OK")
        return response

    async def _act(self, request: web.Request, action: str, identity: Identity, fields: Fields) -> web.Response:
        if action == "Publish":
            return await self._publish(request, identity, fields)
        if action not in self._actions:
            raise AwsError("InvalidAction", f"Could not find operation {action}", violation=True)
        delay = self.delays.get(action)
        if delay is not None and delay.when == "before":
            await asyncio.sleep(delay.seconds)
        result = self._actions[action](identity, fields)
        if delay is not None and delay.when == "after":
            await asyncio.sleep(delay.seconds)
        return xml_response("sns", action, result)

    # Publish

    async def _publish(self, request: web.Request, identity: Identity, fields: Fields) -> web.Response:
        if "TargetArn" not in fields:
            raise invalid("TargetArn", "the sandbox publishes to endpoints only, not to topics or phone numbers")
        endpoint = self.store.target(identity, fields["TargetArn"])
        behaviour = self.store.behaviour_for(endpoint)
        step = behaviour.next() if behaviour is not None else OK
        if step is not OK and await stall(request, step):
            return web.Response()
        chosen = choose(fields, endpoint.application.platform)
        _check_behaviour(endpoint, step)
        message_id = str(uuid.uuid4())
        self._catch(endpoint, chosen, message_id, delivered=step.name != "invalid")
        if step.name == "invalid":
            self._token_reported(endpoint, message_id)
        if step.name == "lost":
            return reset(request)
        return xml_response("sns", "Publish", {"MessageId": message_id})

    def _catch(self, endpoint: Endpoint, chosen: Chosen, message_id: str, *, delivered: bool) -> None:
        self._journal.catch(
            provider="sns",
            target=endpoint.arn,
            device=endpoint.token,
            user=self.store.users.get(endpoint.token, ""),
            message_id=message_id,
            headers={"platform_key": chosen.key, **chosen.attributes},
            plaintext=chosen.payload.encode(),
            delivered=delivered,
        )

    def _token_reported(self, endpoint: Endpoint, message_id: str) -> None:
        """The platform reported the token as not valid: disable the endpoint, notify the event topic, as SNS does."""
        endpoint.enabled = False
        text = "Platform token associated with the endpoint is not valid"
        self.delivery_failure(endpoint, message_id, "InvalidPlatformToken", text)

    def delivery_failure(
        self, endpoint: Endpoint, message_id: str, failure_type: str, text: str, *, copies: int = 1
    ) -> list[str]:
        """Send an EventDeliveryFailure to the application's topic. Returns the ids of the notifications."""
        topic = endpoint.application.attributes.get("EventDeliveryFailure", "")
        event = delivery_failure(endpoint.arn, message_id, failure_type, text)
        return self.topics.notify(topic, json.dumps(event), copies=copies)

    # control plane

    def _create_platform_application(self, identity: Identity, fields: Fields) -> Result:
        application = self.store.application_create(
            identity=identity,
            platform=required(fields, "Platform"),
            name=required(fields, "Name"),
            given=attributes(fields),
        )
        return {"PlatformApplicationArn": application.arn}

    def _get_platform_application_attributes(self, identity: Identity, fields: Fields) -> Result:
        application = self.store.application_get(identity, required(fields, "PlatformApplicationArn"))
        return {"Attributes": Entries(application.shown_attributes())}

    def _set_platform_application_attributes(self, identity: Identity, fields: Fields) -> Result:
        application = self.store.application_get(identity, required(fields, "PlatformApplicationArn"))
        application.attributes.update(attributes(fields))
        return None

    def _delete_platform_application(self, identity: Identity, fields: Fields) -> Result:
        self.store.application_delete(identity, required(fields, "PlatformApplicationArn"))
        return None

    def _create_platform_endpoint(self, identity: Identity, fields: Fields) -> Result:
        application = self.store.application_get(identity, required(fields, "PlatformApplicationArn"))
        given = attributes(fields)
        if "CustomUserData" in fields:
            given["CustomUserData"] = fields["CustomUserData"]
        token = required(fields, "Token")
        return {"EndpointArn": self.store.endpoint_create(application=application, token=token, given=given).arn}

    def _get_endpoint_attributes(self, identity: Identity, fields: Fields) -> Result:
        endpoint = self.store.endpoint_get(identity, required(fields, "EndpointArn"))
        return {"Attributes": Entries(endpoint.attributes())}

    def _set_endpoint_attributes(self, identity: Identity, fields: Fields) -> Result:
        endpoint = self.store.endpoint_get(identity, required(fields, "EndpointArn"))
        self.store.endpoint_set(endpoint=endpoint, given=attributes(fields))
        return None

    def _delete_endpoint(self, identity: Identity, fields: Fields) -> Result:
        self.store.endpoint_delete(identity, required(fields, "EndpointArn"))
        return None

    def _list_endpoints(self, identity: Identity, fields: Fields) -> Result:
        application = self.store.application_get(identity, required(fields, "PlatformApplicationArn"))
        token = fields.get("NextToken", "0")
        if not token.isdecimal():
            raise invalid("NextToken", "not a token of this list")
        page, following = self.store.endpoints_page(application, int(token))
        members = [{"EndpointArn": e.arn, "Attributes": Entries(e.attributes())} for e in page]
        return {"Endpoints": members} | ({"NextToken": str(following)} if following else {})

    def _confirm_subscription(self, _identity: Identity, fields: Fields) -> Result:
        arn = self.topics.confirm(required(fields, "TopicArn"), required(fields, "Token"))
        return {"SubscriptionArn": arn}

    async def _subscribe_url(self, request: web.Request) -> web.Response:
        """A GET of SubscribeURL confirms. No other action is allowed by GET."""
        fields = dict(request.query)
        try:
            if fields.get("Action") != "ConfirmSubscription":
                raise AwsError("InvalidAction", "Only SubscribeURL is visited by GET")
            result = self._confirm_subscription(Identity("", "", ""), fields)
        except AwsError as error:
            return xml_error("sns", error)
        self._log("ConfirmSubscription", Identity("", "", ""), fields, "OK")
        return xml_response("sns", "ConfirmSubscription", result)

    # control and log

    def behave(self, target: str, text: str) -> None:
        """Set the behaviour of an EndpointArn or a token. An APNs token may be in upper or lower case."""
        key = target.lower() if _HEXADECIMAL.match(target) else target
        self.store.behaviours[key] = Behaviour.parse(text)

    def clear(self) -> None:
        """Delete everything except the access keys."""
        self.store.clear()
        self.topics.clear()
        self.calls.reset()
        self.quotas.clear()
        self.delays.clear()
        self.credential_services.roles.clear()
        self.credential_services.parameters.clear()

    def _refused(self, action: str, identity: Identity, fields: Fields, error: AwsError) -> None:
        self._journal.counters[f"sns.refused.{error.code}"] += 1
        self._log(action, identity, fields, error.code)
        if error.violation:
            target = _target_of(fields)
            self._journal.violation(provider="sns", code=error.code, detail=f"{action}: {error.message}", target=target)

    def _log(self, action: str, identity: Identity, fields: Fields, code: str) -> None:
        self.calls.record(
            action=action, account=identity.account, region=identity.region, target=_target_of(fields), code=code
        )


def _check_behaviour(endpoint: Endpoint, step: Step) -> None:
    if step.name == "throttle":
        raise throttled()
    if step.name == "too_large":
        raise invalid("Message", "Message size is larger than supported by protocol/end-service", violation=False)
    if step.name in ("server_error", "unavailable"):
        status = 503 if step.name == "unavailable" else 500
        code = "ServiceUnavailable" if step.name == "unavailable" else "InternalError"
        raise AwsError(code, "An internal error occurred", status=status)
    if step.name == "forbidden":
        raise AwsError("AuthorizationError", "Not authorized to publish to this endpoint", status=403)
    if step.name == "not_found":
        raise invalid("TargetArn", "No endpoint found for the target arn specified", violation=False)
    if not endpoint.application.enabled:
        raise AwsError("PlatformApplicationDisabled", "Platform application is disabled")
    if step.name == "gone" or not endpoint.enabled:
        raise AwsError("EndpointDisabled", "Endpoint is disabled")


def _target_of(fields: Fields) -> str:
    for name in ("EndpointArn", "TargetArn", "PlatformApplicationArn", "TopicArn"):
        if name in fields:
            return fields[name]
    return ""


async def _pem(content: bytes) -> web.Response:
    return web.Response(body=content, content_type="application/x-pem-file")
