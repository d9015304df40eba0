"""Runs the sandbox as a child process and calls its control API: for tests, the demo and benchmarks.

with SandboxProcess() as sandbox:
    subscription, = sandbox.mint_web(application_server_key=key, user="alice")
    ...
    assert [m["payload"]["title"] for m in sandbox.messages(user="alice")] == ["Hello"]
"""

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypedDict

_ROOT = Path(__file__).resolve().parent.parent
_STOP_SECONDS = 5
_BATCH = 5_000  # push URLs per request: below the control API's limit of one megabyte
# Requests to loopback must not use a proxy of the environment.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class WebSubscription(TypedDict):
    """`PushSubscription.toJSON()`."""

    endpoint: str
    expirationTime: None
    keys: dict[str, str]


class SnsKeys(TypedDict):
    account: str
    region: str
    access_key_id: str
    secret_access_key: str


@dataclass(frozen=True, slots=True)
class SnsApplication:
    arn: str
    account: str
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)


class SandboxRefused(Exception):
    """The control API returned an error; the text has the reason."""


class SandboxClient:
    """The control API of a running sandbox at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def sns_url(self) -> str:
        """For AWS_ENDPOINT_URL_SNS."""
        return f"{self.url}/sns"

    @property
    def sts_url(self) -> str:
        """For AWS_ENDPOINT_URL_STS."""
        return f"{self.url}/sts"

    @property
    def ssm_url(self) -> str:
        """For AWS_ENDPOINT_URL_SSM."""
        return f"{self.url}/ssm"

    @property
    def aws_environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL_SNS": self.sns_url,
            "AWS_ENDPOINT_URL_STS": self.sts_url,
            "AWS_ENDPOINT_URL_SSM": self.ssm_url,
            "AWS_ENDPOINT_URL_REKOGNITION": f"{self.url}/rekognition",
        }

    def mint_web(self, count: int = 1, **options: Any) -> list[WebSubscription]:
        """Options: application_server_key (b64url), user, style, behaviour, keys."""
        subscriptions: list[WebSubscription] = self.post("devices/web", count=count, **options)["subscriptions"]
        return subscriptions

    def mint_sns(self, count: int = 1, **options: Any) -> list[str]:
        """Device tokens. Options: platform ("APNS"), user, behaviour."""
        tokens: list[str] = self.post("devices/sns", count=count, **options)["tokens"]
        return tokens

    def mint_sns_application(self, platform: str = "APNS", **options: Any) -> SnsApplication:
        """Options: name, region, account."""
        return SnsApplication(**self.post("sns/applications", platform=platform, **options))

    def mint_credentials(self, **options: Any) -> SnsKeys:
        """Options: account, region."""
        keys: SnsKeys = self.post("sns/credentials", **options)  # type: ignore[assignment]
        return keys

    def messages(self, *, since: int = 0, **filters: str) -> list[dict[str, Any]]:
        """Everything caught after the cursor. Filters: endpoint, token, user, provider."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.get("messages", since=since, limit=10_000, **filters)
            found += page["messages"]
            if len(page["messages"]) < 10_000:
                return found
            since = page["cursor"]

    def wait_for_messages(self, count: int, *, timeout: float = 10.0, **filters: str) -> list[dict[str, Any]]:
        """Poll until at least `count` are caught. Raises TimeoutError, which says how many were."""
        deadline = time.monotonic() + timeout
        while len(found := self.messages(since=0, **filters)) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(found)} of {count} messages were caught within {timeout} s")
            time.sleep(0.05)
        return found

    def violations(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("violations")["violations"]
        return found

    def counters(self) -> dict[str, int]:
        counters: dict[str, int] = self.get("counters")["counters"]
        return counters

    def accounting(self) -> dict[str, Any]:
        return self.get("accounting")

    def calls(self, action: str = "") -> list[dict[str, Any]]:
        """Control-plane AWS calls, oldest first."""
        calls: list[dict[str, Any]] = self.get("sns/calls")["calls"]
        return [call for call in calls if action in ("", call["action"])]

    def call_counts(self) -> dict[str, int]:
        counts: dict[str, int] = self.get("sns/calls")["counts"]
        return counts

    def behave(self, target: str, behaviour: str) -> None:
        """`target`: a push URL, an EndpointArn or a token (as the sandbox minted it)."""
        self.post("behaviours", target=target, behaviour=behaviour)

    def behave_all(self, targets: list[str], behaviour: str) -> None:
        """The same for many push URLs at once."""
        for begin in range(0, len(targets), _BATCH):
            self.post("behaviours", targets=targets[begin : begin + _BATCH], behaviour=behaviour)

    def outage(self, seconds: float, status: int | str = 503, scope: str = "all") -> None:
        """status: 503, "hang", "reset"; push also 403, 410. scope: "all", "push", "sns", "rekognition". 0 s ends it."""
        self.post("outage", seconds=seconds, status=status, scope=scope)

    def reset(self, *, devices: bool = False) -> None:
        self.post("reset", devices=devices)

    def get(self, path: str, **query: object) -> dict[str, Any]:
        return self._call(f"{path}?{urllib.parse.urlencode(query)}", None)

    def post(self, path: str, **options: object) -> dict[str, Any]:
        return self._call(path, json.dumps(options).encode())

    def _call(self, path: str, body: bytes | None) -> dict[str, Any]:
        request = urllib.request.Request(f"{self.url}/sandbox/{path}", data=body)  # noqa: S310
        try:
            with _OPENER.open(request, timeout=30) as response:
                found: dict[str, Any] = json.load(response)
                return found
        except urllib.error.HTTPError as error:
            raise SandboxRefused(error.read().decode("utf-8", "replace")) from None


class SandboxProcess(SandboxClient):
    """A private sandbox on a free port. It ends with the context, and also when the parent process dies."""

    def __init__(self, *, decrypt: bool = True, port: int = 0, keep: Path | None = None) -> None:
        """With the folder `keep` it can be killed and started again with the same port and subscriptions."""
        super().__init__("")
        self._port = port
        self._arguments = [
            "--json",
            "--until-stdin-closes",
            *([] if decrypt else ["--no-decrypt"]),
            *(["--keep", str(keep)] if keep else []),
        ]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Self:
        """Returns when it is ready. Raises RuntimeError when it does not start; the reason is on stderr."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", *self._arguments, "--port", str(self._port)],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the sandbox did not start (exit code {self._process.wait()})")
        self.url = json.loads(line)["url"]
        self._port = int(self.url.rpartition(":")[2])
        return self

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Like `kill -9`: every connection is reset, and no process listens until the next `start`."""
        self._end(signal.SIGKILL)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """SIGSTOP: requests under way are answered afterwards."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
