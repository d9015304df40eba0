"""How many results a process sends at the same time."""

import gc
from collections.abc import Iterator

import pytest

from devices.bulk.downloads import DOWNLOADS_AT_ONCE, DOWNLOADS_PER_TENANT, Download
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.models import Tenant
from tests.devices.bulk.conftest import Registry, jobs_run, line, ndjson


@pytest.fixture(autouse=True)
def _nobody_else_reads() -> Iterator[None]:
    gc.collect()
    yield
    gc.collect()


def download(tenant: Tenant) -> Download:
    return Download(tenant=tenant, blocks=iter([b"one", b"two"]))


def refusal(tenant: Tenant) -> ErrorCode:
    with pytest.raises(ApiError) as refused:
        download(tenant)
    assert refused.value.retry_after
    return refused.value.code


def test_one_tenant_cannot_take_all_downloads() -> None:
    tenant = Tenant()
    kept = [download(tenant) for _ in range(DOWNLOADS_PER_TENANT)]
    assert refusal(tenant) is ErrorCode.RATE_LIMITED
    kept.append(download(Tenant()))


def test_all_downloads_together_are_limited() -> None:
    kept = [download(Tenant()) for _ in range(DOWNLOADS_AT_ONCE)]
    assert refusal(Tenant()) is ErrorCode.UNAVAILABLE
    kept[0].close()
    kept.append(download(Tenant()))


def test_a_download_that_the_server_drops_is_not_counted() -> None:
    tenant = Tenant()
    kept = [download(tenant) for _ in range(DOWNLOADS_PER_TENANT)]
    kept.pop()
    kept.append(download(tenant))


def test_a_download_is_counted_until_it_is_closed(registry: Registry) -> None:
    registry.load(ndjson([line()]))
    job = registry.client.post("/v1/devices:export", {}).json()
    jobs_run()
    address = f"/v1/jobs/{job['id']}/result"
    slow = [registry.client.get(address) for _ in range(DOWNLOADS_PER_TENANT)]
    refused = registry.client.get(address)
    assert (refused.status_code, refused["Retry-After"]) == (429, "5")
    slow[0].close()
    assert registry.client.get(address).getvalue()
