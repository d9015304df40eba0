"""Commit a batch of an import's lines: in sets where possible, else line by line.

The devices, the reports and the job's cursor commit together.
"""

from collections.abc import Iterator, Sequence

from django.db import DatabaseError, OperationalError, transaction
from django.db.models import F

from devices.bulk.lines import Item, Line, LineFault
from devices.bulk.log import error_log
from devices.bulk.models import Job, JobError
from devices.bulk.services.applying import Counts, SetConflict, SingleLineRequired, line_register, lines_apply
from devices.bulk.services.leases import LeasedJob
from pushhub.kernel.crypto import SealBroken
from pushhub.kernel.errors import ApiError, ErrorCode, FieldError
from pushhub.kernel.retry_on_conflict import ATTEMPTS, CONFLICTS

REPORTS_KEPT = 100_000  # of one job; all errors are counted


def batch_commit(*, leased: LeasedJob, items: Sequence[Item]) -> None:
    """Raises LeaseLost, and OperationalError when the database is unavailable."""
    for group in _distinct(items):
        rest, size = group, len(group)
        while rest:
            try:
                _set_commit(leased, rest[:size])
            except SingleLineRequired as found:
                lines = [item for item in rest if isinstance(item, Line)]
                size = rest.index(lines[found.count])
                if size:
                    continue  # the lines before it can go as a set
                _single_commit(leased, rest[0])
                size = 1
            # Lines that must go alone are often neighbours: sets grow again only as they succeed.
            rest, size = rest[size:], 2 * size


def _distinct(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Split where a device or a token occurs again: the later line must find what the earlier one wrote."""
    seen: set[object] = set()
    group: list[Item] = []
    for item in items:
        if isinstance(item, Line):
            device, token = item.device_id.int, (item.app.id.int, item.address.hash)
            if device in seen or token in seen:
                yield group
                seen, group = set(), []
            seen.update((device, token))
        group.append(item)
    yield group


def _set_commit(leased: LeasedJob, items: Sequence[Item]) -> None:
    lines = [item for item in items if isinstance(item, Line)]
    for _ in range(ATTEMPTS):
        try:
            with transaction.atomic():
                leased.renew()
                counts = _lines_apply(leased, lines)
                _progress_write(leased, items, counts)
            _progress_note(leased, items, counts)
            return
        except SetConflict:
            continue
        except SealBroken:
            break  # a device of the set cannot be decrypted
        except DatabaseError as error:
            if isinstance(error.__cause__, CONFLICTS):
                continue
            if isinstance(error, OperationalError):
                raise  # the connection was lost, perhaps after the COMMIT: the job's cursor says where to continue
            error_log("a set of lines was refused", error, job=str(leased.job.id))
            break
    for item in items:
        _single_commit(leased, item)


def _lines_apply(leased: LeasedJob, lines: Sequence[Line]) -> Counts:
    return lines_apply(tenant=leased.job.tenant, caller=leased.caller, lines=lines) if lines else Counts()


def _single_commit(leased: LeasedJob, item: Item) -> None:
    with transaction.atomic():
        leased.renew()
        counts = Counts()
        if isinstance(item, Line):
            try:
                with transaction.atomic():
                    counts = line_register(tenant=leased.job.tenant, caller=leased.caller, line=item)
            except ApiError as error:
                faults = error.errors or [FieldError("", error.detail)]
                item = LineFault(number=item.number, code=error.code.code, faults=faults)
            except OperationalError:
                raise
            except SealBroken:
                item = _internal(item, "The device cannot be opened: its encryption key is gone.")
            except DatabaseError as error:
                error_log("a line was refused", error, job=str(leased.job.id), line=item.number)
                item = _internal(item, "The line could not be stored.")
        _progress_write(leased, [item], counts)
    _progress_note(leased, [item], counts)


def _internal(line: Line, detail: str) -> LineFault:
    return LineFault(number=line.number, code=ErrorCode.INTERNAL.code, faults=[FieldError("", detail)])


def _progress_write(leased: LeasedJob, items: Sequence[Item], counts: Counts) -> None:
    """Write reports, counts and cursor, in the transaction of the devices."""
    job = leased.job
    faults = [item for item in items if isinstance(item, LineFault)]
    skipped = sum(fault.skipped for fault in faults)
    if faults and job.failed + job.skipped < REPORTS_KEPT:
        JobError.objects.bulk_create(
            JobError(
                tenant=job.tenant,
                job=job,
                line=item.number,
                code=item.code,
                detail=fault.detail[:300],
                pointer=fault.pointer[:200],
            )
            for item in faults
            for fault in item.faults
        )
    Job.objects.filter(id=job.id).update(
        record=F("record") + len(items),
        done=F("done") + len(items),
        created=F("created") + counts.created,
        updated=F("updated") + counts.updated,
        unchanged=F("unchanged") + counts.unchanged,
        skipped=F("skipped") + skipped,
        failed=F("failed") + len(faults) - skipped,
    )


def _progress_note(leased: LeasedJob, items: Sequence[Item], counts: Counts) -> None:
    """Keep the job in memory equal to the committed row."""
    leased.job.created += counts.created
    leased.job.record += len(items)
    leased.job.failed += sum(isinstance(item, LineFault) for item in items)
