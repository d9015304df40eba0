from __future__ import annotations

from uuid import uuid4

import pytest

from notifications.engine.outcome import settlement_for
from notifications.engine.types import AppVersion, ClaimedDelivery, Settlement
from notifications.states import DeliveryState
from providers.registry import provider_get
from providers.types import Outcome, SendResult
from tests.notifications.builders import claimed_make

APP = AppVersion(uuid4(), 1, provider_get("webpush"), "", "")
REFUSED = SendResult(outcome=Outcome.MISCONFIGURED, error_code="http 403")


def to_settlement(delivery: ClaimedDelivery, result: SendResult) -> Settlement:
    return settlement_for(delivery, result, now=1_000.0, random=lambda: 0.5)


@pytest.mark.parametrize(
    ("outcome", "state", "gone"),
    [
        (Outcome.ACCEPTED, DeliveryState.ACCEPTED, False),
        (Outcome.RETRY, DeliveryState.QUEUED, False),
        (Outcome.ENDPOINT_GONE, DeliveryState.GONE, True),
        (Outcome.REJECTED, DeliveryState.REJECTED, False),
    ],
)
def test_each_outcome_has_its_state(outcome: Outcome, state: DeliveryState, gone: bool) -> None:
    settlement = to_settlement(claimed_make(), SendResult(outcome=outcome, error_code="word"))
    assert (settlement.state, settlement.gone, settlement.reason) == (state, gone, "word")
    assert settlement.counted


def test_a_refused_credential_pauses_another_vendors_app_and_spends_no_attempt() -> None:
    settlement = to_settlement(claimed_make(provider="sns"), REFUSED)
    assert (settlement.state, settlement.misconfigured, settlement.counted) == ("queued", "http 403", False)


def test_a_refused_subscription_is_rejected_and_suspect() -> None:
    settlement = to_settlement(claimed_make(), REFUSED)
    assert (settlement.state, settlement.misconfigured, settlement.suspect_as) == ("rejected", "", "refused")


def test_a_gone_endpoint_is_suspect() -> None:
    assert to_settlement(claimed_make(), SendResult(outcome=Outcome.ENDPOINT_GONE)).suspect_as == "gone"
