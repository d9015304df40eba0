"""What the sandbox received: caught messages, protocol violations, counters. In memory and bounded."""

import hashlib
import json
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

MESSAGES_KEPT = 250_000
VIOLATIONS_KEPT = 5_000


@dataclass(slots=True, kw_only=True)
class Caught:
    """One accepted message. `cursor` counts up from 1; `plaintext` is None when decryption is off."""

    cursor: int
    time: float
    provider: str
    target: str
    device: str
    user: str
    message_id: str
    headers: Mapping[str, str]
    plaintext: bytes | None = field(repr=False)
    delivered: bool = True

    @property
    def payload(self) -> Any:
        """The decoded JSON, or else the text, or else None."""
        if self.plaintext is None:
            return None
        text = self.plaintext.decode("utf-8", "replace")
        try:
            return json.loads(text)
        except ValueError:
            return text

    def as_json(self) -> dict[str, Any]:
        return {
            "cursor": self.cursor,
            "time": datetime.fromtimestamp(self.time, UTC).isoformat(timespec="microseconds"),
            "provider": self.provider,
            "target": self.target,
            "device": self.device,
            "user": self.user,
            "message_id": self.message_id,
            "headers": dict(self.headers),
            "payload": self.payload,
            "delivered": self.delivered,
        }


class Journal:
    def __init__(self, echo: Callable[[str], None] | None = None) -> None:
        self.counters: Counter[str] = Counter()
        self._echo = echo
        self._messages: deque[Caught] = deque(maxlen=MESSAGES_KEPT)
        self._violations: deque[dict[str, Any]] = deque(maxlen=VIOLATIONS_KEPT)
        self._cursor = 0
        self._violation_cursor = 0

    @property
    def cursor(self) -> int:
        return self._cursor

    def catch(
        self,
        *,
        provider: str,
        target: str,
        device: str,
        user: str,
        message_id: str,
        headers: Mapping[str, str],
        plaintext: bytes | None,
        delivered: bool = True,
    ) -> None:
        self._cursor += 1
        self.counters[f"{provider}.accepted"] += 1
        caught = Caught(
            cursor=self._cursor,
            time=time.time(),
            provider=provider,
            target=target,
            device=device,
            user=user,
            message_id=message_id,
            headers=headers,
            plaintext=plaintext,
            delivered=delivered,
        )
        self._messages.append(caught)
        if self._echo is not None:
            self._echo(_line(caught))

    def violation(self, *, provider: str, code: str, detail: str, target: str = "") -> None:
        """The sender broke a rule of the protocol. A vendor may punish this, and no test may cause it."""
        self._violation_cursor += 1
        self.counters[f"{provider}.violations"] += 1
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        entry = {"time": now, "provider": provider, "code": code, "detail": detail, "target": target}
        self._violations.append({"cursor": self._violation_cursor, **entry})
        if self._echo is not None:
            self._echo(f"{now[11:19]}  VIOLATION  {provider:<8} {code}: {detail}")

    def messages(
        self, *, since: int = 0, limit: int = 1_000, where: Callable[[Caught], bool] | None = None
    ) -> tuple[list[Caught], int]:
        """The messages after the cursor `since`, oldest first, and the cursor for the next call."""
        found: list[Caught] = []
        cursor = max(since, 0)
        for caught in self._after(since):
            cursor = caught.cursor
            if where is None or where(caught):
                found.append(caught)
                if len(found) >= limit:
                    break
        return found, cursor

    def latest(self, count: int) -> list[Caught]:
        return list(islice(reversed(self._messages), count))

    def violations(self, *, since: int = 0) -> list[dict[str, Any]]:
        return [entry for entry in self._violations if entry["cursor"] > since]

    def accounting(self) -> dict[str, Any]:
        """How often each (target, payload) arrived. `repeated` has those that arrived more than once."""
        seen = Counter(_fingerprint(caught) for caught in self._messages)
        repeated = [{"target": target, "count": n} for (target, _), n in seen.items() if n > 1]
        return {
            "messages": len(self._messages),
            "distinct": len(seen),
            "targets": len({target for target, _ in seen}),
            "repeated": repeated,
        }

    def reset(self) -> None:
        """Delete messages, violations and counters. Cursors continue, so that a reader never sees one twice."""
        self._messages.clear()
        self._violations.clear()
        self.counters.clear()

    def _after(self, since: int) -> Iterator[Caught]:
        if not self._messages:
            return iter(())
        skip = max(since - self._messages[0].cursor + 1, 0)
        return islice(self._messages, skip, None)


def _fingerprint(caught: Caught) -> tuple[str, bytes]:
    body = caught.plaintext if caught.plaintext is not None else caught.message_id.encode()
    return caught.target, hashlib.sha256(body).digest()


def _line(caught: Caught) -> str:
    """The terminal line of a caught notification: time, provider, user, device, title."""
    clock = datetime.fromtimestamp(caught.time).astimezone().strftime("%H:%M:%S")
    title = notification_title(caught.payload)
    return f"{clock}  {caught.provider:<8} {caught.user or '-':<12} {caught.device[:12]:<12}  {title}"


def notification_title(payload: Any) -> str:
    """The best title of a web push, APNs or FCM payload, for display only."""
    if not isinstance(payload, dict):
        return " ".join(str(payload).split())[:80]
    notification = payload.get("notification")
    if isinstance(notification, dict) and notification.get("title"):
        return str(notification["title"])
    alert = payload.get("aps", {}).get("alert") if isinstance(payload.get("aps"), dict) else None
    if alert:
        return str(alert.get("title") or alert.get("body")) if isinstance(alert, dict) else str(alert)
    fcm = payload.get("fcmV1Message")
    if isinstance(fcm, dict) and isinstance(fcm.get("message"), dict):
        return notification_title(fcm["message"])
    return str(payload.get("title") or "(silent)")
