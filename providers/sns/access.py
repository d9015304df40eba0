"""Credentials turned into something that may call AWS: boto3 finds, assumes and refreshes; we keep what it made."""

import os
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from threading import Lock
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, HTTPClientError
from botocore.parsers import ResponseParserError

from providers.sns.aside import Aside, StillAsking
from providers.sns.errors import classify
from providers.types import Outcome, SnsCredentials

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

CONFIG = Config(
    connect_timeout=5,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 1},  # retried by the caller's own schedule, at one layer
    max_pool_connections=16,
)
# What a call of boto3's can raise of its own: the parser's error is no BotoCoreError.
AWS_FAILURES = (ClientError, BotoCoreError, ResponseParserError)
KEPT = 512  # sessions per process
REFRESH_BEFORE = 15 * 60.0  # seconds before they end, as botocore does
ENDED_BEFORE = 60.0  # clocks differ, and a push may wait for its connection
PENDING_WAIT = 1.0  # seconds after which to ask again for credentials that are being fetched


class SnsError(Exception):
    """`code` is AWS's own word. No text of AWS's is kept: it may quote tokens and ARNs."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class SnsRetry(SnsError):
    """Not now. `after` is in seconds, None where AWS did not say."""

    def __init__(self, code: str, after: float | None = None) -> None:
        super().__init__(code)
        self.after = after


class SnsMisconfigured(SnsError):
    """The credentials, the role, the region or the platform application need an operator or the tenant."""


class SnsTokenInvalid(SnsError):
    """AWS or the platform will not take this device token."""


@dataclass(frozen=True, slots=True)
class _Held:
    """`ends` in Unix seconds."""

    credentials: ReadOnlyCredentials = field(repr=False)
    ends: float


@dataclass
class Access:
    """One app's way into AWS, shared by threads. Nothing is loaded or called before it is needed.

    botocore refreshes within the call that asks for credentials, and while the old ones have ten minutes left it keeps
    quiet about a failure: with STS hanging, each push would wait it out anew. So what botocore made is held here, is
    refreshed aside, and serves until it ends.
    """

    source: SnsCredentials
    _held: _Held | None = field(default=None, init=False)
    _fetching: Aside[_Held] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._fetching = Aside(self._fetch)
        if self.source.access_key and not self.source.role_arn:  # there is nobody to ask
            self._held = _Held(ReadOnlyCredentials(self.source.access_key, self.source.secret, None, None), inf)

    @cached_property
    def _session(self) -> boto3.Session:
        source = self.source
        if source.access_key:
            base = boto3.Session(source.access_key, source.secret, region_name=source.region)
        elif source.ambient or (source.role_arn and source.external_id):
            base = boto3.Session(region_name=source.region)
        else:
            # Falling back to the server's own identity here would lend it to whoever left a field empty.
            raise SnsMisconfigured("CredentialsMissing")
        return self._assumed(base) if source.role_arn else base

    def _assumed(self, base: boto3.Session) -> boto3.Session:
        """A session whose credentials are the role's, assumed at first use and refreshed before they end."""
        source = self.source
        extra = {"RoleSessionName": "pushhub"} | ({"ExternalId": source.external_id} if source.external_id else {})

        def client(service: str, **keys: Any) -> Any:
            return base.client(service, config=CONFIG, **keys)  # type: ignore[call-overload]

        identity = base.get_credentials()
        if identity is None:  # botocore finds out in the middle of the call, with an AttributeError
            raise SnsMisconfigured("NoCredentials")
        fetcher = AssumeRoleCredentialFetcher(client, identity, source.role_arn, extra_args=extra)
        session = botocore.session.get_session()
        session._credentials = DeferredRefreshableCredentials(  # type: ignore[attr-defined]
            fetcher.fetch_credentials, "assume-role"
        )
        return boto3.Session(botocore_session=session, region_name=source.region)

    def frozen_credentials(self) -> ReadOnlyCredentials:
        """Valid now, without waiting for AWS longer than aside.PATIENCE. Raises SnsRetry, SnsMisconfigured."""
        held, now = self._held, time.time()
        if held is not None and now < held.ends - ENDED_BEFORE:
            if now > held.ends - REFRESH_BEFORE:
                self._fetching.start()
            return held.credentials
        try:
            return self._fetching.result().credentials
        except StillAsking:
            raise SnsRetry("CredentialsPending", PENDING_WAIT) from None

    def _fetch(self) -> _Held:
        try:
            credentials = self._session.get_credentials()
            if credentials is None:
                raise SnsMisconfigured("NoCredentials")
            frozen: ReadOnlyCredentials = credentials.get_frozen_credentials()
        except AWS_FAILURES as failure:
            raise error_translate(failure) from None
        ends = getattr(credentials, "_expiry_time", None)  # of keys, none; botocore shows it nowhere else
        self._held = _Held(frozen, ends.timestamp() if ends else inf)
        return self._held

    @cached_property
    def client(self) -> "SNSClient":
        """boto3's client, for the control plane. Raises SnsRetry, SnsMisconfigured."""
        self.frozen_credentials()
        try:
            return self._session.client("sns", config=CONFIG)
        except (BotoCoreError, ValueError) as failure:
            raise SnsMisconfigured(type(failure).__name__) from None

    @cached_property
    def endpoint_url(self) -> str:
        """AWS_ENDPOINT_URL_SNS where set, else the region's own, as botocore resolves it. Raises as `client` does."""
        return self.client.meta.endpoint_url.rstrip("/") + "/"


_kept: OrderedDict[tuple[int, SnsCredentials], Access] = OrderedDict()
_lock = Lock()


def access_get(credentials: SnsCredentials) -> Access:
    """The access kept for exactly these credentials in this process (a fork must not share boto3's connections)."""
    key = (os.getpid(), credentials)
    with _lock:
        access = _kept.pop(key, None) or Access(credentials)
        _kept[key] = access
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return access


def access_forget() -> None:
    """Drop everything kept: for a changed environment."""
    with _lock:
        _kept.clear()


def error_translate(failure: ClientError | BotoCoreError | ResponseParserError) -> SnsError:
    """boto3's exception as one of ours, by the same table as Publish."""
    if isinstance(failure, ClientError):
        error = failure.response.get("Error", {})
        code = str(error.get("Code", "")) or "Unknown"
        outcome = classify(code, str(error.get("Message", ""))).outcome
        if outcome is Outcome.RETRY:
            return SnsRetry(code)
        if outcome is Outcome.MISCONFIGURED:
            return SnsMisconfigured(code)
        return SnsTokenInvalid(code) if outcome is Outcome.REJECTED else SnsMisconfigured(code)
    # An answer nobody can read, such as a proxy's error page, says nothing of credentials or tokens.
    if isinstance(failure, EndpointConnectionError | HTTPClientError | ResponseParserError):
        return SnsRetry(type(failure).__name__)
    return SnsMisconfigured(type(failure).__name__)
