"""The effect of a tenant's broadcast on another tenant: `python -m bench.fairness [--devices N] [--singles N]`.

Stages a private service with two tenants, whose devices are all on the sink. Delays are accept → accepted as stored in
the rows, so both times use PostgreSQL's clock. Shares are counted from the rows of the time in which both were sending.
"""

import argparse
import json
import os
import time
from bisect import bisect
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg

from bench.pipeline import WAIT_SECONDS, broadcast, pipeline_stage, populate
from bench.tools.caller import Caller
from bench.tools.table import table_print
from pushhub.embedded.programs import manage
from pushhub.embedded.stage import Stage

BATCH = 256  # deliveries of one claim
PROCESSES = 2  # that dispatch
PAUSE = 0.1  # seconds between single notifications
CONTENT = {"title": "Bench", "body": "x" * 200}
Rows = list[dict[str, Any]]

_TIMES = """
SELECT extract(epoch FROM notification.created_at)::float8, extract(epoch FROM delivery.accepted_at)::float8
FROM notifications_delivery delivery JOIN notifications_notification notification
    ON notification.id = delivery.notification_id
WHERE notification.id = ANY (%s::uuid[])
"""

# From the start of the later broadcast to the end of the earlier one.
_SHARES = """
WITH sent AS (
    SELECT notification_id, accepted_at FROM notifications_delivery WHERE notification_id = ANY (%(ids)s::uuid[])
), common AS (
    SELECT max(first) AS first, min(last) AS last FROM (
        SELECT min(accepted_at) AS first, max(accepted_at) AS last FROM sent GROUP BY notification_id) AS spans
)
SELECT notification_id::text, count(*)::int, extract(epoch FROM last - first)::float8
FROM sent, common WHERE accepted_at BETWEEN first AND last GROUP BY notification_id, first, last
"""


def fairness_run(*, devices: int, singles: int = 100) -> dict[str, Rows]:
    """Tables by name. Each is printed when it is complete."""
    with pipeline_stage(0.0) as (running, port):
        other = _tenant_make(running, "other")
        for tenant in (running, other):
            populate(tenant, devices, port)
        broadcast(running)  # opens connections and fills caches
        alone = broadcast(running)["settled_per_second"]
        tables = {"during": _during_broadcast(running, other, singles), "together": _together(running, other, alone)}
    table_print(
        "One tenant's single notifications, idle and during another's broadcast: accept → accepted, ms",
        tables["during"],
    )
    table_print("Two tenants that broadcast at the same time, and one alone: deliveries per second", tables["together"])
    return tables


def _during_broadcast(running: Stage, other: Stage, singles: int) -> Rows:
    """Single transactional notifications of a tenant, on an idle service and during another tenant's broadcast.

    `passed`: how many deliveries of the broadcast were accepted between the acceptance of a single notification and
    the acceptance of its delivery. This number does not depend on the machine's other load.
    """
    send = _Singles(other)
    idle = send.until(lambda sent: sent >= singles)
    caller = Caller(running)
    begin = time.perf_counter()
    made = caller.call("/v1/notifications", {"to": {"all": True}, "content": CONTENT})
    path = f"/v1/notifications/{made['id']}"
    busy = send.until(lambda _: caller.call(path)["state"] == "completed")
    batch = 1000 * BATCH * PROCESSES * (time.perf_counter() - begin) / caller.call(path)["counts"]["accepted"]
    moments = sorted(end for _, end in _times(running, [made["id"]]))
    passed = sorted(bisect(moments, end) - bisect(moments, start) for start, end in busy)
    rows = [{"": name} | _delays(times) for name, times in (("idle", idle), ("during a broadcast", busy))]
    allowed = 2 * rows[0]["p95"] + batch
    return [
        rows[0] | {"2 × idle p95 + batch": "", "passed p50": 0, "passed p95": 0},
        rows[1]
        | {"2 × idle p95 + batch": f"{allowed:.0f} ({batch:.0f})"}
        | {f"passed p{q}": round(_percentile(passed, q / 100)) for q in (50, 95)},
    ]


def _together(running: Stage, other: Stage, alone: int) -> Rows:
    """Both broadcast to all of their devices, one accepted right after the other."""
    callers = {"first": Caller(running), "second": Caller(other)}
    body = {"to": {"all": True}, "content": CONTENT}
    made = {name: caller.call("/v1/notifications", body)["id"] for name, caller in callers.items()}
    for name, id_ in made.items():
        _wait(partial(_completed, Caller(running if name == "first" else other), id_))
    with psycopg.connect(running.cluster.postgres.url()) as connection:
        rows = connection.execute(_SHARES, {"ids": list(made.values())}).fetchall()
    counts = {id_: (count, count / seconds) for id_, count, seconds in rows}
    total = sum(count for count, _ in counts.values())
    both = [
        {"tenant": name, "per_second": round(counts[id_][1]), "share": round(counts[id_][0] / total, 3)}
        for name, id_ in made.items()
    ]
    return [*both, {"tenant": "first, alone", "per_second": alone, "share": 1.0}]


class _Singles:
    """Notifications of a tenant to one device, one after the other."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._caller = stage, Caller(stage)
        with psycopg.connect(stage.cluster.postgres.url()) as connection:
            found = connection.execute(
                "SELECT device.device_id::text FROM devices_device device JOIN tenants_tenant tenant"
                " ON tenant.id = device.tenant_id WHERE tenant.slug = %s ORDER BY device.id LIMIT 1",
                [stage.tenant],
            ).fetchone()
        assert found is not None
        self._body = {"to": {"devices": [found[0]]}, "content": CONTENT}

    def until(self, enough: Callable[[int], bool]) -> list[tuple[float, float]]:
        """Send until `enough(number sent)`. Returns when each was accepted by pushhub and by the vendor."""
        ids: list[str] = []
        while not enough(len(ids)):
            ids.append(self._caller.call("/v1/notifications", self._body)["id"])
            time.sleep(PAUSE)
        for id_ in ids:
            _wait(partial(_completed, self._caller, id_))
        return _times(self._stage, ids)


def _times(running: Stage, ids: list[str]) -> list[tuple[float, float]]:
    with psycopg.connect(running.cluster.postgres.url()) as connection:
        return [(start, end) for start, end in connection.execute(_TIMES, [ids])]


def _completed(caller: Caller, id_: str) -> bool:
    return bool(caller.call(f"/v1/notifications/{id_}")["state"] == "completed")


def _tenant_make(running: Stage, slug: str) -> Stage:
    made = json.loads(manage("tenant_create", slug, "--json", env=running.env))
    return replace(running, tenant=slug, server_key=made["server_key"])


def _wait(done: Callable[[], bool]) -> None:
    begin = time.monotonic()
    while not done():
        if time.monotonic() - begin > WAIT_SECONDS:
            raise SystemExit(f"not done after {WAIT_SECONDS} s")
        time.sleep(PAUSE)


def _delays(times: Sequence[tuple[float, float]]) -> dict[str, Any]:
    delays = sorted(1000 * (end - start) for start, end in times)
    percentiles = {f"p{q}": round(_percentile(delays, q / 100)) for q in (50, 95)}
    return {"notifications": len(delays)} | percentiles | {"max": round(delays[-1])}


def _percentile(ordered: Sequence[float], q: float) -> float:
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.fairness", description=__doc__)
    parser.add_argument("--devices", type=int, default=100_000, help="of each tenant (default 100,000)")
    parser.add_argument("--singles", type=int, default=100, help="single notifications while idle (default 100)")
    given = parser.parse_args()
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    fairness_run(devices=given.devices, singles=given.singles)


if __name__ == "__main__":
    main()
