"""The formats of files: NDJSON, CSV, and Amazon Pinpoint's exports."""

import csv
import json
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest

from devices.bulk.records import MAX_RECORD, RecordSplitter
from devices.models import Device
from tenants.services import TenantCreated
from tests.devices.bulk.conftest import Registry, counts, line, ndjson
from tests.devices.conftest import SnsApp, apns_token

PINPOINT = Path(__file__).parent / "pinpoint.ndjson"


def test_crlf_blank_lines_a_bom_and_no_last_line_end(registry: Registry) -> None:
    body = b"\xef\xbb\xbf" + ndjson([line(), line()]).replace(b"\n", b"\r\n\r\n").rstrip()
    assert counts(registry.load(body)) == {"done": 2, "total": 2, "created": 2}


def test_line_numbers_include_blank_lines(registry: Registry) -> None:
    job = registry.load(ndjson([line()]) + b"\n\n{}\n")
    assert {number for number, _, _ in registry.errors(job)} == {4}


def test_blank_lines_are_no_records() -> None:
    splitter = RecordSplitter()
    blocks = [b" \t", b"\n" * 1000, b"\r\n" * 1000 + b"x\n\n", b" " * MAX_RECORD + b"\ny"]
    records = [record for block in blocks for record in splitter.feed(block)] + list(splitter.end())
    assert [(record.line, record.raw) for record in records] == [(2001, b"x"), (2004, b"y")]


def test_a_gap_of_many_blank_lines_is_not_stored(registry: Registry) -> None:
    job = registry.load(ndjson([line()]) + b"\n" * 3_000_000 + b"{}\n\n{}")
    assert {number for number, _, _ in registry.errors(job)} == {3_000_002, 3_000_004}


@pytest.mark.parametrize("block", [1, 2, 3, 7, 1000])
def test_records_do_not_depend_on_how_the_file_arrives(block: int) -> None:
    data = b'\xef\xbb\xbfa,"b\r\nc"\r\n\r\n"d ""e""",f\n"open'
    splitter = RecordSplitter(quoted=True)
    parts = [data[start : start + block] for start in range(0, len(data), block)]
    records = [record for part in parts for record in splitter.feed(part)] + list(splitter.end())
    assert [(record.line, record.raw) for record in records] == [
        (1, b'a,"b\r\nc"'),
        (4, b'"d ""e""",f'),
        (5, b'"open'),
    ]


@pytest.mark.parametrize("block", [1, 2, 8])
def test_rows_end_where_pythons_csv_ends_them(block: int) -> None:
    for text in map("".join, product('",\na', repeat=7)):
        splitter = RecordSplitter(quoted=True)
        parts = [text[start : start + block].encode() for start in range(0, len(text), block)]
        records = [record for part in parts for record in splitter.feed(part)] + list(splitter.end())
        found = [row for record in records for row in csv.reader([record.raw.decode()])]
        assert found == [row for row in csv.reader(StringIO(text, newline="")) if row], repr(text)


def test_a_single_quote_breaks_no_other_row(registry: Registry, acme: TenantCreated, sns_app: SnsApp) -> None:
    sns_app(acme.tenant)
    versions = ["a", '5"', "b", '"c', "d"]
    rows = [f"{line()['device_id']},ios,{apns_token()},{version}\n" for version in versions]
    job = registry.load(("device_id,platform,token,os_version\n" + "".join(rows)).encode(), "text/csv")
    assert set(Device.objects.values_list("os_version", flat=True)) == {"a", '5"', "b"}
    assert registry.errors(job) == [(5, "malformed", "")]


def test_csv_with_quotes_line_ends_and_dotted_names(registry: Registry) -> None:
    one = line()
    keys = one["subscription"]["keys"]
    body = (
        "device_id,platform,user_id,tags,attributes.plan,attributes.note,subscription.endpoint,"
        "subscription.expirationTime,subscription.keys.p256dh,subscription.keys.auth\r\n"
        f'{one["device_id"]},web,"o""hara, \u00e9",beta|vip,pro,"two\r\nlines",{one["subscription"]["endpoint"]},'
        f"1893456000000,{keys['p256dh']},{keys['auth']}\r\n"
    )
    registry.load(body.encode(), "text/csv; charset=utf-8")
    device = Device.objects.select_related("user").get()
    assert device.user is not None
    assert (device.user.user_id, device.tags) == ('o"hara, \u00e9', ["beta", "vip"])
    assert device.attributes == {"plan": "pro", "note": "two\r\nlines"}


def test_an_empty_cell_is_a_missing_field(registry: Registry, acme: TenantCreated, sns_app: SnsApp) -> None:
    sns_app(acme.tenant)
    token = apns_token()
    device_id = "7c0e8a52-55ce-4f7e-9a0b-0d6c1d9d2f11"
    for locale in ("pt-BR", ""):
        registry.load(f"device_id,platform,token,locale\n{device_id},ios,{token},{locale}\n".encode(), "text/csv")
    assert Device.objects.get().locale == "pt-BR"


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("device_id,colour", "Column 2"),
        ("device_id,device_id", "twice"),
        ("platform,token", "device_id"),
        ("", "header"),
        ('device_id,"', "quotes"),
    ],
)
def test_an_unknown_header_is_refused_at_once(registry: Registry, header: str, said: str) -> None:
    response = registry.send(header.encode(), "text/csv")
    assert response.status_code in {400, 422}
    assert said in response.json()["detail"]


def test_rows_of_csv_are_reported_by_their_first_line(registry: Registry) -> None:
    body = b'device_id,platform,attributes.a\nx,"w\neb",1\nx,web\n"x"y,web,1\n\xff,web,1\n'
    job = registry.load(body, "text/csv")
    found = registry.errors(job)
    assert [item for item in found if item[0] == 2] == [(2, "invalid", "/platform"), (2, "invalid", "/device_id")]
    assert [item for item in found if item[0] > 2] == [(n, "malformed", "") for n in (4, 5, 6)]


