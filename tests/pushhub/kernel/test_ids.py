"""Ids sort by the time they were made at, whatever time is asked for."""

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122

import pytest
from django.db import connection

from pushhub.kernel.ids import uuid7, uuid7_floor, uuid7_time


def test_an_id_tells_when_it_was_made() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    assert before <= uuid7_time(uuid7()) <= datetime.now(UTC)


def test_the_floor_is_below_every_id_of_its_moment_and_above_those_before() -> None:
    earlier = uuid7()
    floor = uuid7_floor(uuid7_time(earlier) + timedelta(milliseconds=1))
    assert earlier < floor
    assert uuid7_floor(uuid7_time(earlier)) <= earlier


@pytest.mark.parametrize("moment", ["0001-01-01T00:00Z", "1969-12-31T23:59Z", "9999-12-31T23:59Z"])
def test_any_moment_has_a_floor(moment: str) -> None:
    assert uuid7_floor(datetime.fromisoformat(moment)).int >= 0


@pytest.mark.django_db
def test_the_databases_ids_are_in_the_order_of_its_rows() -> None:
    """Also before PostgreSQL 18, which has no function of its own for them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pushhub_uuid7() FROM generate_series(1, 1000)")
        made = [id for (id,) in cursor.fetchall()]
    assert made == sorted(made)
    assert {(id.version, id.variant) for id in made} == {(7, RFC_4122)}
    assert abs(datetime.now(UTC) - uuid7_time(made[0])) < timedelta(minutes=1)
