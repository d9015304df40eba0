"""Bodies that are read as they were sent have a limit."""

import pytest
from django.test import Client

from providers.sns.receipts import MAX_MESSAGE


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/callbacks/s3", "/callbacks/sns/0079cc77-bcd9-4811-9cf2-56a27abfd90c"])
def test_a_body_larger_than_any_message_of_sns_is_refused(path: str) -> None:
    response = Client().post(path, b" " * (MAX_MESSAGE + 1), "text/plain")
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert response.json()["detail"] == "The body may have at most 300 KiB."
