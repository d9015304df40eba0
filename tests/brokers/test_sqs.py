"""The engine with SQS as its broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.faults.installation import installation_start
from bench.faults.round import Round
from pushhub.workers.brokers import QUEUES
from tests.brokers.conftest import AWS, REGION
from tests.faults.rounds import DEVICES, assert_nothing_was_repeated, round_on

pytestmark = pytest.mark.broker


@pytest.fixture
def round_(sqs_url: str, tmp_path: Path) -> Iterator[Round]:
    sqs = AWS | {"CELERY_BROKER_URL": "sqs://", "AWS_ENDPOINT_URL_SQS": sqs_url, "AWS_DEFAULT_REGION": REGION}
    with installation_start(DEVICES, settings=sqs) as installation, round_on(installation, tmp_path) as started:
        yield started


def test_a_broadcast_is_sent_with_sqs(round_: Round, sqs_queues: Callable[[], set[str]]) -> None:
    round_.dispatcher_start()
    round_.begin()
    assert_nothing_was_repeated(round_.finish())
    assert sqs_queues() == {f"pushhub-{name}" for name in QUEUES}
