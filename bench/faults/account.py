"""What the vendor's ledger and the database's rows say about a round, held against what was promised.

Per device, because that is as tight as the promise is: a delivery reaches the vendor once, and once more only for

* every time its lease was lost with its worker, or that it was `sending` when PostgreSQL was killed: a claim is not
  flushed to disk, so that after a crash the row may be `queued` again while its worker has it still;
* every attempt that the rows record and the vendor did not answer: it may have taken the message all the same;
* every time that the vendor took it and reset the connection: libcurl sends once more by itself then.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.faults.scene import Scene
from sandbox.ledger import LOST, TAKEN, answers_read

REOPENED = 5  # times at most that a completion may be told of what a hold takes back
MAX_ATTEMPTS = 10  # after which a delivery may be dead
SHOWN = 40
SUMS = ["rounds", "deliveries", "accepted", "kills", "sending", "stalled", "unanswered", "repeated", "allowed", "lost"]

ROWS = """
SELECT device.device_id::text, delivery.notification_id::text, delivery.state, delivery.reason, delivery.attempt,
       delivery.lost_leases
FROM notifications_delivery delivery JOIN devices_device device ON device.id = delivery.device_id
WHERE delivery.notification_id = ANY (%s::uuid[])
"""

# Notifications whose counts, total or state are not what their rows say.
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


# Those whose completion was told not once, or not as often as may be.
MISTOLD = """
SELECT n.id::text FROM notifications_notification n LEFT JOIN events_event event
    ON event.tenant_id = n.tenant_id AND event.type = 'notification.completed' AND event.subject = n.id::text
WHERE n.id = ANY (%s::uuid[]) GROUP BY n.id HAVING NOT count(event.id) BETWEEN 1 AND %s
"""


@dataclass(kw_only=True)
class Harm:
    """What was done. `sending`: per device, how often its delivery was in the air at a kill of a worker;
    `unflushed`: at a kill of PostgreSQL; `unwatched`: how many may have been at a crash that nobody could announce."""

    kills: int = 0
    sending: Counter[str] = field(default_factory=Counter)
    unflushed: Counter[str] = field(default_factory=Counter)
    unwatched: int = 0

    @property
    def in_the_air(self) -> int:
        return self.sending.total() + self.unflushed.total() + self.unwatched


@dataclass(kw_only=True)
class Account:
    """A row of the table. `stalled`: leases that ran out though nobody was killed; `unanswered`: attempts that the
    vendor may have taken; `allowed`: repeats for every other reason; `wrong`: what must not be."""

    scenario: str
    rounds: int = 1
    deliveries: int = 0
    accepted: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    sending: int = 0
    stalled: int = 0
    unanswered: int = 0
    repeated: int = 0
    allowed: int = 0
    lost: int = 0
    counters_equal: bool = True
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)
    skipped: str = ""

    @property
    def good(self) -> bool:
        return not self.wrong and not self.lost and self.counters_equal

    def add(self, other: Account) -> None:
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.ended += other.ended
        self.counters_equal = self.counters_equal and other.counters_equal
        self.seconds += other.seconds
        self.wrong += other.wrong


@dataclass(kw_only=True)
class Promised:
    """`audiences`: notification → the devices that must have a delivery of it, for all that were answered 202;
    `ends`: device → the states in which its deliveries may end, where that is not just `accepted`;
    `reopened`: notifications may have been completed, taken up again and completed once more;
    `broken`: what a scenario itself saw go wrong."""

    audiences: dict[str, frozenset[str]] = field(default_factory=dict)
    ends: dict[str, frozenset[str]] = field(default_factory=dict)
    reopened: bool = False
    broken: list[str] = field(default_factory=list)


ACCEPTED = frozenset({"accepted"})


def account_make(scene: Scene, *, scenario: str, ids: list[str], since: int, harm: Harm, promised: Promised) -> Account:
    """`ids`: every notification of the round, those too whose POST was never answered; `since`: the size of the
    vendor's ledger when it began."""
    rows = scene.query(ROWS, [ids])
    account = Account(
        scenario=scenario,
        deliveries=len(rows),
        kills=harm.kills,
        sending=harm.in_the_air,
        wrong=list(promised.broken),
    )
    _judge_states(account, rows, promised)
    _judge_messages(account, rows, answers_read(scene.ledger, since=since), scene.devices, harm)
    miscounted = scene.query(MISCOUNTED, {"ids": ids})
    account.counters_equal = not miscounted
    told = scene.query(MISTOLD, [ids, REOPENED if promised.reopened else 1])
    account.wrong += [f"completion of {id_} was not told once" for (id_,) in told[:SHOWN]]
    account.wrong += [f"counters of {id_} are not its rows, or it is not completed" for (id_,) in miscounted[:SHOWN]]
    return account


def _judge_states(account: Account, rows: list[tuple[Any, ...]], promised: Promised) -> None:
    made: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for device, notification, state, reason, attempt, _ in rows:
        made[notification][device] += 1
        account.accepted += state == "accepted"
        if state != "accepted":
            account.ended[state] += 1
        retried_to_death = state == "dead" and attempt >= MAX_ATTEMPTS
        if state not in promised.ends.get(device, ACCEPTED) and not retried_to_death:
            account.wrong.append(f"{device}: ended {state} ({reason or 'no reason'}) after {attempt} attempts")
    for notification, audience in promised.audiences.items():
        missing = audience - made[notification].keys()
        account.lost += len(missing)
        account.wrong += [f"{device}: has no delivery of {notification}" for device in sorted(missing)[:SHOWN]]
        twice = [device for device, number in made[notification].items() if number > 1]
        account.wrong += [f"{device}: has two deliveries of {notification}" for device in twice[:SHOWN]]


def _judge_messages(
    account: Account,
    rows: list[tuple[Any, ...]],
    answers: Counter[tuple[str, str]],
    urls: Mapping[str, str],
    harm: Harm,
) -> None:
    device_of = {url.rpartition("/")[2]: device for device, url in urls.items()}
    taken: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    reset: Counter[str] = Counter()
    for (capability, word), number in answers.items():
        device = device_of.get(capability, capability)
        (taken if word in TAKEN else refused)[device] += number
        reset[device] += number if word == LOST else 0
    accepted: Counter[str] = Counter()
    leases: Counter[str] = Counter()
    attempts: Counter[str] = Counter()
    for device, _, state, _, attempt, lost_leases in rows:
        accepted[device] += state == "accepted"
        leases[device] += lost_leases
        attempts[device] += attempt
    unexplained = 0
    account.allowed += harm.unwatched
    for device in accepted.keys() | taken.keys():
        unanswered = max(0, attempts[device] - accepted[device] - refused[device]) + reset[device]
        allowed = max(leases[device], harm.unflushed[device])
        repeated = max(0, taken[device] - accepted[device])
        lost = max(0, accepted[device] - taken[device])
        account.allowed += allowed
        account.unanswered += unanswered
        account.repeated += repeated
        account.lost += lost
        account.stalled += max(0, leases[device] - harm.sending[device] - harm.unflushed[device])
        beyond = max(0, repeated - allowed - unanswered)
        unexplained += beyond
        if lost or (beyond and not harm.unwatched):
            account.wrong.append(
                f"{device}: {taken[device]} messages for {accepted[device]} accepted; {leases[device]} leases lost, "
                f"{harm.unflushed[device]} unflushed, {unanswered} attempts unanswered"
            )
    if unexplained > harm.unwatched > 0:
        account.wrong.append(f"{unexplained} messages repeated at crashes, at most {harm.unwatched} were in the air")
