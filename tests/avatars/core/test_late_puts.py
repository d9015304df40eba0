"""Workers whose lease ends before their puts: none of their objects stays in the store."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from avatars.models import Avatar, StoredObject
from avatars.states import WorkflowStep
from avatars.storage.local import LocalStorage
from avatars.workflow.saga import WORKFLOW
from tests.avatars.core.builders import form_post, leases_end, objects, picture, public, sweep, time_passes, upload

pytestmark = pytest.mark.django_db(transaction=True)


def before_put(monkeypatch: pytest.MonkeyPatch, area: str, happens: Any) -> list[str]:
    """Call `happens` during the first put into `area`. The keys that are put there."""
    real, put = LocalStorage.put, list[str]()

    def put_late(self: LocalStorage, key: str, data: bytes, **options: Any) -> None:
        if key.startswith(area):
            put.append(key)
            if len(put) == 1:
                happens()
        real(self, key, data, **options)

    monkeypatch.setattr(LocalStorage, "put", put_late)
    return put


@pytest.mark.parametrize(("step", "area"), [(WorkflowStep.NORMALISE, "masters"), (WorkflowStep.THUMBNAILS, "public")])
def test_nothing_is_put_after_the_lease_has_ended(
    alice: APIClient, store: LocalStorage, monkeypatch: pytest.MonkeyPatch, step: WorkflowStep, area: str
) -> None:
    avatar_id = upload(alice, picture("lime"))
    while Avatar.objects.get(id=avatar_id).step != step:
        assert WORKFLOW.step()
    real = LocalStorage.get

    def late(*at: Any, **options: Any) -> Any:
        leases_end()
        return real(*at, **options)

    monkeypatch.setattr(LocalStorage, "get", late)
    put = before_put(monkeypatch, area, lambda: None)
    assert WORKFLOW.step()
    assert put == []


def test_a_person_is_erased_after_the_first_thumbnail(
    alice: APIClient, backend: APIClient, store: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(alice, picture("lime"))

    def erased() -> None:
        leases_end()
        assert backend.delete("/v1/users/alice").status_code == 204
        sweep()

    put = before_put(monkeypatch, "public", erased)
    while WORKFLOW.step():
        pass
    assert public(store) == put[:1] == put
    time_passes()
    sweep()
    assert (objects(store), StoredObject.objects.count()) == ([], 0)


def test_an_avatar_is_deleted_while_an_earlier_worker_puts(
    alice: APIClient, started: dict[str, Any], store: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    form_post(Client(), started["upload"], picture("lime"))

    def deleted() -> None:
        form_post(Client(), started["upload"], picture("red"))
        assert alice.delete(f"/v1/avatars/{started['id']}").status_code == 204
        sweep()

    before_put(monkeypatch, "masters", deleted)
    while WORKFLOW.step():
        pass
    sweep()
    assert StoredObject.objects.filter(key__in=objects(store)).count() == len(objects(store)) == 1
    time_passes()
    sweep()
    assert objects(store) == []
