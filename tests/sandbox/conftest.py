from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from sandbox.testing import SandboxProcess, SnsApplication, WebSubscription
from tests.sandbox.sender import Sender


@pytest.fixture(scope="session")
def _sandbox_process() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.fixture
def sandbox(_sandbox_process: SandboxProcess) -> SandboxProcess:
    """An empty sandbox."""
    _sandbox_process.reset(devices=True)
    return _sandbox_process


@pytest.fixture
def sender(sandbox: SandboxProcess) -> Sender:
    return Sender(sandbox.url)


@pytest.fixture
def subscription(sandbox: SandboxProcess, sender: Sender) -> WebSubscription:
    """A subscription of alice, restricted to the sender's key."""
    return sandbox.mint_web(application_server_key=sender.key, user="alice")[0]


@pytest.fixture
def application(sandbox: SandboxProcess) -> SnsApplication:
    return sandbox.mint_sns_application("APNS", name="acme-ios", region="eu-west-1")


@pytest.fixture
def sns_client(sandbox: SandboxProcess) -> Callable[..., Any]:
    """A real boto3 client, without retries, with an application's keys. Keyword arguments override."""

    # The stubs have one overload per AWS service; here the service is a variable.
    create: Any = boto3.client

    def make(application: SnsApplication, service: str = "sns", **options: Any) -> Any:
        arguments = {
            "region_name": application.region,
            "endpoint_url": f"{sandbox.url}/{service}",
            "aws_access_key_id": application.access_key_id,
            "aws_secret_access_key": application.secret_access_key,
            "config": Config(retries={"total_max_attempts": 1}, read_timeout=5),
        }
        return create(service, **(arguments | options))

    return make


@pytest.fixture
def sns(sns_client: Callable[..., Any], application: SnsApplication) -> Any:
    return sns_client(application)


@pytest.fixture
def endpoint(sandbox: SandboxProcess, sns: Any, application: SnsApplication) -> str:
    """The EndpointArn of a device of alice."""
    (token,) = sandbox.mint_sns(platform="APNS", user="alice")
    arn: str = sns.create_platform_endpoint(PlatformApplicationArn=application.arn, Token=token)["EndpointArn"]
    return arn
