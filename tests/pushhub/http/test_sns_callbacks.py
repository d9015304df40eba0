"""Amazon SNS's own addresses: what is the same whoever is told."""

import pytest
from django.test import Client

from providers.sns.receipts import MAX_MESSAGE


@pytest.mark.django_db
@pytest.mark.parametrize("where", ["/callbacks/s3", "/callbacks/sns/0079cc77-bcd9-4811-9cf2-56a27abfd90c"])
def test_what_sns_cannot_have_sent_is_too_large(where: str) -> None:
    answer = Client().post(where, b" " * (MAX_MESSAGE + 1), "text/plain")
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
