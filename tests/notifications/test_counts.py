from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from notifications.counts import TOP, bucket, histogram, percentile

DELAYS = st.lists(st.floats(min_value=1, max_value=10**9), min_size=1)


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
