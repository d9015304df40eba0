"""The scenarios of the siege, one function each: the faults that are injected while a round's deliveries are sent."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import psycopg
import redis

from bench.faults.clock import clock_shifted
from bench.faults.disk import fill
from bench.faults.installation import WINDOW
from bench.faults.round import Round
from bench.faults.workers import Group
from pushhub.embedded.process import wait_until

EXPIRING = 0.002  # share of the devices whose Retry-After is later than the message's expiry
RESTART_SECONDS = 30.0
OUTAGE_SECONDS = 8.0
REFUSED_SECONDS = 12.0  # a hold opens after some four seconds
SUCCESS_WINDOW = 61.0  # acceptances of the last minute count against a gone spike
FULL_SECONDS = 8.0
WAL_FILES = 20
IN_FLIGHT_SECONDS = 10.0  # within this time a working dispatcher has something in flight
CHILDREN = 4  # processes of two dispatchers, each with a window
_ACCEPTED_SINCE: Final = "SELECT count(*) FROM notifications_acceptedtally WHERE at > now() - %s * interval '1 second'"
_OPEN_HOLDS: Final = "SELECT count(*) FROM notifications_hold WHERE released_at IS NULL"
LAST_FAULT = 0.9  # no more faults when this share has ended: the rest may be a single batch


def worker_kills(round_: Round) -> None:
    """SIGKILL of a random process every two seconds: a dispatcher's child, a whole dispatcher, upkeep or beat."""
    dispatchers = _two_dispatchers(round_)
    round_.begin()
    while round_.unfinished(until=LAST_FAULT):
        round_.pause(2)
        kill_any(round_, dispatchers)


def _two_dispatchers(round_: Round, **env: str) -> list[Group]:
    return [round_.dispatcher_start(1, **env), round_.dispatcher_start(2, **env)]


def kill_any(round_: Round, dispatchers: list[Group]) -> None:
    support = [round_.installation.support["upkeep"], round_.installation.support["beat"]]
    victim = round_.rng.choice([*dispatchers, *dispatchers, *support])
    if victim in dispatchers:
        kill_dispatcher(round_, victim, whole=round_.rng.random() < 0.4)
    else:
        victim.kill()
        victim.start()
        round_.faults.kills += 1
        round_.progress(f"killed {victim.name}")


def kill_dispatcher(round_: Round, victim: Group, *, whole: bool, timeout: float = 0.0) -> int:
    """SIGKILL of the dispatcher, or of one of its children, which is then started again.

    Returns how many deliveries of all dispatchers were in flight.
    """
    with round_.frozen(timeout=timeout) as in_flight:
        if whole:
            victim.kill()
        elif not victim.kill_a_child(round_.rng):
            return 0
    round_.faults.in_flight += in_flight
    round_.faults.kills += 1
    round_.progress(f"killed {'' if whole else 'a child of '}{victim.name}, {in_flight.total()} in flight")
    if whole:
        victim.start()
    return in_flight.total()


def worker_stops(round_: Round) -> None:
    """SIGTERM, as at a deployment: sent deliveries are settled, the others are released, nothing is repeated."""
    dispatchers = _two_dispatchers(round_)
    round_.begin()
    while round_.unfinished(until=LAST_FAULT):
        round_.pause(3)
        victim = round_.rng.choice(dispatchers)
        if not stop_dispatcher(round_, victim, whole=round_.rng.random() < 0.5):
            round_.expected.violated.append(f"{victim.name} did not stop after SIGTERM")
        victim.start()
        round_.progress(f"stopped {victim.name}")


def stop_dispatcher(round_: Round, victim: Group, *, whole: bool) -> bool:
    """SIGTERM of the parent, or of all its processes, while requests are unanswered. False: it had to be killed."""
    with round_.installation.sandbox.frozen():
        victim.terminate(whole=whole)
        time.sleep(1)
    return victim.stop()


def worker_freeze(round_: Round) -> None:
    """A dispatcher is frozen for longer than its leases. Another takes over; the late results are dropped."""
    victim = round_.dispatcher_start(1)
    round_.begin()
    round_.wait_until_started()
    with round_.frozen(timeout=IN_FLIGHT_SECONDS) as in_flight:
        round_.faults.in_flight += in_flight
        round_.faults.kills += 1
        round_.progress(f"froze {victim.name}, {in_flight.total()} in flight")
        round_.dispatcher_start(2)
        round_.wait(round_.leases_lost)
        round_.pause(2)


