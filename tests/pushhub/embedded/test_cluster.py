"""PostgreSQL and Valkey of one test."""

from __future__ import annotations

import psycopg
import pytest
import redis
from django.db import connection

from pushhub.embedded.cluster import EmbeddedCluster


@pytest.mark.django_db
def test_the_suite_has_a_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_committed_rows_survive_kill_nine(cluster: EmbeddedCluster) -> None:
    with psycopg.connect(cluster.env()["DATABASE_URL"]) as database:
        database.execute("CREATE TABLE kept AS SELECT 1 AS x")

    cluster.kill_postgres()
    cluster.restart_postgres()

    with psycopg.connect(cluster.env()["DATABASE_URL"]) as database:
        assert database.execute("SELECT x FROM kept").fetchall() == [(1,)]


def test_the_log_of_postgresql_contains_no_values(cluster: EmbeddedCluster) -> None:
    with psycopg.connect(cluster.env()["DATABASE_URL"], autocommit=True) as database:
        database.execute("CREATE TABLE people (id text PRIMARY KEY)")
        database.execute("INSERT INTO people VALUES ('alice@example.com')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            database.execute("INSERT INTO people VALUES ('alice@example.com')")
    log = cluster.postgres.log.read_text()
    assert "duplicate key" in log
    assert "alice" not in log


def test_acknowledged_writes_to_valkey_survive_kill_nine(cluster: EmbeddedCluster) -> None:
    with redis.Redis.from_url(cluster.env()["CELERY_BROKER_URL"]) as broker:
        broker.set("kept", "1")

    cluster.kill_valkey()
    cluster.restart_valkey()

    with redis.Redis.from_url(cluster.env()["CELERY_BROKER_URL"]) as broker:
        assert broker.get("kept") == b"1"
