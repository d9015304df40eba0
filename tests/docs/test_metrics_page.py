"""docs/operations/observing.md lists every metric with its help text and labels."""

import re
from pathlib import Path

from prometheus_client import Counter

from pushhub.kernel.metrics import Metric

PAGE = Path(__file__).parents[2] / "docs/operations/observing.md"
ROW = re.compile(r"\| `(pushhub_\w+)` \| (.*) \| (.*) \|")


def test_the_page_lists_every_metric() -> None:
    listed = [(name, text, re.findall(r"`(\w+)`", labels)) for name, text, labels in ROW.findall(PAGE.read_text())]
    assert listed == [
        (
            f"{metric.wire_name}_total" if metric.value.kind is Counter else metric.wire_name,
            metric.value.help,
            list(metric.value.labels),
        )
        for metric in Metric
    ]
