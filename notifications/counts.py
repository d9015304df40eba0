"""How long acceptance took, as a histogram that adds up: {log bucket: deliveries}, buckets 5 % wide.

Settle writes one per flush, upkeep adds them up, and a GET reads percentiles off a few hundred buckets at most.
Keys are strings because JSON's are.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate
from math import log

WIDTH = 1.05
TOP = 480  # 1.05^480 ms ≈ 171 days, longer than anything waits

Histogram = Mapping[str, int]


def bucket(milliseconds: float) -> int:
    """Bucket 0 is everything under 1 ms; bucket n is [1.05^(n-1), 1.05^n) ms."""
    if milliseconds < 1:
        return 0
    return min(TOP, int(log(milliseconds) / log(WIDTH)) + 1)


def histogram(delays: Iterable[float]) -> dict[str, int]:
    """Delays in milliseconds, counted."""
    return {str(number): count for number, count in Counter(bucket(delay) for delay in delays).items()}


def percentile(counts: Histogram, q: float) -> int | None:
    """The delay in ms that the share `q` (0 < q ≤ 1) of deliveries stayed under, or None without deliveries.

    It is the upper edge of the bucket, so it never flatters, and errs by 5 % at most.
    """
    numbers = sorted(map(int, counts))
    sums = list(accumulate(counts[str(number)] for number in numbers))
    if not sums:
        return None
    return round(WIDTH ** numbers[bisect_left(sums, q * sums[-1])])
