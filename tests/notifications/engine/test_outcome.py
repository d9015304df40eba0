from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from notifications.engine.claim import ClaimedDelivery, NotificationSnapshot, Settlement
from notifications.engine.lanes import AppVersion, PickedLane
from notifications.engine.outcome import settlement_for
from notifications.states import DeliveryState
from providers.types import Outcome, SendResult

APP = AppVersion(uuid4(), 1, "webpush", "", "")
REFUSED = SendResult(outcome=Outcome.MISCONFIGURED, error_code="http 403")


def delivery(*, device_id: int = 1, host: str = "https://push.example", provider: str = "webpush") -> ClaimedDelivery:
    return ClaimedDelivery(
        id=uuid4(),
        lease=uuid4(),
        lane=PickedLane(1, uuid4(), replace(APP, provider=provider)),
        snapshot=NotificationSnapshot(uuid4(), uuid4(), False, 3600, 2_000.0, 0.0),
        attempt=0,
        device_id=device_id,
        generation=1,
        token_version=1,
        mapping_id=str(uuid4()),
        host=host,
        sealed=b"",
        endpoint_arn="",
        vapid_key_id=None,
        deadline=0.0,
    )


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
def test_what_an_outcome_becomes(outcome: Outcome, state: DeliveryState, gone: bool) -> None:
    settlement = to_settlement(delivery(), SendResult(outcome=outcome, error_code="word"))
    assert (settlement.state, settlement.gone, settlement.reason) == (state, gone, "word")
    assert settlement.counted


def test_a_refused_credential_pauses_another_vendors_app_and_spends_no_attempt() -> None:
    settlement = to_settlement(delivery(provider="sns"), REFUSED)
    assert (settlement.state, settlement.misconfigured, settlement.counted) == ("queued", "http 403", False)


def test_a_refused_subscription_is_rejected_and_doubted() -> None:
    settlement = to_settlement(delivery(), REFUSED)
    assert (settlement.state, settlement.misconfigured, settlement.suspect_as) == ("rejected", "", "refused")


def test_a_gone_endpoint_is_doubted() -> None:
    assert to_settlement(delivery(), SendResult(outcome=Outcome.ENDPOINT_GONE)).suspect_as == "gone"
