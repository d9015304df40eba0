"""From credentials to authorised calls: boto3 finds, assumes and refreshes; this module keeps the result."""

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

from providers.errors import AddressRejected, VendorError, VendorMisconfigured, VendorRetry
from providers.sns.background import BackgroundCall, StillRunning
from providers.sns.errors import classify
from providers.sns.types import SnsCredentials
from providers.types import Outcome

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

CONFIG = Config(
    connect_timeout=5,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 1},  # only the caller retries, by its own schedule
    max_pool_connections=16,
)
# The exceptions of boto3's own: the parser's error is not a BotoCoreError.
AWS_FAILURES = (ClientError, BotoCoreError, ResponseParserError)
KEPT = 512  # sessions per process
REFRESH_BEFORE = 15 * 60.0  # seconds before they end, as botocore does
ENDED_BEFORE = 60.0  # not used in their last seconds: clocks differ, and a push may wait for its connection
PENDING_WAIT = 1.0  # seconds after which to ask again for credentials that are being fetched


@dataclass(frozen=True, slots=True)
class _Kept:
    """`ends` in Unix seconds."""

    credentials: ReadOnlyCredentials = field(repr=False)
    ends: float


@dataclass
class Access:
    """One app's access to AWS, shared by threads. Nothing is loaded or called before it is needed.

    botocore refreshes credentials inside the call that asks for them, and while the old ones have ten minutes left it
    hides a failure: with STS hanging, each push would wait for the timeout again. So the credentials that botocore made
    are kept here, are refreshed in the background, and are used until they end.
    """

    source: SnsCredentials
    _kept: _Kept | None = field(default=None, init=False)
    _fetching: BackgroundCall[_Kept] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._fetching = BackgroundCall(self._fetch)
        if self.source.access_key and not self.source.role_arn:  # no service has to be asked
            self._kept = _Kept(ReadOnlyCredentials(self.source.access_key, self.source.secret, None, None), inf)

    @cached_property
    def _session(self) -> boto3.Session:
        source = self.source
        if source.access_key:
            base = boto3.Session(source.access_key, source.secret, region_name=source.region)
        elif source.ambient or (source.role_arn and source.external_id):
            base = boto3.Session(region_name=source.region)
        else:
            # Falling back to the server's own identity would lend it to a tenant that left a field empty.
            raise VendorMisconfigured("CredentialsMissing")
        return self._assumed(base) if source.role_arn else base

    def _assumed(self, base: boto3.Session) -> boto3.Session:
        """A session whose credentials are the role's, assumed at first use and refreshed before they end."""
        source = self.source
        extra = {"RoleSessionName": "pushhub"} | ({"ExternalId": source.external_id} if source.external_id else {})

        def client(service: str, **keys: Any) -> Any:
            return base.client(service, config=CONFIG, **keys)  # type: ignore[call-overload]

        identity = base.get_credentials()
        if identity is None:  # botocore finds out in the middle of the call, with an AttributeError
            raise VendorMisconfigured("NoCredentials")
        fetcher = AssumeRoleCredentialFetcher(client, identity, source.role_arn, extra_args=extra)
        session = botocore.session.get_session()
        session._credentials = DeferredRefreshableCredentials(  # type: ignore[attr-defined]
            fetcher.fetch_credentials, "assume-role"
        )
        return boto3.Session(botocore_session=session, region_name=source.region)

    def frozen_credentials(self) -> ReadOnlyCredentials:
        """Valid now, without waiting for AWS longer than background.WAIT_SECONDS.

        Raises VendorRetry, VendorMisconfigured.
        """
        kept, now = self._kept, time.time()
        if kept is not None and now < kept.ends - ENDED_BEFORE:
            if now > kept.ends - REFRESH_BEFORE:
                self._fetching.start()
            return kept.credentials
        try:
            return self._fetching.result().credentials
        except StillRunning:
            raise VendorRetry("CredentialsPending", PENDING_WAIT) from None

    def _fetch(self) -> _Kept:
        try:
            credentials = self._session.get_credentials()
            if credentials is None:
                raise VendorMisconfigured("NoCredentials")
            frozen: ReadOnlyCredentials = credentials.get_frozen_credentials()
        except AWS_FAILURES as failure:
            raise error_translate(failure) from None
        ends = getattr(credentials, "_expiry_time", None)  # keys have none; botocore has no public name for it
        self._kept = _Kept(frozen, ends.timestamp() if ends else inf)
        return self._kept

    @cached_property
    def client(self) -> "SNSClient":
        """boto3's client, for the control plane. Raises VendorRetry, VendorMisconfigured."""
        self.frozen_credentials()
        try:
            return self._session.client("sns", config=CONFIG)
        except (BotoCoreError, ValueError) as failure:
            raise VendorMisconfigured(type(failure).__name__) from None

    @cached_property
    def endpoint_url(self) -> str:
        """AWS_ENDPOINT_URL_SNS where set, else the region's own, as botocore resolves it. Raises as `client` does."""
        return self.client.meta.endpoint_url.rstrip("/") + "/"


_accesses: OrderedDict[tuple[int, SnsCredentials], Access] = OrderedDict()
_lock = Lock()


def access_get(credentials: SnsCredentials) -> Access:
    """The access kept for exactly these credentials in this process: a fork must not share boto3's connections."""
    key = (os.getpid(), credentials)
    with _lock:
        access = _accesses.pop(key, None) or Access(credentials)
        _accesses[key] = access
        while len(_accesses) > KEPT:
            _accesses.popitem(last=False)
    return access


def access_forget() -> None:
    """Drop everything kept: for a changed environment."""
    with _lock:
        _accesses.clear()


def error_translate(failure: ClientError | BotoCoreError | ResponseParserError) -> VendorError:
    """boto3's exception as a VendorError, by the same table as Publish."""
    if isinstance(failure, ClientError):
        error = failure.response.get("Error", {})
        code = str(error.get("Code", "")) or "Unknown"
        outcome = classify(code, str(error.get("Message", ""))).outcome
        if outcome is Outcome.RETRY:
            return VendorRetry(code)
        if outcome is Outcome.MISCONFIGURED:
            return VendorMisconfigured(code)
        return AddressRejected(code) if outcome is Outcome.REJECTED else VendorMisconfigured(code)
    # A response that cannot be read, such as a proxy's error page, says nothing about credentials or tokens.
    if isinstance(failure, EndpointConnectionError | HTTPClientError | ResponseParserError):
        return VendorRetry(type(failure).__name__)
    return VendorMisconfigured(type(failure).__name__)