def postgresql_kills(round_: Round) -> None:
    """`kill -9` of PostgreSQL every few seconds. It is down for up to three seconds."""
    _two_dispatchers(round_)
    round_.begin()
    while round_.unfinished(until=LAST_FAULT):
        round_.pause(round_.rng.uniform(4, 8))
        kill_postgresql(round_, down=round_.rng.uniform(0.2, 3))


def kill_postgresql(round_: Round, *, down: float, timeout: float = 0.0) -> int:
    """Returns how many deliveries were in flight."""
    cluster = round_.installation.cluster
    with round_.frozen(timeout=timeout) as in_flight:
        cluster.kill_postgres()
    round_.faults.unflushed += in_flight
    round_.faults.kills += 1
    round_.progress(f"killed PostgreSQL, {in_flight.total()} in flight")
    time.sleep(down)
    cluster.restart_postgres()
    return in_flight.total()


def valkey_kills(round_: Round) -> None:
    """`kill -9` of the broker. It is down for longer than a dispatch task, and the next task needs a wake-up."""
    _two_dispatchers(round_)
    round_.begin()
    while round_.unfinished(until=LAST_FAULT):
        round_.pause(round_.rng.uniform(3, 6))
        kill_valkey(round_, down=round_.rng.uniform(0.5, 4))


def kill_valkey(round_: Round, *, down: float) -> None:
    round_.installation.cluster.kill_valkey()
    round_.faults.kills += 1
    round_.progress("killed Valkey")
    round_.pause(down)
    round_.installation.cluster.restart_valkey()


def valkey_flushes(round_: Round) -> None:
    """FLUSHALL every second: queues, wake-ups, rate limits, everything."""
    _two_dispatchers(round_)
    round_.begin()
    while round_.unfinished(until=LAST_FAULT):
        round_.pause(1)
        flush_valkey(round_)
    round_.progress("flushed Valkey every second")


def flush_valkey(round_: Round) -> None:
    """Messages, wake-up marks and counters: everything that is not in PostgreSQL."""
    with redis.Redis.from_url(round_.installation.cluster.valkey.url()) as valkey:
        valkey.flushall()
    round_.faults.kills += 1


def mixed_responses(round_: Round) -> None:
    """The push service gives many kinds of responses. The script of a device says how its delivery must end."""
    round_.script(0.04, "gone", "gone")
    round_.script(0.04, "not_found", "gone")
    round_.script(0.03, "too_large", "rejected")
    round_.script(0.05, "sequence:429,201", "accepted")
    round_.script(0.05, "sequence:503,500,201", "accepted")
    round_.script(0.02, "sequence:reset,reset,201", "accepted")
    round_.script(0.02, "sequence:lost,201", "accepted")
    round_.script(0.005, "sequence:hang,201", "accepted")
    round_.script(EXPIRING, "throttle:3600", "expired")
    _two_dispatchers(round_)
    round_.begin()


def push_service_outages(round_: Round, *, seconds: float = OUTAGE_SECONDS) -> None:
    """The push service hangs, resets every connection and answers every request 503, in random order."""
    _two_dispatchers(round_)
    round_.begin()
    for status in round_.rng.sample(["hang", "reset", "503"], 3):
        round_.pause(2)
        round_.installation.sandbox.outage(seconds, status=status, scope="push")
        round_.progress(f"the push service answers: {status}")
        round_.pause(seconds)


def push_service_restart(round_: Round, *, seconds: float = RESTART_SECONDS) -> None:
    """The push service's process is killed, and started again on the same port half a minute later."""
    _two_dispatchers(round_)
    round_.begin()
    round_.wait_until_started()
    round_.installation.sandbox.kill()
    round_.faults.kills += 1
    round_.progress("killed the push service")
    round_.pause(seconds)
    round_.installation.sandbox.start()
    round_.progress("started the push service")


def refused_credentials(round_: Round, *, seconds: float = REFUSED_SECONDS) -> None:
    """The push service refuses the credentials while workers are killed. A hold keeps the deliveries until a probe
    succeeds."""
    dispatchers = _two_dispatchers(round_)
    round_.begin()
    round_.wait_until_started()
    round_.installation.sandbox.outage(seconds, status=403, scope="push")
    _kills(round_, dispatchers, seconds)


