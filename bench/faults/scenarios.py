"""The scenarios of the siege, one function each: what is done while a round's deliveries are on their way."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import psycopg
import redis

from bench.faults.clock import clock_shifted
from bench.faults.disk import fill
from bench.faults.round import Round
from bench.faults.scene import WINDOW
from bench.faults.workers import Group
from pushhub.embedded.process import wait_until

EXPIRING = 0.002  # of the devices: their Retry-After is past the message's expiry
DEAD_SECONDS = 30.0
OUTAGE_SECONDS = 8.0
REFUSED_SECONDS = 12.0  # some four of them before it is doubted
STORM_WINDOW = 61.0  # what was accepted in this time speaks against a gone spike
FULL_SECONDS = 8.0
WAL_FILES = 20
MOMENT = 10.0  # within which something is in the air, if a dispatcher works at all
CHILDREN = 4  # of two dispatchers, each with a window
_ACCEPTED_SINCE: Final = "SELECT count(*) FROM notifications_acceptedtally WHERE at > now() - %s * interval '1 second'"
_HELD: Final = "SELECT count(*) FROM notifications_hold WHERE released_at IS NULL"
GO_ON = 0.9  # no more harm once so much has ended: the rest may be a handful


def workers(round_: Round) -> None:
    """SIGKILL of a random worker every two seconds: a child of a dispatcher, a whole one, upkeep, or beat."""
    both = [round_.dispatch(1), round_.dispatch(2)]
    round_.begin()
    while round_.going_on(until=GO_ON):
        round_.pause(2)
        kill_any(round_, both)


def kill_any(round_: Round, dispatchers: list[Group]) -> None:
    support = [round_.scene.support["upkeep"], round_.scene.support["beat"]]
    victim = round_.chance.choice([*dispatchers, *dispatchers, *support])
    if victim in dispatchers:
        kill_dispatcher(round_, victim, whole=round_.chance.random() < 0.4)
    else:
        victim.kill()
        victim.start()
        round_.harm.kills += 1
        round_.progress(f"killed {victim.name}")


def kill_dispatcher(round_: Round, victim: Group, *, whole: bool, patience: float = 0.0) -> int:
    """SIGKILL of it, or of one of its children; started again. How many deliveries were in the air, whoever's."""
    with round_.still(patience=patience) as in_the_air:
        if whole:
            victim.kill()
        elif not victim.kill_a_child(round_.chance):
            return 0
    round_.harm.sending += in_the_air
    round_.harm.kills += 1
    round_.progress(f"killed {victim.name}{'' if whole else chr(39) + 's child'}, {in_the_air.total()} in the air")
    if whole:
        victim.start()
    return in_the_air.total()


def stops(round_: Round) -> None:
    """SIGTERM, as at every deployment: what was sent is settled, what was not is given back, nothing is repeated."""
    both = [round_.dispatch(1), round_.dispatch(2)]
    round_.begin()
    while round_.going_on(until=GO_ON):
        round_.pause(3)
        victim = round_.chance.choice(both)
        if not stop_dispatcher(round_, victim, whole=round_.chance.random() < 0.5):
            round_.promised.broken.append(f"{victim.name} did not stop by itself")
        victim.start()
        round_.progress(f"stopped {victim.name}")


def stop_dispatcher(round_: Round, victim: Group, *, whole: bool) -> bool:
    """SIGTERM of it, or of all its processes at once, while the push service owes it answers. False: it had to be
    killed."""
    with round_.scene.sandbox.standing_still():
        victim.tell(whole=whole)
        time.sleep(1)
    return victim.stop()


def frozen(round_: Round) -> None:
    """A dispatcher stands still for longer than its leases, then goes on: another has taken over, it is fenced off."""
    victim = round_.dispatch(1)
    round_.begin()
    round_.wait_for_the_middle()
    with round_.still(patience=MOMENT) as in_the_air:
        round_.harm.sending += in_the_air
        round_.harm.kills += 1
        round_.progress(f"froze {victim.name}, {in_the_air.total()} in the air")
        round_.dispatch(2)
        round_.wait(round_.leases_lost)
        round_.pause(2)


