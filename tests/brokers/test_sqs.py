"""The whole engine with `sqs://` as its broker."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pushhub.brokers import QUEUES
from tests.brokers.conftest import AWS, REGION
from tests.faults.stage import Stage

pytestmark = pytest.mark.broker


def test_a_broadcast_goes_out_by_sqs_alone(stage: Stage, sqs_url: str, sqs_queues: Callable[[], set[str]]) -> None:
    stage.env |= AWS | {
        "CELERY_BROKER_URL": "sqs://",
        "AWS_ENDPOINT_URL_SQS": sqs_url,
        "AWS_DEFAULT_REGION": REGION,
    }
    stage.worker_start()
    stage.assert_nothing_was_repeated(stage.broadcast())
    assert sqs_queues() == {f"pushhub-{name}" for name in QUEUES}
