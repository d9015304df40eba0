from __future__ import annotations

from threading import Thread

import pytest
from django.db import OperationalError, connection

from notifications.engine import session
from notifications.engine.session import durable, engine_session, execute

pytestmark = pytest.mark.django_db(transaction=True)

NAMES = ("plan_cache_mode", "enable_seqscan", "synchronous_commit")
ENGINES = ("force_generic_plan", "off", "off")
DEFAULTS = ("auto", "on", "on")


def settings() -> tuple[str, ...]:
    ((*values,),) = execute("SELECT " + ", ".join(f"current_setting('{name}')" for name in NAMES))
    return tuple(values)


def test_the_settings_apply_inside_only() -> None:
    assert settings() == DEFAULTS
    with engine_session():
        assert settings() == ENGINES
    assert settings() == DEFAULTS


def test_an_error_ends_them_too() -> None:
    with pytest.raises(ValueError, match="inside"), engine_session():
        raise ValueError("inside")
    assert settings() == DEFAULTS


def test_a_connection_made_inside_has_them() -> None:
    with engine_session():
        connection.close()
        assert settings() == ENGINES
    assert settings() == DEFAULTS


def test_a_connection_lost_before_is_replaced() -> None:
    connection.ensure_connection()
    connection.connection.close()
    with engine_session():
        assert settings() == ENGINES


def test_a_connection_lost_inside_leaves_nothing_behind() -> None:
    with engine_session():
        connection.ensure_connection()
        connection.connection.close()
    assert settings() == DEFAULTS


def test_another_threads_connection_has_its_own() -> None:
    seen: list[tuple[str, ...]] = []

    def look() -> None:
        seen.append(settings())
        connection.close()

    with engine_session():
        other = Thread(target=look)
        other.start()
        other.join()
    assert seen == [DEFAULTS]


def test_a_durable_transaction_waits_for_the_disk() -> None:
    with engine_session(), durable():
        assert settings() == ("force_generic_plan", "off", "on")


def test_a_new_connection_that_fails_at_once_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dispatcher handles DatabaseError. Any other error would end its task."""
    with engine_session():
        connection.close()
        monkeypatch.setattr(session, "SETTINGS_APPLY", "SELECT pg_terminate_backend(pg_backend_pid())")
        with pytest.raises(OperationalError):
            execute("SELECT 1")
        monkeypatch.undo()
        assert settings() == ENGINES
    assert settings() == DEFAULTS
