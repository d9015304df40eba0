"""Forget a person: every app that holds something about users registers a step, and all steps commit together."""

from collections.abc import Callable

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType

from pushhub.kernel.retry_on_conflict import retry_on_conflict
from tenants.models import EndUser, IdempotencyRecord, Tenant
from tenants.user_ids import user_id_fault

EraseStep = Callable[[EndUser], None]
ERASED = "an erased user"

_steps: dict[str, EraseStep] = {}


def erase_step_register(name: str, step: EraseStep) -> None:
    """Called from `AppConfig.ready()`. Steps run inside one transaction: no network. The last registered is the first
    to run: an app still finds what the apps it stands on are about to forget.

    What lives at a vendor is left as rows whose work happens later (tombstones). A name registers once.
    """
    if _steps.setdefault(name, step) is not step:
        raise ValueError(f"Another erase step is already called {name!r}.")


def end_user_erase(*, tenant: Tenant, user_id: str) -> bool:
    """Run every step, then delete the user. True if there was one; a repeat changes nothing."""
    if user_id_fault(user_id):
        return False
    return retry_on_conflict(lambda: _erase(tenant, user_id))


def _erase(tenant: Tenant, user_id: str) -> bool:
    user = EndUser.objects.select_for_update(of=("self",)).filter(tenant=tenant, user_id=user_id).first()
    if user is None:
        return False
    user.tenant = tenant
    for step in reversed(_steps.values()):
        step(user)
    # Stored answers to this person's own requests may hold what the steps have just erased.
    IdempotencyRecord.objects.filter(tenant=tenant, caller=f"user:{user_id}").delete()
    # What operators did with the row stays; whose it was does not.
    entries = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(EndUser), object_id=str(user.pk))
    entries.update(object_repr=ERASED)
    user.delete()
    return True
