"""Every call to SNS, STS and SSM: how many, and the control-plane ones one by one; quotas and delays on request."""

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from sandbox.sns.wire import AwsError

CALLS_KEPT = 20_000
# The data plane is counted but not listed: a broadcast would push everything else out.
_DATA_PLANE = frozenset({"Publish"})


@dataclass(slots=True)
class CallLog:
    counts: Counter[str] = field(default_factory=Counter)
    _calls: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=CALLS_KEPT))
    _number: int = 0

    def record(self, *, action: str, account: str, region: str, target: str, code: str) -> None:
        """`code` is OK or the error's."""
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

    def spend(self, action: str) -> None:
        """Raise AwsError when this second's calls are used up."""
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
    """Wait within a control-plane call: before it takes effect, or after it did and before the answer."""

    seconds: float
    when: str


def throttled(code: str = "Throttling") -> AwsError:
    return AwsError(code, "Rate exceeded", status=429 if code == "Throttled" else 400)
