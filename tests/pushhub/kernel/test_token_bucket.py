"""Token buckets with a key of two columns. The tests of the engine's rate limits cover keys of one column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from django.db import connection

from pushhub.kernel.database import statement_run
from pushhub.kernel.token_bucket import MISSING_WAIT, Grant, TokenBuckets

pytestmark = pytest.mark.django_db

HERE, THERE = ("account", "here"), ("account", "there")


@pytest.fixture
def buckets() -> TokenBuckets:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE bucket (id bigserial, account text, region text, rate float8, tokens float8,"
            " refilled_at timestamptz DEFAULT clock_timestamp(), UNIQUE (account, region)) ON COMMIT DROP"
        )
    return TokenBuckets("bucket", key=("account", "region"), run=statement_run)


def tokens() -> dict[str, int]:
    return {region: round(left) for region, left in statement_run("SELECT region, tokens FROM bucket", {})}


def test_a_new_bucket_contains_the_tokens_of_one_second(buckets: TokenBuckets) -> None:
    assert buckets.acquire({HERE: 100.0}, wanted=80).tokens == 80
    assert 20 <= buckets.acquire({HERE: 100.0}, wanted=80).tokens <= 25


def test_another_value_in_one_column_is_another_bucket(buckets: TokenBuckets) -> None:
    assert buckets.acquire({HERE: 10.0}, wanted=10).tokens == 10
    assert buckets.acquire({THERE: 10.0}, wanted=10).tokens == 10


def test_the_emptiest_bucket_limits_the_grant(buckets: TokenBuckets) -> None:
    assert buckets.acquire({HERE: 100.0, THERE: 30.0}, wanted=64).tokens == 30
    assert tokens() == {"here": 70, "there": 0}


def test_released_tokens_are_available_again(buckets: TokenBuckets) -> None:
    buckets.acquire({HERE: 100.0, THERE: 100.0}, wanted=100)
    buckets.release({HERE: 100.0}, tokens=40)
    assert tokens() == {"here": 40, "there": 0}


def test_acquire_runs_one_statement_if_the_bucket_exists(buckets: TokenBuckets) -> None:
    buckets.acquire({HERE: 100.0}, wanted=1)
    with connection.execute_wrapper(counted := Counted()):
        buckets.acquire({HERE: 100.0}, wanted=1)
    assert counted.statements == 1


def test_acquire_ends_without_tokens_if_the_bucket_cannot_be_created() -> None:
    statements: list[str] = []

    def run(statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        statements.append(statement)
        return []

    assert TokenBuckets("bucket", key=("name",), run=run).acquire({("x",): 1.0}, wanted=1) == Grant(0, MISSING_WAIT)
    assert len(statements) == 3


class Counted:
    """Counts the statements that go through Django's connection."""

    def __init__(self) -> None:
        self.statements = 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.statements += 1
        return execute(sql, params, many, context)
