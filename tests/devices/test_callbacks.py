"""Messages of SNS: signed by SNS, from the app's own topic, applied once, and never about an earlier token."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from typing_extensions import override

from devices.callbacks import CONFIRMATION, UndeliveredPush, callback_apply
from devices.models import App, CallbackReceipt, Device
from devices.provisioning.provision import PROVISIONING
from events.models import Event
from outgoing.types import HttpResponse
from providers.sns.callbacks import SnsCallbacks, certificates
from pushhub.kernel.errors import ApiError, ErrorCode
from sandbox.testing import SandboxProcess
from tenants.services import TenantCreated
from tests.devices.builders import put
from tests.devices.conftest import SnsApp, apns_token
from tests.fixtures import ClientFor

pytestmark = pytest.mark.django_db


class Inbox(HTTPServer):
    """Keeps the raw messages that the sandbox sends, as SNS sends them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.messages: list[bytes] = []
        self.arrived = threading.Semaphore(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def take(self) -> bytes:
        assert self.arrived.acquire(timeout=10)
        return self.messages[-1]


@pytest.fixture(autouse=True)
def _no_certificates_of_other_tests() -> None:
    certificates.cache_clear()


class _Handler(BaseHTTPRequestHandler):
    server: Inbox

    def do_POST(self) -> None:
        self.server.messages.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()
        self.server.arrived.release()

    @override
    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(params=["1", "2"])
def app(
    request: pytest.FixtureRequest, acme: TenantCreated, sns_app: SnsApp, sandbox: SandboxProcess, inbox: Inbox
) -> App:
    """An app whose delivery failures go to its topic, to which `inbox` is being subscribed."""
    app, made = sns_app(acme.tenant)
    topic = sandbox.post("sns/topics", application_arn=made.arn, signature_version=request.param)["arn"]
    App.objects.filter(id=app.id).update(event_topic_arn=topic)
    sandbox.post("sns/subscriptions", topic_arn=topic, url=inbox.url)
    app.refresh_from_db()
    return app


@pytest.fixture
def confirmed(app: App, inbox: Inbox) -> App:
    callback_apply(app_id=app.id, raw=inbox.take())
    CONFIRMATION.step()
    return app


@pytest.fixture
def device(confirmed: App, acme: TenantCreated, client_for: ClientFor) -> Device:
    put(client_for(acme), uuid4(), apns_token(), user_id="alice")
    PROVISIONING.step()
    return Device.objects.get()


@pytest.fixture
def failure(device: Device, sandbox: SandboxProcess, inbox: Inbox) -> Callable[..., bytes]:
    """The raw message of a delivery failure of `device`."""

    def make(failure_type: str = "InvalidPlatformToken") -> bytes:
        sandbox.post("sns/events", endpoint_arn=device.endpoint_arn, message_id="m-1", failure_type=failure_type)
        return inbox.take()

    return make


def refused(app: App, raw: bytes) -> ErrorCode:
    with pytest.raises(ApiError) as error:
        callback_apply(app_id=app.id, raw=raw)
    return error.value.code


def test_the_subscription_is_confirmed_by_a_worker(app: App, inbox: Inbox, sandbox: SandboxProcess) -> None:
    assert callback_apply(app_id=app.id, raw=inbox.take()) is None
    assert "ConfirmSubscription" not in sandbox.call_counts()
    assert CONFIRMATION.step() == 1
    assert CallbackReceipt.objects.get().confirm_due_at is None
    assert sandbox.call_counts()["ConfirmSubscription"] == 1


def test_two_workers_record_one_confirmation(app: App, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    callback_apply(app_id=app.id, raw=inbox.take())

    def slow_confirm(*_: object, **__: object) -> bool:
        monkeypatch.undo()
        CallbackReceipt.objects.update(confirm_due_at=timezone.now() - timedelta(hours=1))
        return CONFIRMATION.step() == 1

    monkeypatch.setattr(SnsCallbacks, "confirm", slow_confirm)
    CONFIRMATION.step()
    assert Event.objects.filter(type="app.callbacks_confirmed").count() == 1


def test_a_message_of_another_apps_topic_is_refused(app: App, inbox: Inbox) -> None:
    App.objects.filter(id=app.id).update(event_topic_arn=app.event_topic_arn + "x")
    assert refused(app, inbox.take()) is ErrorCode.SIGNATURE_INVALID
    assert not CallbackReceipt.objects.exists()


def test_an_app_without_a_topic_accepts_no_message(app: App, inbox: Inbox) -> None:
    App.objects.filter(id=app.id).update(event_topic_arn="")
    assert refused(app, inbox.take()) is ErrorCode.SIGNATURE_INVALID


def test_a_changed_message_is_refused(app: App, inbox: Inbox) -> None:
    message = json.loads(inbox.take())
    message["Message"] += "!"
    assert refused(app, json.dumps(message).encode()) is ErrorCode.SIGNATURE_INVALID


def test_an_unknown_app_is_not_found(app: App, inbox: Inbox) -> None:
    with pytest.raises(ApiError) as error:
        callback_apply(app_id=uuid4(), raw=inbox.take())
    assert error.value.code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"{}", b"\xff", b'{"Type": "Notification"}'])
