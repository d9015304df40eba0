from __future__ import annotations

import inspect
import re

import pytest

from devices.models import EndpointState
from notifications.engine import claim, send
from notifications.explain import CANCEL_REASONS, REASONS, STATES, TRANSPORT, explain
from notifications.states import CancelReason, DeliveryState
from notifications.upkeep import sql as sql_upkeep
from outgoing.types import FailureKind


def test_every_state_and_every_reason_of_ours_has_a_sentence() -> None:
    assert set(STATES) == set(DeliveryState)
    assert set(CANCEL_REASONS) == set(CancelReason)
    assert set(TRANSPORT) == set(FailureKind)
    unreachable = set(EndpointState) - {EndpointState.ACTIVE, EndpointState.SUSPECT}
    assert {f"endpoint_{state}" for state in unreachable} <= set(REASONS)


def test_every_reason_the_engine_writes_has_a_sentence() -> None:
    """Literals of the engine: `reason = '…'` in its SQL, the third argument of its settlements."""
    written = set(re.findall(r"reason = (?:CASE WHEN .*? THEN )?'([a-z_]+)'", inspect.getsource(sql_upkeep)))
    for module in (claim, send):
        written |= set(re.findall(r'Settlement\(\s*delivery, [\w.]+, "(\w+)"', inspect.getsource(module)))
    assert {"leases_lost", "endpoint_pending", "app_unavailable"} <= written
    assert written <= set(REASONS) | set(CancelReason.values)


@pytest.mark.parametrize(
    "explanation", [*STATES.values(), *CANCEL_REASONS.values(), *TRANSPORT.values(), *REASONS.values()]
)
def test_sentences_are_sentences(explanation: object) -> None:
    for text in (explanation.what, explanation.remedy):  # type: ignore[attr-defined]
        assert text[0].isupper()
        assert text.endswith(".")


def test_no_two_states_read_the_same() -> None:
    assert len({explanation.what for explanation in STATES.values()}) == len(DeliveryState)


@pytest.mark.parametrize("reason", CancelReason.values)
def test_a_cancellation_says_why(reason: str) -> None:
    assert explain(state="cancelled", reason=reason) == CANCEL_REASONS[CancelReason(reason)]


def test_a_dead_delivery_says_what_the_network_did() -> None:
    found = explain(state="dead", reason="transport:dns")
    assert found.what.startswith(STATES[DeliveryState.DEAD].what)
    assert found.remedy == TRANSPORT[FailureKind.DNS].remedy


@pytest.mark.parametrize("reason", ["", "BadDeviceToken", "transport:", "transport:unheard-of"])
def test_any_other_reason_gets_the_states_sentence(reason: str) -> None:
    assert explain(state="rejected", reason=reason) == STATES[DeliveryState.REJECTED]
