"""From a record to a line that can be applied: read, validated like a registration, with its app and key looked up."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import Error
from rest_framework import serializers
from typing_extensions import override

from devices.addresses import address_read, vapid_key_for
from devices.api.serializers import DeviceRegistrationSerializer, registration_build
from devices.bulk import pinpoint
from devices.bulk.formats import Body, RecordBody, reader_for
from devices.bulk.log import error_log
from devices.bulk.models import Job
from devices.bulk.records import Record
from devices.bulk.selectors import app_for_sns_platform
from devices.models import App, VapidKey
from devices.selectors import app_for_platform
from devices.types import Address, DeviceRegistration
from providers.registry import device_platforms
from pushhub.http.api import SafeTextField, field_errors
from pushhub.http.fast_validation import fast_validate
from pushhub.kernel.errors import ApiError, ErrorCode, FieldError
from tenants.models import Tenant
from tenants.user_ids import user_id_fault

REPORTS_PER_LINE = 5
UUID_TEXT = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class DeviceIdField(SafeTextField):
    default_error_messages = {"uuid": "Must be a UUID."}

    @override
    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        if not UUID_TEXT.fullmatch(value):
            self.fail("uuid")
        return value


class LineSerializer(DeviceRegistrationSerializer):
    """The body of the device's PUT, plus the device id. Reports are stored unsealed, so no message repeats a value: in
    a file with swapped columns it would be a token."""

    device_id = DeviceIdField(max_length=36, error_messages={"max_length": "Must be a UUID."})
    platform = serializers.ChoiceField(device_platforms(), error_messages={"invalid_choice": "Not a known platform."})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    number: int
    device_id: UUID
    app: App
    data: DeviceRegistration
    address: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFault:
    """Why a line is not applied. `skipped`: the line is valid, but not for pushhub."""

    number: int
    code: str
    faults: list[FieldError] = field(default_factory=list)
    skipped: bool = False


Item = Line | LineFault


class LookupNeeded(Exception):
    """The line names an app or key that was not looked up yet."""


class LineReader:
    """Reads the lines of one file. It caches apps and keys: create a new reader every few seconds."""

    def __init__(self, *, tenant: Tenant, job: Job) -> None:
        self._tenant = tenant
        self._app_name: str = job.options.get("app", "")
        self._read = reader_for(tenant=tenant, format=job.format, columns=job.options.get("columns", ()))
        # One for all lines: creating a serializer costs six times as much as validating with it.
        self._serializer = LineSerializer()
        self._apps: dict[tuple[str, str, str], App | ApiError] = {}
        self._keys: dict[tuple[UUID, str], VapidKey | None] = {}
        self._has_logged = False

    def read_ahead(self, record: Record) -> Item | None:
        """As `read`, without the database: None if a look-up is needed. Any thread may call it."""
        try:
            return self._item(record, ask=False)
        except LookupNeeded:
            return None

    def read(self, record: Record) -> Item:
        """An invalid record is a LineFault. Raises django.db.Error."""
        return self._item(record, ask=True)

    def _item(self, record: Record, *, ask: bool) -> Item:
        pointers: dict[str, str] = {}
        try:
            read = self._read(record)
            pointers = pinpoint.POINTERS if read.sns_platform else {}
            return self._line(record.line, read, ask)
        except pinpoint.LineSkipped as skipped:
            faults = [FieldError(skipped.pointer, skipped.detail)]
            return LineFault(number=record.line, code=ErrorCode.INVALID.code, faults=faults, skipped=True)
        except serializers.ValidationError as error:
            return _line_fault(record.line, ErrorCode.INVALID, list(field_errors(error.detail)), pointers)
        except ApiError as error:
            return _line_fault(record.line, error.code, error.errors or [FieldError("", error.detail)], pointers)
        except (LookupNeeded, Error):
            raise
        except Exception as error:
            self._log(error, record.line)
            return _line_fault(record.line, ErrorCode.INTERNAL, [FieldError("", "The line could not be read.")], {})

    def _log(self, error: Exception, line: int) -> None:
        """Only the first error of a file, because millions may follow."""
        if not self._has_logged:
            error_log("a line could not be read", error, line=line)
        self._has_logged = True

    def _line(self, number: int, read: RecordBody, ask: bool) -> Line:
        body: Body = fast_validate(LineSerializer, read.body) or self._serializer.run_validation(read.body)
        data = registration_build(body, device_secret="")
        if isinstance(data.user_id, str) and (fault := user_id_fault(data.user_id)):
            raise ApiError(ErrorCode.INVALID, detail=fault, pointer="/user_id")
        app = self._app(data, read.sns_platform, ask)
        key_for = self._key if ask else self._known_key
        address = address_read(tenant=self._tenant, app=app, data=data, key_for=key_for)
        return Line(number=number, device_id=UUID(body["device_id"]), app=app, data=data, address=address)

    def _app(self, data: DeviceRegistration, sns_platform: str, ask: bool) -> App:
        name = data.app or self._app_name
        key = (data.platform, name, sns_platform)
        if key not in self._apps:
            if not ask:
                raise LookupNeeded
            self._apps[key] = _or_error(
                lambda: (
                    app_for_sns_platform(tenant=self._tenant, sns_platform=sns_platform)
                    if sns_platform and not name
                    else app_for_platform(tenant=self._tenant, platform=data.platform, name=name)
                )
            )
        found = self._apps[key]
        if isinstance(found, ApiError):
            raise found
        return found

    def _known_key(self, app: App, server_key: str) -> VapidKey:
        key = self._keys.get((app.id, server_key))
        if key is None:
            raise LookupNeeded
        return key

    def _key(self, app: App, server_key: str) -> VapidKey | None:
        place = (app.id, server_key)
        if place not in self._keys:
            self._keys[place] = vapid_key_for(app, server_key)
        return self._keys[place]


def _or_error(find: Callable[[], App]) -> App | ApiError:
    try:
        return find()
    except ApiError as error:
        return error


def _line_fault(number: int, code: ErrorCode, faults: list[FieldError], pointers: dict[str, Any]) -> LineFault:
    reports = [FieldError(pointers.get(fault.pointer, fault.pointer), fault.detail) for fault in faults]
    return LineFault(number=number, code=code.code, faults=reports[:REPORTS_PER_LINE])