def gone_spike(round_: Round, *, seconds: float = REFUSED_SECONDS) -> None:
    """The push service reports every device as gone while workers are killed. An operator rejects the gone spike."""
    dispatchers = _two_dispatchers(round_)
    round_.wait(lambda: not round_.installation.query(_ACCEPTED_SINCE, [SUCCESS_WINDOW])[0][0])
    round_.installation.sandbox.outage(round_.timeout, status=410, scope="push")
    round_.begin()
    _kills(round_, dispatchers, seconds)
    round_.wait(lambda: round_.installation.query(_OPEN_HOLDS)[0][0])
    round_.installation.sandbox.outage(0, scope="push")
    round_.installation.holds_release()
    round_.progress("released the hold")


def _kills(round_: Round, dispatchers: list[Group], seconds: float) -> None:
    """One every two seconds. A notification that suspect outcomes completed may be completed once more."""
    round_.expected.reopened = True
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        round_.pause(2)
        kill_any(round_, dispatchers)


def clock_ahead(round_: Round) -> None:
    """The clock of every worker is an hour ahead of the other processes' clocks."""
    _shift_clocks(round_, 3600)


def clock_behind(round_: Round) -> None:
    """The clock of every worker is an hour behind the other processes' clocks."""
    _shift_clocks(round_, -3600)


def _shift_clocks(round_: Round, seconds: int) -> None:
    """Web, beat and the push service have the correct time; dispatch and upkeep have not."""
    env = clock_shifted(seconds, round_.folder)
    round_.installation.support["upkeep"].stop()
    upkeep = round_.installation.group("upkeep-shifted", round_.folder, **env)
    upkeep.start()
    round_.helpers.append(upkeep)
    _two_dispatchers(round_, **env)
    round_.begin()


def full_disk(round_: Round) -> None:
    """PostgreSQL's disk is full for some seconds during the broadcast. Every notification answered 202 is delivered."""
    postgres = round_.installation.cluster.postgres
    _two_dispatchers(round_)
    round_.begin(every=0.02)
    round_.wait_until_started()
    log_start = postgres.log.stat().st_size
    filler = fill(postgres.folder)
    round_.progress(f"filled the disk with {filler.stat().st_size >> 20} MB")
    round_.pause(FULL_SECONDS)
    with suppress(psycopg.Error):  # the write-ahead log needs its next file: that ends every session
        for _ in range(WAL_FILES):
            round_.installation.query("SELECT pg_switch_wal(), pg_current_xact_id()")
    round_.progress("forced new files of the write-ahead log")
    round_.pause(FULL_SECONDS)
    filler.unlink()
    wait_until(lambda: not postgres.running or round_.installation.reachable(), seconds=30)
    round_.installation.cluster.restart_postgres()
    panics = postgres.log.read_bytes()[log_start:].count(b"PANIC")
    round_.faults.kills += panics
    round_.faults.uncounted += panics * CHILDREN * WINDOW
    round_.progress(f"freed the disk; PostgreSQL panicked {panics} times")


def two_machines(round_: Round) -> None:
    """Two machines with all processes on each: two beats at once, and two workers that do upkeep."""
    others = [round_.installation.group("beat-2", round_.folder), round_.installation.group("upkeep-2", round_.folder)]
    round_.helpers += others
    for other in others:
        other.start()
    _two_dispatchers(round_)
    round_.begin()


SCENARIOS: Final[dict[str, Callable[[Round], None]]] = {
    "worker-kills": worker_kills,
    "worker-stops": worker_stops,
    "worker-freeze": worker_freeze,
    "postgresql-kills": postgresql_kills,
    "valkey-kills": valkey_kills,
    "valkey-flushes": valkey_flushes,
    "mixed-responses": mixed_responses,
    "push-service-outages": push_service_outages,
    "push-service-restart": push_service_restart,
    "refused-credentials": refused_credentials,
    "gone-spike": gone_spike,
    "clock-ahead": clock_ahead,
    "clock-behind": clock_behind,
    "full-disk": full_disk,
    "two-machines": two_machines,
}