def test_a_body_that_is_no_message_is_refused(app: App, raw: bytes) -> None:
    assert refused(app, raw) is ErrorCode.SIGNATURE_INVALID


def test_an_unavailable_certificate_makes_sns_repeat(app: App, inbox: Inbox, settings: Any) -> None:
    settings.PUSHHUB_ALLOWED_PRIVATE_NETWORKS = []
    assert refused(app, inbox.take()) is ErrorCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("status", "code"),
    [(500, ErrorCode.UNAVAILABLE), (429, ErrorCode.UNAVAILABLE), (403, ErrorCode.SIGNATURE_INVALID)],
)
def test_a_failure_of_the_certificates_host_makes_sns_repeat(
    app: App, inbox: Inbox, monkeypatch: pytest.MonkeyPatch, status: int, code: ErrorCode
) -> None:
    response = HttpResponse(status=status, headers={}, body=b"")
    monkeypatch.setattr("providers.sns.callbacks.fetch", lambda *_, **__: response)
    assert refused(app, inbox.take()) is code


def test_an_invalid_token_disables_the_endpoint(device: Device, failure: Callable[..., bytes]) -> None:
    event = callback_apply(app_id=device.app_id, raw=failure())
    assert event is not None
    assert (event.provider_message_id, event.reason) == ("m-1", "InvalidPlatformToken")
    device.refresh_from_db()
    assert (device.endpoint_state, device.endpoint_reason) == ("disabled", "InvalidPlatformToken")


def test_a_duplicate_is_ignored(device: Device, failure: Callable[..., bytes]) -> None:
    raw = failure()
    taken: list[UndeliveredPush] = []
    for _ in range(3):
        callback_apply(app_id=device.app_id, raw=raw, apply=taken.append)
    assert len(taken) == 1


def test_a_message_that_could_not_be_applied_is_applied_when_repeated(
    device: Device, failure: Callable[..., bytes]
) -> None:
    raw = failure()
    taken: list[UndeliveredPush] = []

    def fail(_: UndeliveredPush) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        callback_apply(app_id=device.app_id, raw=raw, apply=fail)
    callback_apply(app_id=device.app_id, raw=raw, apply=taken.append)
    assert len(taken) == 1


def test_a_failure_because_of_the_message_does_not_change_the_endpoint(
    device: Device, failure: Callable[..., bytes]
) -> None:
    assert callback_apply(app_id=device.app_id, raw=failure("InvalidNotification")) is not None
    device.refresh_from_db()
    assert device.endpoint_state == "active"


def test_refused_credentials_pause_the_app(device: Device, failure: Callable[..., bytes]) -> None:
    callback_apply(app_id=device.app_id, raw=failure("InvalidCredentials"))
    assert App.objects.get(id=device.app_id).state == "misconfigured"


def test_a_failure_of_the_old_token_does_not_disable_the_new(device: Device, failure: Callable[..., bytes]) -> None:
    Device.objects.update(token_version=2, endpoint_changed_at=timezone.now() - timedelta(minutes=1))
    callback_apply(app_id=device.app_id, raw=failure())
    device.refresh_from_db()
    assert device.endpoint_state == "active"
    assert device.provision_due_at is not None


def test_a_failure_from_before_the_endpoint_changed_is_ignored(device: Device, failure: Callable[..., bytes]) -> None:
    Device.objects.update(endpoint_changed_at=timezone.now() + timedelta(minutes=1))
    callback_apply(app_id=device.app_id, raw=failure())
    device.refresh_from_db()
    assert (device.endpoint_state, device.provision_due_at) == ("active", None)
