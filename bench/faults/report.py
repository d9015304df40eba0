"""Compares the push service's record and the database's rows of a round with the guarantees.

The comparison is per device, because the guarantee is. A delivery reaches the vendor once, and once more only for

* every lost lease, and every time that it was `sending` when PostgreSQL was killed: a claim is not flushed to disk, so
  after a crash the row may be `queued` again while its worker still has it;
* every attempt that the rows record and the vendor did not answer: the vendor may have accepted the message;
* every time that the vendor accepted it and reset the connection: libcurl then sends the request once more.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from typing_extensions import override

from bench.faults.installation import Installation
from sandbox.ledger import LOST, TAKEN, responses_read

MAX_COMPLETIONS = 5  # of a notification that a hold reopened
MAX_ATTEMPTS = 10  # a delivery may be dead only after so many
SHOWN = 40
SUMS = [
    "rounds",
    "deliveries",
    "accepted",
    "kills",
    "in_flight",
    "stalled",
    "unanswered",
    "repeated",
    "allowed",
    "lost",
]

ROWS = """
SELECT device.device_id::text, delivery.notification_id::text, delivery.state, delivery.reason, delivery.attempt,
       delivery.lost_leases
FROM notifications_delivery delivery JOIN devices_device device ON device.id = delivery.device_id
WHERE delivery.notification_id = ANY (%s::uuid[])
"""

# Notifications whose counts, total or state do not agree with their rows.
MISCOUNTED = """
WITH rows AS (
    SELECT notification_id AS id, state, count(*) AS number FROM notifications_delivery
    WHERE notification_id = ANY (%(ids)s::uuid[]) GROUP BY 1, 2
), counted AS (
    SELECT n.id, key AS state, value::bigint AS number
    FROM notifications_notification n, jsonb_each_text(n.counts) WHERE n.id = ANY (%(ids)s::uuid[]) AND value <> '0'
)
SELECT id::text FROM (
    (SELECT * FROM rows EXCEPT SELECT * FROM counted) UNION ALL (SELECT * FROM counted EXCEPT SELECT * FROM rows)
) AS unequal
UNION
SELECT n.id::text FROM notifications_notification n
WHERE n.id = ANY (%(ids)s::uuid[])
  AND (n.completed_at IS NULL OR n.total <> (SELECT coalesce(sum(number), 0) FROM rows WHERE rows.id = n.id))
"""

# Notifications without an event `notification.completed`, or with more of them than allowed.
COMPLETION_EVENTS_WRONG = """
SELECT n.id::text FROM notifications_notification n LEFT JOIN events_event event
    ON event.tenant_id = n.tenant_id AND event.type = 'notification.completed' AND event.subject = n.id::text
WHERE n.id = ANY (%s::uuid[]) GROUP BY n.id HAVING NOT count(event.id) BETWEEN 1 AND %s
"""


@dataclass(kw_only=True)
class InjectedFaults:
    """What a scenario did. `in_flight`: per device, how often its delivery was `sending` when a worker was killed;
    `unflushed`: the same when PostgreSQL was killed; `uncounted`: the most that can have been at an unannounced crash.
    """

    kills: int = 0
    in_flight: Counter[str] = field(default_factory=Counter)
    unflushed: Counter[str] = field(default_factory=Counter)
    uncounted: int = 0

    @property
    def in_flight_total(self) -> int:
        return self.in_flight.total() + self.unflushed.total() + self.uncounted


@dataclass(kw_only=True)
class Expectations:
    """`audiences`: notification → the devices that must have a delivery of it, for all that were answered 202;
    `ends`: device → the allowed end states of its deliveries, if not just `accepted`;
    `reopened`: a notification may complete, be reopened by a hold and complete again;
    `violated`: what the scenario itself found wrong."""

    audiences: dict[str, frozenset[str]] = field(default_factory=dict)
    ends: dict[str, frozenset[str]] = field(default_factory=dict)
    reopened: bool = False
    violated: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class RoundReport:
    """A row of the table. `stalled`: leases that ran out although their worker was not killed; `unanswered`: attempts
    that the vendor may have accepted; `allowed`: repeats for every other reason; `failures`: broken guarantees."""

    scenario: str
    rounds: int = 1
    deliveries: int = 0
    accepted: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    in_flight: int = 0
    stalled: int = 0
    unanswered: int = 0
    repeated: int = 0
    allowed: int = 0
    lost: int = 0
    counters_equal: bool = True
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)
    skipped: str = ""

    @property
    def good(self) -> bool:
        return not self.failures and not self.lost and self.counters_equal

    def add(self, other: RoundReport) -> None:
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.ended += other.ended
        self.counters_equal = self.counters_equal and other.counters_equal
        self.seconds += other.seconds
        self.failures += other.failures


class Row(NamedTuple):
    """The columns of ROWS."""

    device: str
    notification: str
    state: str
    reason: str
    attempt: int
    lost_leases: int


@dataclass(kw_only=True)
class DeviceMessages:
    """One device's messages. `taken`: those that the push service accepted; the other numbers are from its rows."""

    device: str
    taken: int
    accepted: int
    leases: int
    unflushed: int
    unanswered: int

    @property
    def allowed(self) -> int:
        return max(self.leases, self.unflushed)

    @property
    def repeated(self) -> int:
        return max(0, self.taken - self.accepted)

    @property
    def lost(self) -> int:
        return max(0, self.accepted - self.taken)

    @property
    def unexplained(self) -> int:
        return max(0, self.repeated - self.allowed - self.unanswered)

    @override
    def __str__(self) -> str:
        return (
            f"{self.device}: {self.taken} messages for {self.accepted} accepted; {self.leases} leases lost, "
            f"{self.unflushed} unflushed, {self.unanswered} attempts unanswered"
        )


