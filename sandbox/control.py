"""The JSON control API under /sandbox/: mint devices and accounts, read caught messages, request faults."""

import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from sandbox.behaviour import Behaviour
from sandbox.journal import Caught, Journal
from sandbox.outage import Outage
from sandbox.push_service import PushService
from sandbox.sns.calls import Delay, Quota
from sandbox.sns.credential_services import Role
from sandbox.sns.service import Sns
from sandbox.sns.sigv4 import Identity
from sandbox.sns.store import PLATFORMS, partition_of

DEFAULT_ACCOUNT = "111122223333"
DEFAULT_REGION = "eu-west-1"
LIMIT = 10_000
Options = dict[str, Any]
_FILTERS = {"endpoint": "target", "target": "target", "token": "device", "user": "user", "provider": "provider"}


def _json_handler(act: Callable[[Options], dict[str, Any]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler around a function from JSON object to JSON object. ValueError and KeyError become a 400."""

    async def handler(request: web.Request) -> web.Response:
        try:
            options = json.loads(await request.read() or b"{}")
            if not isinstance(options, dict):
                raise ValueError("the body must be a JSON object")
            return web.json_response(act(options))
        except KeyError as error:
            return web.json_response({"error": f"{error.args[0]} is required"}, status=400)
        except (ValueError, TypeError) as error:
            return web.json_response({"error": str(error)}, status=400)

    return handler


class Control:
    def __init__(self, *, journal: Journal, push: PushService, sns: Sns, outage: Outage) -> None:
        self._journal = journal
        self._push = push
        self._sns = sns
        self._outage = outage

    def routes(self) -> list[web.RouteDef]:
        posts = {
            "devices/web": self._mint_web,
            "devices/sns": self._mint_sns,
            "behaviours": self._behave,
            "outage": self._begin_outage,
            "reset": self._reset,
            "sns/applications": self._mint_application,
            "sns/credentials": self._mint_credentials,
            "sns/roles": self._mint_role,
            "sns/topics": self._mint_topic,
            "sns/subscriptions": self._subscribe,
            "sns/events": self._send_event,
            "sns/settings": self._set,
            "sns/quotas": self._set_quota,
            "sns/delays": self._set_delay,
            "ssm/parameters": self._set_parameter,
        }
        return [
            *(web.post(f"/sandbox/{path}", _json_handler(act)) for path, act in posts.items()),
            web.get("/sandbox/messages", self._messages),
            web.get("/sandbox/violations", self._violations),
            web.get("/sandbox/counters", self._counters),
            web.get("/sandbox/accounting", self._accounting),
            web.get("/sandbox/sns/calls", self._calls),
        ]

    # devices

    def _mint_web(self, options: Options) -> dict[str, Any]:
        return {"subscriptions": [subscription.as_json() for subscription in self._push.subscriptions.mint(options)]}

    def _mint_sns(self, options: Options) -> dict[str, Any]:
        platform, count = options.get("platform", "APNS"), options.get("count", 1)
        if platform not in PLATFORMS or not isinstance(count, int) or not 1 <= count <= LIMIT:
            raise ValueError(f"platform is one of {sorted(PLATFORMS)}, count between 1 and {LIMIT}")
        tokens = [_token(platform) for _ in range(count)]
        for token in tokens:
            self._sns.store.users[token] = str(options.get("user", ""))
            if "behaviour" in options:
                self._sns.behave(token, str(options["behaviour"]))
        return {"platform": platform, "tokens": tokens}

    def _behave(self, options: Options) -> dict[str, Any]:
        """`target` is a push URL, an EndpointArn or a token; `targets` is a list of them."""
        targets, text = (
            [str(target) for target in options.get("targets") or [options["target"]]],
            str(options["behaviour"]),
        )
        for target in targets:
            self._behave_one(target, text)
        return {"targets": len(targets), "behaviour": text}

    def _behave_one(self, target: str, text: str) -> None:
        subscription = self._push.subscriptions.by_url(target)
        if subscription is not None:
            subscription.behaviour = Behaviour.parse(text)
        elif target.startswith(("http:", "https:")):
            raise ValueError("there is no such subscription")
        else:
            self._sns.behave(target, text)

    def _begin_outage(self, options: Options) -> dict[str, Any]:
        scope, status, seconds = options.get("scope", "all"), str(options.get("status", 503)), float(options["seconds"])
        self._outage.begin(scope=scope, status=status, seconds=seconds)
        return {"scope": scope, "status": status, "seconds": seconds}

    def _reset(self, options: Options) -> dict[str, Any]:
        """Delete the records and end the outage. `devices`: also subscriptions and all of SNS except access keys."""
        self._journal.reset()
        self._sns.calls.reset()
        self._outage.begin(scope="all", status="503", seconds=0)
        if options.get("devices"):
            self._push.subscriptions.clear()
            self._sns.clear()
        return {"cursor": self._journal.cursor}

    # AWS

    def _mint_application(self, options: Options) -> dict[str, Any]:
        identity = _identity(options)
        application = self._sns.store.application_create(
            identity=identity,
            platform=options.get("platform", "APNS"),
            name=options.get("name") or f"app-{secrets.token_hex(4)}",
            given={"PlatformCredential": "sandbox"},
        )
        return {"arn": application.arn, **self._mint_credentials(options)}

    def _mint_credentials(self, options: Options) -> dict[str, Any]:
        """The secret is returned because it is valid in this process only."""
        identity = _identity(options)
        issued = self._sns.keyring.issue(account=identity.account, principal=identity.principal)
        keys = {"access_key_id": issued.access_key_id, "secret_access_key": issued.secret_access_key}
        return {"account": identity.account, "region": identity.region, **keys}

    def _mint_role(self, options: Options) -> dict[str, Any]:
        account = _identity(options).account
        arn = f"arn:aws:iam::{account}:role/{options.get('name', 'push')}"
        self._sns.credential_services.roles[arn] = Role(arn, account, str(options.get("external_id", "")))
        return {"arn": arn, "account": account}

    def _mint_topic(self, options: Options) -> dict[str, Any]:
        """With `application_arn`, the application's delivery failures are sent to the topic."""
        identity = _identity(options)
        prefix = f"arn:{partition_of(identity.region)}:sns:{identity.region}:{identity.account}"
        name = options.get("name") or f"events-{secrets.token_hex(4)}"
        topic = self._sns.topics.create(f"{prefix}:{name}", str(options.get("signature_version", "1")))
        if "application_arn" in options:
            application = self._sns.store.applications.get(str(options["application_arn"]))
            if application is None:
                raise ValueError("there is no such application_arn")
            application.attributes["EventDeliveryFailure"] = topic.arn
        certificate = self._sns.topics.certificate.path
        return {"arn": topic.arn, "signature_version": topic.signature_version, "signing_cert_path": certificate}

    def _subscribe(self, options: Options) -> dict[str, Any]:
        subscription = self._sns.topics.subscribe(str(options["topic_arn"]), str(options["url"]))
        return {"arn": subscription.arn}

    def _send_event(self, options: Options) -> dict[str, Any]:
        """An EventDeliveryFailure without a push; `copies` sends the same notification several times."""
        endpoint = self._sns.store.endpoints.get(str(options["endpoint_arn"]))
        if endpoint is None:
            raise ValueError("there is no such endpoint_arn")
        sent = self._sns.delivery_failure(
            endpoint,
            str(options.get("message_id", "")),
            str(options.get("failure_type", "InvalidPlatformToken")),
            str(options.get("failure_message", "Platform token associated with the endpoint is not valid")),
            copies=int(options.get("copies", 1)),
        )
        return {"sent": sent}

    def _set(self, options: Options) -> dict[str, Any]:
        store, topics = self._sns.store, self._sns.topics
        store.stale_token_quota = int(options.get("stale_token_quota", store.stale_token_quota))
        topics.retry_seconds = float(options.get("callback_retry_seconds", topics.retry_seconds))
        return {"stale_token_quota": store.stale_token_quota, "callback_retry_seconds": topics.retry_seconds}

    def _set_quota(self, options: Options) -> dict[str, Any]:
        identity = _identity(options)
        code = options.get("code", "Throttling")
        if code not in ("Throttling", "Throttled"):
            raise ValueError("code is Throttling (400) or Throttled (429)")
        quota = Quota(_rate(options, "publish_per_second"), _rate(options, "control_per_second"), code)
        self._sns.quotas[identity.account, identity.region] = quota
        return {"publish_per_second": quota.publish_per_second, "control_per_second": quota.control_per_second}

    def _set_delay(self, options: Options) -> dict[str, Any]:
        action, when, seconds = str(options["action"]), options.get("when", "after"), float(options["seconds"])
        if when not in ("before", "after") or not 0 <= seconds <= 600:
            raise ValueError("when is before or after, seconds between 0 and 600")
        self._sns.delays[action] = Delay(seconds, when)
        return {"action": action, "seconds": seconds, "when": when}

    def _set_parameter(self, options: Options) -> dict[str, Any]:
        identity, name = _identity(options), str(options["name"])
        self._sns.credential_services.parameters[identity.account, identity.region, name] = str(options["value"])
        return {"name": name, "account": identity.account, "region": identity.region}

    # reading

    async def _messages(self, request: web.Request) -> web.Response:
        query = request.query
        wanted = {_FILTERS[name]: value for name, value in query.items() if name in _FILTERS}

        def matches(caught: Caught) -> bool:
            return all(getattr(caught, name) == value for name, value in wanted.items())

        limit = min(_number(query.get("limit"), 1_000), LIMIT)
        found, cursor = self._journal.messages(since=_number(query.get("since"), 0), limit=limit, where=matches)
        return web.json_response({"messages": [caught.as_json() for caught in found], "cursor": cursor})

    async def _violations(self, request: web.Request) -> web.Response:
        return web.json_response({"violations": self._journal.violations(since=_number(request.query.get("since"), 0))})

    async def _counters(self, _request: web.Request) -> web.Response:
        counters = dict(sorted(self._journal.counters.items()))
        sizes = {"subscriptions": len(self._push.subscriptions), "sns_endpoints": len(self._sns.store.endpoints)}
        return web.json_response({"counters": counters, "cursor": self._journal.cursor, **sizes})

    async def _accounting(self, _request: web.Request) -> web.Response:
        return web.json_response(self._journal.accounting())

    async def _calls(self, request: web.Request) -> web.Response:
        return web.json_response(self._sns.calls.as_json(since=_number(request.query.get("since"), 0)))


def _identity(options: Options) -> Identity:
    account, region = str(options.get("account", DEFAULT_ACCOUNT)), str(options.get("region", DEFAULT_REGION))
    if len(account) != 12 or not account.isdecimal():
        raise ValueError("account must be 12 digits")
    return Identity(account, f"arn:aws:iam::{account}:user/sandbox", region)


def _token(platform: str) -> str:
    return secrets.token_hex(32) if platform.startswith(("APNS", "MACOS")) else f"sandbox:{secrets.token_urlsafe(100)}"


def _rate(options: Options, name: str) -> float | None:
    return None if options.get(name) is None else float(options[name])


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdecimal() and len(text) < 16 else default
