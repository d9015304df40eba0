"""`make demo`: the main use case on real input, from outside.

It registers web push and SNS devices through the public REST API, sends a broadcast and single notifications, waits,
and compares what the stand-ins decrypted with what was sent. The exit code is 0 only if every payload arrived intact,
exactly once.
"""

import argparse
import asyncio
import random
import sys
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from sandbox.demo_avatars import AvatarsDemo
from sandbox.demo_client import Api, DemoFailed, Progress

WAIT_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Plan:
    web: int = 500
    sns: int = 500
    users: int = 600
    singles: int = 50


@dataclass(slots=True)
class Sent:
    """A notification of the demo, and the devices that must get it."""

    id: str
    title: str
    devices: frozenset[str]


@dataclass(slots=True)
class Fleet:
    """The registered devices, by the sandbox's target (push URL or token) and by user."""

    device_by_target: dict[str, str] = field(default_factory=dict)
    provider_by_device: dict[str, str] = field(default_factory=dict)
    devices_by_user: dict[str, set[str]] = field(default_factory=dict)

    def device_of(self, message: dict[str, Any]) -> str:
        """The device that received the sandbox's message, found by push URL or by token."""
        by_target = self.device_by_target
        return by_target.get(message["target"]) or by_target.get(message["device"]) or "unknown"


