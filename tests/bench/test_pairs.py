"""The interleaved comparison says what it should of ratios whose answer is known."""

from itertools import count

import pytest

from bench.pairs import pairs_row, ratio_interval


def test_the_interval_contains_the_mean() -> None:
    low, ratio, high = ratio_interval([0.99, 1.0, 1.01, 1.02, 0.98])
    assert low < ratio < high
    assert ratio == pytest.approx(1.0, abs=0.001)


def test_equal_pairs_leave_no_width() -> None:
    assert ratio_interval([1.05] * 15) == pytest.approx((1.05, 1.05, 1.05))


def test_a_slower_checkout_is_seen_through_drift() -> None:
    """Both get slower from pair to pair; the ratio of each pair stays."""
    here, there = count(100), count(100)
    row = pairs_row(lambda: next(here) * 1.1, lambda: float(next(there)), pairs=15)
    assert (row["ratio"], row["low"] > 1.09, row["high"] < 1.11) == (1.1, True, True)
