"""What people type leads somewhere."""

import pytest
from django.test import Client


@pytest.mark.parametrize(("typed", "there"), [("/", "/docs"), ("/admin", "/admin/"), ("/demo", "/demo/")])
def test_short_addresses_lead_on(client: Client, typed: str, there: str) -> None:
    answer = client.get(typed)
    assert (answer.status_code, answer["Location"]) == (302, there)