def test_a_pinpoint_export_is_imported_unchanged(registry: Registry, acme: TenantCreated, sns_app: SnsApp) -> None:
    for platform in ("APNS", "APNS_SANDBOX", "GCM", "ADM"):
        sns_app(acme.tenant, platform, platform.lower().replace("_", "-"))
    job = registry.load(PINPOINT.read_bytes())
    assert counts(job) == {"done": 8, "total": 8, "created": 4, "skipped": 3, "failed": 1}
    assert registry.errors(job) == [
        (5, "invalid", "/ChannelType"),
        (6, "invalid", "/OptOut"),
        (7, "invalid", "/EndpointStatus"),
        (8, "invalid", "/Address"),
    ]
    apps = dict(Device.objects.values_list("app__sns_platform", "platform"))
    assert apps == {"APNS": "ios", "APNS_SANDBOX": "ios", "GCM": "android", "ADM": "fireos"}


def test_the_fields_of_a_pinpoint_endpoint_are_kept(registry: Registry, acme: TenantCreated, sns_app: SnsApp) -> None:
    sns_app(acme.tenant, "GCM", "shop")
    registry.load(PINPOINT.read_bytes().splitlines()[1])
    device = Device.objects.select_related("user").get()
    assert device.user is not None
    assert (device.device_id, device.user.user_id) == (uuid5(acme.tenant.id, "example_endpoint_2"), "bob")
    assert (device.locale, device.timezone, device.app_version) == ("en-US", "America/Los_Angeles", "1.0.2")
    assert device.attributes == {
        "Interests": ["Technology", "Music"],
        "technology_interest_level": 9.0,
        "make": "google",
        "model": "Pixel 8",
        "country": "US",
    }


def test_a_pinpoint_id_that_is_a_uuid_stays(registry: Registry, acme: TenantCreated, sns_app: SnsApp) -> None:
    sns_app(acme.tenant)
    registry.load(PINPOINT.read_bytes().splitlines()[0], query="?format=pinpoint")
    assert Device.objects.get().device_id == UUID("d3b0738b-1ac4-4d3b-9e40-0e3c5e2f9a10")


def test_several_apps_of_a_channel_require_a_name(registry: Registry, acme: TenantCreated, sns_app: SnsApp) -> None:
    for name in ("one", "two"):
        sns_app(acme.tenant, "GCM", name)
    body = PINPOINT.read_bytes().splitlines()[1]
    assert registry.errors(registry.load(body)) == [(1, "app_ambiguous", "/ChannelType")]
    assert counts(registry.load(body, query="?app=two"))["created"] == 1


def test_a_line_that_is_too_long_is_one_error(registry: Registry) -> None:
    body = ndjson([line()]) + b'{"x": "' + b'"' * 1_000_000 + b"\n" + ndjson([line()])
    job = registry.load(body)
    assert counts(job) == {"done": 3, "total": 3, "created": 2, "failed": 1}
    assert registry.errors(job) == [(2, "too_large", "")]


def test_a_row_that_is_too_long_does_not_break_the_next(registry: Registry) -> None:
    long = "x" * MAX_RECORD
    job = registry.load(f'device_id,platform\n"{long}\n{long}",web\ny,web\n'.encode(), "text/csv")
    assert [number for number, code, _ in registry.errors(job) if code == "too_large"] == [2]
    assert (4, "invalid", "/device_id") in registry.errors(job)


BROKEN: dict[str, tuple[Any, str, str]] = {
    "no JSON": (b"{", "malformed", ""),
    "not UTF-8": (b'{"device_id": "\xff"}', "malformed", ""),
    "no object": (b"[1]", "invalid", ""),
    "a name twice": (b'{"a": {"b": 1, "b": 2}}', "malformed", "/a"),
    "NUL": (b'{"a": ["\\u0000"]}', "malformed", "/a/0"),
    "a huge number": (b'{"a": 1e999}', "malformed", "/a"),
    "an unknown member": (line(colour="red"), "invalid", "/colour"),
    "no UUID": (line(device_id="urn:uuid:7c0e8a52-55ce-4f7e-9a0b-0d6c1d9d2f11"), "invalid", "/device_id"),
    "another type": (line(tags="beta"), "invalid", "/tags"),
    "a reserved user id": (line(user_id="a/tokens"), "invalid", "/user_id"),
    "an unknown app": (line(app="none"), "app_unavailable", "/app"),
    "a foreign key": (line(application_server_key="AAAA"), "subscription_invalid", "/application_server_key"),
    "no subscription": ({"device_id": line()["device_id"], "platform": "web"}, "invalid", "/subscription"),
    "a private address": (
        line() | {"subscription": line()["subscription"] | {"endpoint": "https://10.0.0.1/x"}},
        "endpoint_refused",
        "/subscription/endpoint",
    ),
    "a point off the curve": (
        line() | {"subscription": line()["subscription"] | {"keys": {"p256dh": "BA" + "A" * 85, "auth": "A" * 22}}},
        "subscription_invalid",
        "/subscription/keys/p256dh",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_invalid_line_is_reported_and_does_not_stop_the_import(registry: Registry, name: str) -> None:
    bad, code, pointer = BROKEN[name]
    raw = bad if isinstance(bad, bytes) else json.dumps(bad).encode()
    job = registry.load(ndjson([line()]) + raw + b"\n" + ndjson([line()]))
    assert counts(job) == {"done": 3, "total": 3, "created": 2, "failed": 1}
    assert registry.errors(job) == [(2, code, pointer)]
