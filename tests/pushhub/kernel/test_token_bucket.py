"""Token buckets whose key has two columns; those of one column are tested as the engine's rate limits."""

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


def test_a_new_bucket_holds_one_second(buckets: TokenBuckets) -> None:
    assert buckets.acquire({HERE: 100.0}, wanted=80).tokens == 80
    assert 20 <= buckets.acquire({HERE: 100.0}, wanted=80).tokens <= 25


def test_the_whole_key_names_the_bucket(buckets: TokenBuckets) -> None:
    assert buckets.acquire({HERE: 10.0}, wanted=10).tokens == 10
    assert buckets.acquire({THERE: 10.0}, wanted=10).tokens == 10


def test_the_emptiest_of_several_buckets_decides(buckets: TokenBuckets) -> None:
    assert buckets.acquire({HERE: 100.0, THERE: 30.0}, wanted=64).tokens == 30
    assert tokens() == {"here": 70, "there": 0}


def test_what_is_released_is_there_again(buckets: TokenBuckets) -> None:
    buckets.acquire({HERE: 100.0, THERE: 100.0}, wanted=100)
    buckets.release({HERE: 100.0}, tokens=40)
    assert tokens() == {"here": 40, "there": 0}


def test_an_acquire_is_one_statement_once_the_bucket_is_there(buckets: TokenBuckets) -> None:
    buckets.acquire({HERE: 100.0}, wanted=1)
    with connection.execute_wrapper(counted := Counted()):
        buckets.acquire({HERE: 100.0}, wanted=1)
    assert counted.statements == 1


def test_a_bucket_that_cannot_be_made_grants_nothing_and_ends() -> None:
    asked: list[str] = []

    def run(statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        asked.append(statement)
        return []

    assert TokenBuckets("bucket", key=("name",), run=run).acquire({("x",): 1.0}, wanted=1) == Grant(0, MISSING_WAIT)
    assert len(asked) == 3


class Counted:
    """Counts the statements that go through Django's connection."""

    def __init__(self) -> None:
        self.statements = 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.statements += 1
        return execute(sql, params, many, context)
