"""docs/operations/upgrading.md: the new names exist, and the old ones do not."""

import re
from pathlib import Path

import pytest
from django.apps import apps
from prometheus_client import Counter

from pushhub.kernel.metrics import Metric

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations" / "upgrading.md"
COLUMN = re.compile(r"`([a-z]+_[a-z]+(?:\.[a-z_]+)?)`")
METRIC = re.compile(r"`(pushhub_[a-z_]+)")


def names(title: str, name: re.Pattern[str]) -> list[tuple[set[str], set[str]]]:
    """The old and the new names of each row in the table below the title."""
    page = PAGE.read_text("utf-8")
    section = page[page.index(f"## {title}") :].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]*`[^|]*) \| ([^|]+) \|$", section, re.MULTILINE)
    return [(set(name.findall(old)), set(name.findall(new))) for old, new in rows]


def tables_and_columns() -> set[str]:
    found = set()
    for model in apps.get_models():
        table = model._meta.db_table
        found |= {table} | {f"{table}.{field.column}" for field in model._meta.concrete_fields}
    return found


def metrics() -> set[str]:
    return {f"{metric.wire_name}{'_total' * (metric.value.kind is Counter)}" for metric in Metric}


@pytest.mark.parametrize(
    ("title", "name", "existing"),
    [("Tables and columns", COLUMN, tables_and_columns()), ("Metrics", METRIC, metrics())],
    ids=["tables", "metrics"],
)
def test_the_new_names_exist_and_the_old_ones_do_not(title: str, name: re.Pattern[str], existing: set[str]) -> None:
    rows = names(title, name)
    kept = [(old, new) for old, new in rows if old == new]  # only a value is renamed
    assert rows
    assert set().union(*(new for _, new in rows)) <= existing | {"suspect_recent", "suspect_hold"}
    assert not set().union(*(old for old, new in rows if (old, new) not in kept)) & existing
