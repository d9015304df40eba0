"""Short addresses that people type are redirected."""

import pytest
from django.test import Client


@pytest.mark.parametrize(("typed", "target"), [("/", "/docs"), ("/admin", "/admin/"), ("/demo", "/demo/")])
def test_short_addresses_are_redirected(client: Client, typed: str, target: str) -> None:
    response = client.get(typed)
    assert (response.status_code, response["Location"]) == (302, target)