ACCEPTED = frozenset({"accepted"})


def report_make(
    installation: Installation,
    *,
    scenario: str,
    ids: list[str],
    since: int,
    faults: InjectedFaults,
    expected: Expectations,
) -> RoundReport:
    """`ids`: every notification of the round, also those whose POST was not answered; `since`: the size of the push
    service's record at the start of the round."""
    rows = [Row._make(row) for row in installation.query(ROWS, [ids])]
    report = RoundReport(
        scenario=scenario,
        deliveries=len(rows),
        kills=faults.kills,
        in_flight=faults.in_flight_total,
        failures=list(expected.violated),
    )
    _check_states(report, rows, expected)
    _check_audiences(report, rows, expected)
    responses = responses_read(installation.ledger, since=since)
    _check_messages(report, _messages(rows, responses, installation.devices, faults), faults)
    miscounted = installation.query(MISCOUNTED, {"ids": ids})
    report.counters_equal = not miscounted
    completions = installation.query(COMPLETION_EVENTS_WRONG, [ids, MAX_COMPLETIONS if expected.reopened else 1])
    report.failures += [f"{id_}: wrong number of completion events" for (id_,) in completions[:SHOWN]]
    report.failures += [f"{id_}: counters differ from the rows, or not completed" for (id_,) in miscounted[:SHOWN]]
    return report


def _check_states(report: RoundReport, rows: list[Row], expected: Expectations) -> None:
    for row in rows:
        report.accepted += row.state == "accepted"
        if row.state != "accepted":
            report.ended[row.state] += 1
        retries_used_up = row.state == "dead" and row.attempt >= MAX_ATTEMPTS
        if row.state not in expected.ends.get(row.device, ACCEPTED) and not retries_used_up:
            reason = row.reason or "no reason"
            report.failures.append(f"{row.device}: ended {row.state} ({reason}) after {row.attempt} attempts")


def _check_audiences(report: RoundReport, rows: list[Row], expected: Expectations) -> None:
    """Each device of an audience has exactly one delivery."""
    made: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        made[row.notification][row.device] += 1
    for notification, audience in expected.audiences.items():
        missing = audience - made[notification].keys()
        report.lost += len(missing)
        report.failures += [f"{device}: has no delivery of {notification}" for device in sorted(missing)[:SHOWN]]
        twice = [device for device, number in made[notification].items() if number > 1]
        report.failures += [f"{device}: has two deliveries of {notification}" for device in twice[:SHOWN]]


def _messages(
    rows: list[Row], responses: Counter[tuple[str, str]], urls: Mapping[str, str], faults: InjectedFaults
) -> Iterator[DeviceMessages]:
    device_of = {url.rpartition("/")[2]: device for device, url in urls.items()}
    taken, refused, reset = Counter[str](), Counter[str](), Counter[str]()
    for (capability, word), number in responses.items():
        device = device_of.get(capability, capability)
        (taken if word in TAKEN else refused)[device] += number
        reset[device] += number if word == LOST else 0
    accepted, leases, attempts = Counter[str](), Counter[str](), Counter[str]()
    for row in rows:
        accepted[row.device] += row.state == "accepted"
        leases[row.device] += row.lost_leases
        attempts[row.device] += row.attempt
    for device in accepted.keys() | taken.keys():
        yield DeviceMessages(
            device=device,
            taken=taken[device],
            accepted=accepted[device],
            leases=leases[device],
            unflushed=faults.unflushed[device],
            unanswered=max(0, attempts[device] - accepted[device] - refused[device]) + reset[device],
        )


def _check_messages(report: RoundReport, messages: Iterator[DeviceMessages], faults: InjectedFaults) -> None:
    unexplained = 0
    report.allowed += faults.uncounted
    for device in messages:
        report.allowed += device.allowed
        report.unanswered += device.unanswered
        report.repeated += device.repeated
        report.lost += device.lost
        report.stalled += max(0, device.leases - faults.in_flight[device.device] - device.unflushed)
        unexplained += device.unexplained
        if device.lost or (device.unexplained and not faults.uncounted):
            report.failures.append(str(device))
    if unexplained > faults.uncounted > 0:
        report.failures.append(f"{unexplained} messages repeated at crashes; at most {faults.uncounted} were in flight")
