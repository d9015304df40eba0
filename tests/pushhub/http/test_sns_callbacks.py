"""The addresses that Amazon SNS calls: the limits that all of them share."""

import pytest
from django.test import Client

from providers.sns.receipts import MAX_MESSAGE


@pytest.mark.django_db
@pytest.mark.parametrize("where", ["/callbacks/s3", "/callbacks/sns/0079cc77-bcd9-4811-9cf2-56a27abfd90c"])
def test_a_body_that_sns_cannot_have_sent_is_too_large(where: str) -> None:
    response = Client().post(where, b" " * (MAX_MESSAGE + 1), "text/plain")
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
