"""Erasure of a user: every app that stores data about users registers a step, and all steps commit together."""

from collections.abc import Callable

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType

from pushhub.kernel.retry_on_conflict import retry_on_conflict
from tenants.models import EndUser, IdempotencyRecord, Tenant
from tenants.user_ids import user_id_fault

EraseStep = Callable[[EndUser], None]
ERASED = "an erased user"

erase_steps: dict[str, EraseStep] = {}


def erase_step_register(name: str, step: EraseStep) -> None:
    """Call it in `AppConfig.ready()`. All steps run in one transaction, so they must not use the network. They run in
    reverse order of registration: the step of an app runs before the steps of the apps that it depends on.

    Data at a vendor is deleted later: a step leaves rows for that work (tombstones). Raises ValueError if another step
    has the name.
    """
    if erase_steps.setdefault(name, step) is not step:
        raise ValueError(f"Another erase step has the name {name!r}.")


def end_user_erase(*, tenant: Tenant, user_id: str) -> bool:
    """Runs all steps, then deletes the user. True if the user existed. A repeated call changes nothing."""
    if user_id_fault(user_id):
        return False
    return retry_on_conflict(lambda: _erase(tenant, user_id))


def _erase(tenant: Tenant, user_id: str) -> bool:
    user = EndUser.objects.select_for_update(of=("self",)).filter(tenant=tenant, user_id=user_id).first()
    if user is None:
        return False
    user.tenant = tenant
    for step in reversed(erase_steps.values()):
        step(user)
    # Stored responses to the user's own requests may contain the data that the steps have just erased.
    IdempotencyRecord.objects.filter(tenant=tenant, caller=f"user:{user_id}").delete()
    # The log of the operators' actions stays, without the user's id.
    entries = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(EndUser), object_id=str(user.pk))
    entries.update(object_repr=ERASED)
    user.delete()
    return True
