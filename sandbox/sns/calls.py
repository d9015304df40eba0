"""The log of calls to SNS, STS and SSM, with counts and a list of control-plane calls; quotas and delays on request."""

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from sandbox.sns.wire import AwsError

CALLS_KEPT = 20_000
# The data plane is counted but not listed: a broadcast would displace all other calls.
_DATA_PLANE = frozenset({"Publish"})


@dataclass(slots=True)
class CallLog:
    counts: Counter[str] = field(default_factory=Counter)
    _calls: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=CALLS_KEPT))
    _number: int = 0

    def record(self, *, action: str, account: str, region: str, target: str, code: str) -> None:
        """`code` is OK or the code of the error."""
        self.counts[action] += 1
        if action in _DATA_PLANE:
            return
        self._number += 1
        call = {"number": self._number, "time": time.time(), "action": action, "account": account}
        self._calls.append(call | {"region": region, "target": target, "code": code})

    def as_json(self, since: int = 0) -> dict[str, Any]:
        return {"counts": dict(self.counts), "calls": [call for call in self._calls if call["number"] > since]}

    def reset(self) -> None:
        self.counts.clear()
        self._calls.clear()


@dataclass(slots=True)
class Quota:
    """Calls per second of one account and region; None is unlimited."""

    publish_per_second: float | None = None
    control_per_second: float | None = None
    # AWS answers throttles as 400 Throttling; its model also has a 429 Throttled.
    code: str = "Throttling"
    _second: int = 0
    _used: Counter[str] = field(default_factory=Counter)

    def take(self, action: str) -> None:
        """Count a call. Raises AwsError when the quota of this second is used up."""
        kind = "publish" if action in _DATA_PLANE else "control"
        limit = self.publish_per_second if kind == "publish" else self.control_per_second
        second = int(time.monotonic())
        if second != self._second:
            self._second = second
            self._used.clear()
        self._used[kind] += 1
        if limit is not None and self._used[kind] > limit:
            raise throttled(self.code)


@dataclass(frozen=True, slots=True)
class Delay:
    """A wait within a control-plane call: `when` is before its effect, or after it and before the response."""

    seconds: float
    when: str


def throttled(code: str = "Throttling") -> AwsError:
    return AwsError(code, "Rate exceeded", status=429 if code == "Throttled" else 400)