def postgresql(round_: Round) -> None:
    """`kill -9` of PostgreSQL, and again as soon as it works; down for up to three seconds."""
    round_.dispatch(1), round_.dispatch(2)
    round_.begin()
    while round_.going_on(until=GO_ON):
        round_.pause(round_.chance.uniform(4, 8))
        kill_postgresql(round_, down=round_.chance.uniform(0.2, 3))


def kill_postgresql(round_: Round, *, down: float, patience: float = 0.0) -> int:
    """How many deliveries were in the air."""
    cluster = round_.scene.cluster
    with round_.still(patience=patience) as in_the_air:
        cluster.kill_postgres()
    round_.harm.unflushed += in_the_air
    round_.harm.kills += 1
    round_.progress(f"killed PostgreSQL, {in_the_air.total()} in the air")
    time.sleep(down)
    cluster.restart_postgres()
    return in_the_air.total()


def valkey_killed(round_: Round) -> None:
    """`kill -9` of the broker; down for longer than a turn of the dispatcher, whose next one needs a wake-up."""
    round_.dispatch(1), round_.dispatch(2)
    round_.begin()
    while round_.going_on(until=GO_ON):
        round_.pause(round_.chance.uniform(3, 6))
        kill_valkey(round_, down=round_.chance.uniform(0.5, 4))


def kill_valkey(round_: Round, *, down: float) -> None:
    round_.scene.cluster.kill_valkey()
    round_.harm.kills += 1
    round_.progress("killed Valkey")
    round_.pause(down)
    round_.scene.cluster.restart_valkey()


def valkey_flushed(round_: Round) -> None:
    """FLUSHALL every second: queues, wake-ups, rate limits, everything."""
    round_.dispatch(1), round_.dispatch(2)
    round_.begin()
    while round_.going_on(until=GO_ON):
        round_.pause(1)
        flush_valkey(round_)
    round_.progress("flushed Valkey every second")


def flush_valkey(round_: Round) -> None:
    """Messages, wake-up marks and counters: everything that is not in PostgreSQL."""
    with redis.Redis.from_url(round_.scene.cluster.valkey.url()) as valkey:
        valkey.flushall()
    round_.harm.kills += 1


def mix(round_: Round) -> None:
    """The push service answers this and that: every device's end is known from its script."""
    round_.script(0.04, "gone", "gone")
    round_.script(0.04, "not_found", "gone")
    round_.script(0.03, "too_large", "rejected")
    round_.script(0.05, "sequence:429,201", "accepted")
    round_.script(0.05, "sequence:503,500,201", "accepted")
    round_.script(0.02, "sequence:reset,reset,201", "accepted")
    round_.script(0.02, "sequence:lost,201", "accepted")
    round_.script(0.005, "sequence:hang,201", "accepted")
    round_.script(EXPIRING, "throttle:3600", "expired")
    round_.dispatch(1), round_.dispatch(2)
    round_.begin()


def outages(round_: Round, *, seconds: float = OUTAGE_SECONDS) -> None:
    """The push service hangs, then resets every connection, then answers 503 to everybody, in some order."""
    round_.dispatch(1), round_.dispatch(2)
    round_.begin()
    for status in round_.chance.sample(["hang", "reset", "503"], 3):
        round_.pause(2)
        round_.scene.sandbox.outage(seconds, status=status, scope="push")
        round_.progress(f"the push service answers: {status}")
        round_.pause(seconds)


def death(round_: Round, *, seconds: float = DEAD_SECONDS) -> None:
    """The push service's process is killed; half a minute later it is there again, on the same port."""
    round_.dispatch(1), round_.dispatch(2)
    round_.begin()
    round_.wait_for_the_middle()
    round_.scene.sandbox.kill()
    round_.harm.kills += 1
    round_.progress("killed the push service")
    round_.pause(seconds)
    round_.scene.sandbox.start()
    round_.progress("started the push service")