class Demo:
    def __init__(self, api: Api, sandbox: Api, plan: Plan) -> None:
        self.api = api
        self.sandbox = sandbox
        self.plan = plan
        self.progress = Progress()
        self.fleet = Fleet()

    async def run(self) -> bool:
        await self.sandbox.call("POST", "/sandbox/reset", {})
        await self._register()
        started = time.monotonic()
        sent = await self._send()
        await self._wait_until_completed(sent)
        elapsed = time.monotonic() - started
        ok = await self._report(sent, elapsed)
        return await AvatarsDemo(self.api, self.sandbox, self.progress).run() and ok

    async def _register(self) -> None:
        app = await self._sns_app()
        config = await self.api.call("GET", "/v1/webpush/config")
        minted = await self.sandbox.call(
            "POST",
            "/sandbox/devices/web",
            {"count": self.plan.web, "application_server_key": config["application_server_key"]},
        )
        tokens = await self.sandbox.call("POST", "/sandbox/devices/sns", {"platform": "GCM", "count": self.plan.sns})
        users = [f"demo-user-{number:03}" for number in range(self.plan.users)]
        bodies = [
            (subscription["endpoint"], {"platform": "web", "app": "web", "subscription": subscription})
            for subscription in minted["subscriptions"]
        ] + [(token, {"platform": "android", "app": app, "token": token}) for token in tokens["tokens"]]
        work = [
            self._register_one(target, body, users[number % len(users)]) for number, (target, body) in enumerate(bodies)
        ]
        await self.progress.gather("Registering devices", work)
        await self._provisioned()

    async def _provisioned(self) -> None:
        """Wait until every SNS endpoint exists: an earlier push would wait for its endpoint and distort the delays."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            pending = 0
            async for _ in self._pages("/v1/devices?state=pending&limit=200"):
                pending += 1
            self.progress.show("Creating SNS endpoints", self.plan.sns - pending, self.plan.sns)
            if not pending:
                return
            await asyncio.sleep(0.5)
        raise DemoFailed("the SNS endpoints are still pending: is a registry worker running?")

    async def _sns_app(self) -> str:
        """A platform application of the fake AWS account, registered once as the tenant's app."""
        made = await self.sandbox.call(
            "POST",
            "/sandbox/sns/applications",
            {"platform": "GCM", "name": f"demo-{uuid.uuid4().hex[:8]}", "region": "us-east-1"},
        )
        app = await self.api.call(
            "POST",
            "/v1/apps",
            {
                "name": f"android-{uuid.uuid4().hex[:8]}",
                "provider": "sns",
                "platform_application_arn": made["arn"],
                "credentials": {
                    "access_key_id": made["access_key_id"],
                    "secret_access_key": made["secret_access_key"],
                },
            },
        )
        return str(app["name"])

    async def _register_one(self, target: str, body: dict[str, Any], user: str) -> None:
        device = str(uuid.uuid4())
        await self.api.call("PUT", f"/v1/devices/{device}", body | {"user_id": user})
        self.fleet.device_by_target[target] = device
        self.fleet.provider_by_device[device] = "webpush" if body["platform"] == "web" else "sns"
        self.fleet.devices_by_user.setdefault(user, set()).add(device)

    async def _send(self) -> list[Sent]:
        all_devices = frozenset(self.fleet.provider_by_device)
        users = random.sample(sorted(self.fleet.devices_by_user), self.plan.singles)
        work = [self._send_one("Broadcast", {"all": True}, all_devices)]
        work += [
            self._send_one(f"For {user}", {"users": [user]}, frozenset(self.fleet.devices_by_user[user]))
            for user in users
        ]
        return await self.progress.gather("Sending notifications", work)

    async def _send_one(self, title: str, to: dict[str, Any], devices: frozenset[str]) -> Sent:
        title = f"{title} {uuid.uuid4().hex[:6]}"
        body = {"to": to, "content": {"title": title, "body": "Grüße — 你好 👋"}, "ttl": 3600}
        response = await self.api.call("POST", "/v1/notifications", body)
        return Sent(response["id"], title, devices)

    async def _wait_until_completed(self, sent: list[Sent]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        waiting = {one.id for one in sent}
        while waiting and time.monotonic() < deadline:
            for notification in sorted(waiting):
                if (await self.api.call("GET", f"/v1/notifications/{notification}"))["state"] == "completed":
                    waiting.discard(notification)
                self.progress.show("Waiting for completion", len(sent) - len(waiting), len(sent))
            await asyncio.sleep(0.2)

    async def _report(self, sent: list[Sent], elapsed: float) -> bool:
        states, delays = await self._deliveries(sent)
        arrived = await self._arrived()
        expected = Counter((one.title, device) for one in sent for device in one.devices)
        missing = sum((expected - arrived).values())
        surplus = sum((arrived - expected).values())
        violations = (await self.sandbox.call("GET", "/sandbox/violations"))["violations"]
        _print_table(states, delays)
        print(f"\npayloads decrypted and compared: {arrived.total()} of {expected.total()}, in {elapsed:.1f} s")
        print(f"missing: {missing}   repeated or to another device: {surplus}   protocol violations: {len(violations)}")
        settled = sum(count for (_, state), count in states.items() if state in {"accepted", "delivered", "opened"})
        ok = not missing and not surplus and not violations and settled == sum(expected.values())
        print("every payload arrived intact, exactly once" if ok else "NOT every payload arrived intact, exactly once")
        return ok

    async def _deliveries(self, sent: list[Sent]) -> tuple[Counter[tuple[str, str]], dict[str, Any]]:
        states: Counter[tuple[str, str]] = Counter()
        for one in sent:
            async for row in self._pages(f"/v1/notifications/{one.id}/deliveries?limit=200"):
                states[self.fleet.provider_by_device.get(row["device_id"], "unknown"), row["state"]] += 1
        delays = [(await self.api.call("GET", f"/v1/notifications/{one.id}"))["delay_ms"] for one in sent]
        return states, {
            "broadcast": delays[0],
            f"{len(sent) - 1} singles": _percentiles([d["p95"] for d in delays[1:]]),
        }

    async def _pages(self, path: str) -> AsyncIterator[dict[str, Any]]:
        page = await self.api.call("GET", path)
        while True:
            for row in page["data"]:
                yield row
            if not page["next"]:
                return
            page = await self.api.call("GET", f"{path}&cursor={page['next']}")

    async def _arrived(self) -> Counter[tuple[str, str]]:
        """(title, device) as decrypted by the sandbox. Content that differs from what was sent is marked as damaged."""
        found: Counter[tuple[str, str]] = Counter()
        since = 0
        while True:
            page = await self.sandbox.call("GET", f"/sandbox/messages?since={since}&limit=1000")
            for message in page["messages"]:
                title, body = _content(message)
                intact = title if body == "Grüße — 你好 👋" else f"damaged: {title}"
                found[intact, self.fleet.device_of(message)] += 1
            if not page["messages"]:
                return found
            since = page["cursor"]


def _percentiles(values: list[int | None]) -> dict[str, int]:
    """Percentiles of the slowest deliveries of the single notifications."""
    known = sorted(value for value in values if value is not None)
    return {f"p{q}": known[min(len(known) * q // 100, len(known) - 1)] for q in (50, 95, 99)} if known else {}


def _content(message: dict[str, Any]) -> tuple[str, str]:
    payload = message["payload"]
    if message["provider"] == "sns":
        payload = payload.get("fcmV1Message", {}).get("message", {})
    notification = payload.get("notification", {})
    return notification.get("title", ""), notification.get("body", "")


def _print_table(states: Counter[tuple[str, str]], delays: dict[str, Any]) -> None:
    print(f"\n{'provider':<12}{'state':<14}{'deliveries':>10}")
    for (provider, state), count in sorted(states.items()):
        print(f"{provider:<12}{state:<14}{count:>10}")
    print(f"\n{'accept → accepted':<20}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}")
    for name, delay in delays.items():
        print(
            f"{name:<20}"
            + "".join(f"{delay.get(q) if delay.get(q) is not None else '-':>10}" for q in ("p50", "p95", "p99"))
        )


@asynccontextmanager
async def _session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield session


async def _main(arguments: argparse.Namespace) -> bool:
    plan = Plan(web=arguments.web, sns=arguments.sns, users=arguments.users, singles=arguments.singles)
    async with _session() as session:
        demo = Demo(Api(session, arguments.api, arguments.server_key), Api(session, arguments.sandbox), plan)
        return await demo.run()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo", description=__doc__)
    parser.add_argument("--api", required=True, help="base URL of the service")
    parser.add_argument("--server-key", required=True, help="a server key of the tenant that sends")
    parser.add_argument("--sandbox", required=True, help="base URL of the sandbox that the service reaches")
    for name, default in (("web", 500), ("sns", 500), ("users", 600), ("singles", 50)):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"how many (default {default})")
    try:
        return 0 if asyncio.run(_main(parser.parse_args())) else 1
    except (DemoFailed, aiohttp.ClientError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
