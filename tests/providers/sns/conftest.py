"""Keys, ARNs and a scripted SNS."""

from collections.abc import Iterator
from threading import Event

import pytest

from providers.sns import background
from providers.sns.access import access_forget
from providers.sns.types import SnsCredentials
from tests.providers.sns.fake import FakeSns, fake_sns

ACCOUNT = "123456789012"
APP = f"arn:aws:sns:eu-west-1:{ACCOUNT}:app/APNS/acme"
ENDPOINT = f"arn:aws:sns:eu-west-1:{ACCOUNT}:endpoint/APNS/acme/0193"
CREDENTIALS = SnsCredentials(
    cache_key=("acme", 1), region="eu-west-1", access_key="AKIDEXAMPLE", secret="wJalrXUtnFEMI/K7MDENG"
)


@pytest.fixture(autouse=True)
def _no_aws_outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of the machine's own identity may leak in, and nothing kept from one test reaches the next."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    access_forget()
    monkeypatch.setattr(background, "is_slow", Event())
    monkeypatch.setattr(background, "WAIT_SECONDS", 10.0)  # a busy machine takes seconds to load botocore
    yield
    access_forget()


@pytest.fixture
def sns(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSns]:
    with fake_sns() as fake:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", fake.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", fake.url)
        yield fake
