from __future__ import annotations

from collections import Counter
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.counts import TOP, CountDeltas, bucket, percentile
from notifications.models import CountDelta

DELAYS = st.lists(st.floats(min_value=1, max_value=10**9), min_size=1)


def histogram(delays: list[float]) -> Counter[str]:
    return Counter(str(bucket(delay)) for delay in delays)


@given(DELAYS, st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_at_most_five_percent_over_the_truth(delays: list[float], q: float) -> None:
    truth = next(delay for delay in sorted(delays) if sum(other <= delay for other in delays) >= q * len(delays))
    found = percentile(histogram(delays), q)
    assert found is not None
    assert truth * 0.999 - 1 <= found <= truth * 1.051 + 1


@given(st.floats(min_value=0, max_value=10**12), st.floats(min_value=1, max_value=10))
def test_buckets_grow_with_the_delay(delay: float, factor: float) -> None:
    assert 0 <= bucket(delay) <= bucket(delay * factor) <= TOP


def test_under_a_millisecond_is_one() -> None:
    assert percentile(histogram([0.0, 0.4]), 0.5) == 1


def test_nothing_has_no_percentile() -> None:
    assert percentile({}, 0.5) is None


@pytest.mark.django_db
def test_a_transaction_appends_one_delta_for_each_notification() -> None:
    first, second = uuid4(), uuid4()
    deltas = CountDeltas()
    deltas.move(first, "queued", "accepted", number=2)
    deltas.move(first, "queued", "dead")
    deltas.move(second, "dead", "queued", number=3)
    deltas.delay(first, 0.5, number=2)
    deltas.append()
    assert {row.notification_id: (row.counts, row.delays) for row in CountDelta.objects.all()} == {
        first: ({"queued": -3, "accepted": 2, "dead": 1}, {"0": 2}),
        second: ({"dead": -3, "queued": 3}, {}),
    }


@pytest.mark.django_db
def test_what_is_being_sent_counts_as_queued() -> None:
    deltas = CountDeltas()
    deltas.move(uuid4(), "sending", "queued")
    deltas.append()
    assert CountDelta.objects.count() == 0
