"""A database as version 0.1 of the code left it, migrated to the current one.

`before.sql.gz` was made by the services of commit d394d4c: two tenants with keys, operators, apps, 210 devices, 10,000
deliveries in every state, events of every type, holds, jobs, avatars, groups and their permissions. `before.json` has
the same facts, and the first 16 hex digits of the SHA-256 of each sealed value's clear text.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from pytest_django import DjangoDbBlocker

from pushhub.kernel import crypto

HERE = Path(__file__).parent
RENAMED = {
    "notifications_budget": "notifications_ratelimit",
    "notifications_lanesignal": "notifications_lanewakeup",
    "notifications_doubt": "notifications_suspectoutcome",
}
_TABLES = """
SELECT relname, relfilenode FROM pg_class
WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
  AND relname !~ '_[0-9]{8}$|_default$|^django_migrations$'
"""


@dataclass(frozen=True)
class Upgraded:
    """`facts`: before.json. `files` and `rows`: of each table before, by its current name."""

    facts: dict[str, Any]
    files: dict[str, int]
    rows: dict[str, int]
    permissions: dict[str, set[str]]


@pytest.fixture(scope="module")
def upgraded(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Upgraded]:
    """The tests of a module share the database: none of them may write to it."""
    facts = json.loads((HERE / "before.json").read_text())
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock():
        for name in ("PUSHHUB_ENCRYPTION_KEYS", "PUSHHUB_HASH_KEY"):
            patch.setenv(name, facts["settings"][name])
        _keys_forget()
        with _Database(f"upgrade_{os.getpid()}"):
            _fill(facts["heads"])
            before = Upgraded(facts, table_files(), _rows(table_files()), permissions_of_groups())
            call_command("migrate", verbosity=0)
            yield before
    _keys_forget()


@pytest.fixture
def database(upgraded: Upgraded, django_db_blocker: DjangoDbBlocker) -> Iterator[Upgraded]:
    with django_db_blocker.unblock():
        yield upgraded


def permissions_of_groups() -> dict[str, set[str]]:
    """Group → "<permission id> <code name>"."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT g.name, p.id || ' ' || p.codename FROM auth_group g"
            " JOIN auth_group_permissions gp ON gp.group_id = g.id JOIN auth_permission p ON p.id = gp.permission_id"
        )
        found: dict[str, set[str]] = {}
        for group, permission in cursor.fetchall():
            found.setdefault(group, set()).add(permission)
        return found


def _keys_forget() -> None:
    crypto.keyring.cache_clear()
    crypto.hash_key.cache_clear()


class _Database:
    """Django's connection on a new database of the same server, for as long as it is entered."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        self._before = connection.settings_dict["NAME"]
        self._execute(f'CREATE DATABASE "{self.name}"')
        self._use(self.name)

    def __exit__(self, *_: object) -> None:
        self._use(self._before)
        self._execute(f'DROP DATABASE "{self.name}"')

    def _execute(self, statement: str) -> None:
        parameters = connection.get_connection_params()
        at = {key: parameters[key] for key in ("host", "port", "user", "password") if parameters.get(key)}
        with psycopg.connect(**at, dbname="postgres", autocommit=True) as server:
            server.execute(statement)

    def _use(self, name: str) -> None:
        connection.close()
        connection.settings_dict["NAME"] = name


def _fill(heads: dict[str, str]) -> None:
    MigrationExecutor(connection).migrate(list(heads.items()))
    with connection.cursor() as cursor:
        cursor.execute(gzip.decompress((HERE / "before.sql.gz").read_bytes()).decode())


def table_files() -> dict[str, int]:
    """Each table's file, by the table's current name. A table that is copied or rewritten gets another file."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        return {RENAMED.get(name, name): number for name, number in cursor.fetchall()}


def _rows(tables: dict[str, int]) -> dict[str, int]:
    old = {new: name for name, new in RENAMED.items()}
    counted = {}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT count(*) FROM {old.get(table, table)}")
            counted[table] = cursor.fetchone()[0]
    return counted
