"""The JSON control API under /sandbox/: mint devices and accounts, read what was caught, order faults."""

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
from sandbox.sns.neighbours import Role
from sandbox.sns.service import Sns
from sandbox.sns.sigv4 import Identity
from sandbox.sns.store import PLATFORMS, partition_of

DEFAULT_ACCOUNT = "111122223333"
DEFAULT_REGION = "eu-west-1"
LIMIT = 10_000
Wish = dict[str, Any]
_FILTERS = {"endpoint": "target", "target": "target", "token": "device", "user": "user", "provider": "provider"}


def _answering(act: Callable[[Wish], dict[str, Any]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler around a plain function: JSON object in, JSON out; ValueError and KeyError become a 400."""

    async def handler(request: web.Request) -> web.Response:
        try:
            wish = json.loads(await request.read() or b"{}")
            if not isinstance(wish, dict):
                raise ValueError("the body must be a JSON object")
            return web.json_response(act(wish))
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
            *(web.post(f"/sandbox/{path}", _answering(act)) for path, act in posts.items()),
            web.get("/sandbox/messages", self._messages),
            web.get("/sandbox/violations", self._violations),
            web.get("/sandbox/counters", self._counters),
            web.get("/sandbox/accounting", self._accounting),
            web.get("/sandbox/sns/calls", self._calls),
        ]

    # devices

    def _mint_web(self, wish: Wish) -> dict[str, Any]:
        return {"subscriptions": [subscription.as_json() for subscription in self._push.subscriptions.mint(wish)]}

    def _mint_sns(self, wish: Wish) -> dict[str, Any]:
        platform, count = wish.get("platform", "APNS"), wish.get("count", 1)
        if platform not in PLATFORMS or not isinstance(count, int) or not 1 <= count <= LIMIT:
            raise ValueError(f"platform is one of {sorted(PLATFORMS)}, count between 1 and {LIMIT}")
        tokens = [_token(platform) for _ in range(count)]
        for token in tokens:
            self._sns.store.users[token] = str(wish.get("user", ""))
            if "behaviour" in wish:
                self._sns.behave(token, str(wish["behaviour"]))
        return {"platform": platform, "tokens": tokens}

    def _behave(self, wish: Wish) -> dict[str, Any]:
        """`target`: a push URL, an EndpointArn or a token; or `targets`, many of them."""
        targets, text = [str(target) for target in wish.get("targets") or [wish["target"]]], str(wish["behaviour"])
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

    def _begin_outage(self, wish: Wish) -> dict[str, Any]:
        scope, status, seconds = wish.get("scope", "all"), str(wish.get("status", 503)), float(wish["seconds"])
        self._outage.begin(scope=scope, status=status, seconds=seconds)
        return {"scope": scope, "status": status, "seconds": seconds}

    def _reset(self, wish: Wish) -> dict[str, Any]:
        """Messages, violations, counters, outage; with `devices` also subscriptions and all of SNS but access keys."""
        self._journal.reset()
        self._sns.calls.reset()
        self._outage.begin(scope="all", status="503", seconds=0)
        if wish.get("devices"):
            self._push.subscriptions.clear()
            self._sns.clear()
        return {"cursor": self._journal.cursor}

    # AWS

    def _mint_application(self, wish: Wish) -> dict[str, Any]:
        identity = _identity(wish)
        application = self._sns.store.application_create(
            identity=identity,
            platform=wish.get("platform", "APNS"),
            name=wish.get("name") or f"app-{secrets.token_hex(4)}",
            given={"PlatformCredential": "sandbox"},
        )
        return {"arn": application.arn, **self._mint_credentials(wish)}

    def _mint_credentials(self, wish: Wish) -> dict[str, Any]:
        """The secret is shown because it opens nothing but this process."""
        identity = _identity(wish)
        issued = self._sns.keyring.issue(account=identity.account, principal=identity.principal)
        keys = {"access_key_id": issued.access_key_id, "secret_access_key": issued.secret_access_key}
        return {"account": identity.account, "region": identity.region, **keys}

    def _mint_role(self, wish: Wish) -> dict[str, Any]:
        account = _identity(wish).account
        arn = f"arn:aws:iam::{account}:role/{wish.get('name', 'push')}"
        self._sns.neighbours.roles[arn] = Role(arn, account, str(wish.get("external_id", "")))
        return {"arn": arn, "account": account}

    def _mint_topic(self, wish: Wish) -> dict[str, Any]:
        """With `application_arn`, the application's delivery failures go to the topic."""
        identity = _identity(wish)
        prefix = f"arn:{partition_of(identity.region)}:sns:{identity.region}:{identity.account}"
        name = wish.get("name") or f"events-{secrets.token_hex(4)}"
        topic = self._sns.topics.create(f"{prefix}:{name}", str(wish.get("signature_version", "1")))
        if "application_arn" in wish:
            application = self._sns.store.applications.get(str(wish["application_arn"]))
            if application is None:
                raise ValueError("there is no such application_arn")
            application.attributes["EventDeliveryFailure"] = topic.arn
        certificate = self._sns.topics.certificate.path
        return {"arn": topic.arn, "signature_version": topic.signature_version, "signing_cert_path": certificate}

    def _subscribe(self, wish: Wish) -> dict[str, Any]:
        subscription = self._sns.topics.subscribe(str(wish["topic_arn"]), str(wish["url"]))
        return {"arn": subscription.arn}

    def _send_event(self, wish: Wish) -> dict[str, Any]:
        """An EventDeliveryFailure out of the blue; `copies` sends the same notification several times."""
        endpoint = self._sns.store.endpoints.get(str(wish["endpoint_arn"]))
        if endpoint is None:
            raise ValueError("there is no such endpoint_arn")
        sent = self._sns.delivery_failure(
            endpoint,
            str(wish.get("message_id", "")),
            str(wish.get("failure_type", "InvalidPlatformToken")),
            str(wish.get("failure_message", "Platform token associated with the endpoint is not valid")),
            copies=int(wish.get("copies", 1)),
        )
        return {"sent": sent}

    def _set(self, wish: Wish) -> dict[str, Any]:
        store, topics = self._sns.store, self._sns.topics
        store.stale_token_quota = int(wish.get("stale_token_quota", store.stale_token_quota))
        topics.retry_seconds = float(wish.get("callback_retry_seconds", topics.retry_seconds))
        return {"stale_token_quota": store.stale_token_quota, "callback_retry_seconds": topics.retry_seconds}

    def _set_quota(self, wish: Wish) -> dict[str, Any]:
        identity = _identity(wish)
        code = wish.get("code", "Throttling")
        if code not in ("Throttling", "Throttled"):
            raise ValueError("code is Throttling (400) or Throttled (429)")
        quota = Quota(_rate(wish, "publish_per_second"), _rate(wish, "control_per_second"), code)
        self._sns.quotas[identity.account, identity.region] = quota
        return {"publish_per_second": quota.publish_per_second, "control_per_second": quota.control_per_second}

    def _set_delay(self, wish: Wish) -> dict[str, Any]:
        action, when, seconds = str(wish["action"]), wish.get("when", "after"), float(wish["seconds"])
        if when not in ("before", "after") or not 0 <= seconds <= 600:
            raise ValueError("when is before or after, seconds between 0 and 600")
        self._sns.delays[action] = Delay(seconds, when)
        return {"action": action, "seconds": seconds, "when": when}

    def _set_parameter(self, wish: Wish) -> dict[str, Any]:
        identity, name = _identity(wish), str(wish["name"])
        self._sns.neighbours.parameters[identity.account, identity.region, name] = str(wish["value"])
        return {"name": name, "account": identity.account, "region": identity.region}

    # what was seen

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
        held = {"subscriptions": len(self._push.subscriptions), "sns_endpoints": len(self._sns.store.endpoints)}
        return web.json_response({"counters": counters, "cursor": self._journal.cursor, **held})

    async def _accounting(self, _request: web.Request) -> web.Response:
        return web.json_response(self._journal.accounting())

    async def _calls(self, request: web.Request) -> web.Response:
        return web.json_response(self._sns.calls.as_json(since=_number(request.query.get("since"), 0)))


def _identity(wish: Wish) -> Identity:
    account, region = str(wish.get("account", DEFAULT_ACCOUNT)), str(wish.get("region", DEFAULT_REGION))
    if len(account) != 12 or not account.isdecimal():
        raise ValueError("account must be 12 digits")
    return Identity(account, f"arn:aws:iam::{account}:user/sandbox", region)


def _token(platform: str) -> str:
    return secrets.token_hex(32) if platform.startswith(("APNS", "MACOS")) else f"sandbox:{secrets.token_urlsafe(100)}"


def _rate(wish: Wish, name: str) -> float | None:
    return None if wish.get(name) is None else float(wish[name])


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdecimal() and len(text) < 16 else default
