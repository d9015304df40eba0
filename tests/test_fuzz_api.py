"""Every operation with valid and invalid requests that are generated from its description. No response is a 5xx, and
each is documented, with its headers and members. The seed is fixed, so that every run is the same."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoDbBlocker
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from pushhub.asgi import django_application
from pushhub.http.docs import schema
from tenants.services import user_token_mint
from tests.walk import World, world_shared

EXAMPLES = 30
AS_DOCUMENTED = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
DESCRIBED = schemathesis.openapi.from_dict(schema())
DESCRIBED.app = django_application  # in this thread, where the test's transaction is
DESCRIBED.config.generation.with_security_parameters = False
_found: list[Any] = list(DESCRIBED.get_all_operations())
OPERATIONS: dict[str, Any] = {found.ok().label: found.ok() for found in _found}

bounded = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def _world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    with world_shared(django_db_blocker) as world:
        yield world


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """Django closes connections between requests, but the transaction of the tests needs this connection."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def world(_world: World, db: None) -> World:
    return replace(_world, ids=dict(_world.ids))


def credentials(world: World) -> dict[str, dict[str, str]]:
    token = user_token_mint(tenant=world.acme.tenant, user_id="alice")
    bearers = {"backend": world.acme.server_key, "alice": token}
    # The WSGI client of schemathesis accepts gzip, but does not unpack it.
    plain = {"Accept-Encoding": "identity"}
    authorized = {name: plain | {"Authorization": f"Bearer {bearer}"} for name, bearer in bearers.items()}
    return {"anonymous": plain} | authorized


@pytest.mark.parametrize("label", OPERATIONS)
def test_responses_to_valid_requests_are_as_documented(label: str, world: World) -> None:
    callers = credentials(world)

    @bounded
    @given(case=_strategy(label, "positive"), caller=st.sampled_from(sorted(callers)), known=st.booleans())
    def check(case: Any, caller: str, known: bool) -> None:
        if known:
            case.path_parameters = {**(case.path_parameters or {}), **world.path_values(case.path)}
        case.call_and_validate(headers=callers[caller], checks=AS_DOCUMENTED)

    check()


# Only bodies and queries can be invalid by their type, because every string is valid in a path. A file may contain any
# bytes: errors in its lines are reported, and the file is not refused.
FILE = "POST /v1/devices:import"
REFUSABLE = [label for label, operation in OPERATIONS.items() if (operation.body or operation.query) and label != FILE]


@pytest.mark.parametrize("label", REFUSABLE)
def test_invalid_requests_are_refused_as_documented(label: str, world: World) -> None:
    callers = credentials(world)

    @bounded
    @given(case=_strategy(label, "negative"))
    def check(case: Any) -> None:
        case.call_and_validate(headers=callers["backend"], checks=[*AS_DOCUMENTED, negative_data_rejection])

    check()


def _strategy(label: str, mode: str) -> st.SearchStrategy[Any]:
    operation = OPERATIONS[label]
    strategy: st.SearchStrategy[Any] = operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode))
    return strategy