def refused(round_: Round, *, seconds: float = REFUSED_SECONDS) -> None:
    """The push service refuses our credentials, while workers are killed. Held; sent when it takes them again."""
    both = [round_.dispatch(1), round_.dispatch(2)]
    round_.begin()
    round_.wait_for_the_middle()
    round_.scene.sandbox.outage(seconds, status=403, scope="push")
    _kills(round_, both, seconds)


def gone_spike(round_: Round, *, seconds: float = REFUSED_SECONDS) -> None:
    """The push service says that everybody is gone, while workers are killed. An operator does not believe it."""
    both = [round_.dispatch(1), round_.dispatch(2)]
    round_.wait(lambda: not round_.scene.query(_ACCEPTED_SINCE, [STORM_WINDOW])[0][0])
    round_.scene.sandbox.outage(round_.patience, status=410, scope="push")
    round_.begin()
    _kills(round_, both, seconds)
    round_.wait(lambda: round_.scene.query(_HELD)[0][0])
    round_.scene.sandbox.outage(0, scope="push")
    round_.scene.holds_release()
    round_.progress("released what was held")


def _kills(round_: Round, dispatchers: list[Group], seconds: float) -> None:
    """One every two seconds. What was completed by doubtful answers may be completed once more."""
    round_.promised.reopened = True
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        round_.pause(2)
        kill_any(round_, dispatchers)


def clock_ahead(round_: Round) -> None:
    """Every worker's host is an hour ahead of the others'."""
    _under_clock(round_, 3600)


def clock_behind(round_: Round) -> None:
    """Every worker's host is an hour behind the others'."""
    _under_clock(round_, -3600)


def _under_clock(round_: Round, seconds: int) -> None:
    """Web, beat and the push service keep the true time; dispatch and upkeep do not."""
    env = clock_shifted(seconds, round_.folder)
    round_.scene.support["upkeep"].stop()
    upkeep = round_.scene.group("upkeep-shifted", round_.folder, **env)
    upkeep.start()
    round_.helpers.append(upkeep)
    round_.dispatch(1, **env), round_.dispatch(2, **env)
    round_.begin()


def disk(round_: Round) -> None:
    """The disk under PostgreSQL is full for a while, in the middle of it; whatever was answered 202 is delivered."""
    postgres = round_.scene.cluster.postgres
    round_.dispatch(1), round_.dispatch(2)
    round_.begin(every=0.02)
    round_.wait_for_the_middle()
    said = postgres.log.stat().st_size
    ballast = fill(postgres.folder)
    round_.progress(f"filled the disk with {ballast.stat().st_size >> 20} MB")
    round_.pause(FULL_SECONDS)
    with suppress(psycopg.Error):  # the write-ahead log asks for its next file: that ends every session
        for _ in range(WAL_FILES):
            round_.scene.query("SELECT pg_switch_wal(), pg_current_xact_id()")
    round_.progress("let the write-ahead log run full")
    round_.pause(FULL_SECONDS)
    ballast.unlink()
    wait_until(lambda: not postgres.running or round_.scene.reachable(), seconds=30)
    round_.scene.cluster.restart_postgres()
    panics = postgres.log.read_bytes()[said:].count(b"PANIC")
    round_.harm.kills += panics
    round_.harm.unwatched += panics * CHILDREN * WINDOW
    round_.progress(f"gave the space back; {panics} panics of PostgreSQL")


def machines(round_: Round) -> None:
    """Two machines with everything on each: two beats at once, and two workers that do upkeep."""
    others = [round_.scene.group("beat-2", round_.folder), round_.scene.group("upkeep-2", round_.folder)]
    round_.helpers += others
    for other in others:
        other.start()
    round_.dispatch(1), round_.dispatch(2)
    round_.begin()


SCENARIOS: Final[dict[str, Callable[[Round], None]]] = {
    "workers": workers,
    "stops": stops,
    "frozen": frozen,
    "postgresql": postgresql,
    "valkey-killed": valkey_killed,
    "valkey-flushed": valkey_flushed,
    "mix": mix,
    "outages": outages,
    "death": death,
    "refused": refused,
    "gone_spike": gone_spike,
    "clock-ahead": clock_ahead,
    "clock-behind": clock_behind,
    "disk": disk,
    "machines": machines,
}
