"""Ids sort by the time of their creation."""

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122

import pytest
from django.db import connection

from pushhub.kernel.ids import uuid7, uuid7_floor, uuid7_time


def test_an_id_contains_the_time_of_its_creation() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    assert before <= uuid7_time(uuid7()) <= datetime.now(UTC)


def test_the_floor_is_below_the_ids_of_its_moment_and_above_earlier_ids() -> None:
    earlier = uuid7()
    floor = uuid7_floor(uuid7_time(earlier) + timedelta(milliseconds=1))
    assert earlier < floor
    assert uuid7_floor(uuid7_time(earlier)) <= earlier


@pytest.mark.parametrize("moment", ["0001-01-01T00:00Z", "1969-12-31T23:59Z", "9999-12-31T23:59Z"])
def test_any_moment_has_a_floor(moment: str) -> None:
    assert uuid7_floor(datetime.fromisoformat(moment)).int >= 0


@pytest.mark.django_db
def test_the_ids_that_the_database_creates_are_in_row_order() -> None:
    """Before PostgreSQL 18 the database has no built-in function for UUIDv7."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pushhub_uuid7() FROM generate_series(1, 1000)")
        made = [id for (id,) in cursor.fetchall()]
    assert made == sorted(made)
    assert {(id.version, id.variant) for id in made} == {(7, RFC_4122)}
    assert abs(datetime.now(UTC) - uuid7_time(made[0])) < timedelta(minutes=1)
