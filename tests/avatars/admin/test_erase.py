"""A person with a picture is erased in the console like any other person."""

from collections.abc import Callable
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from avatars.models import Avatar
from tenants.erasure import ERASED
from tenants.models import EndUser
from tests.avatars.admin.builders import member_of

pytestmark = pytest.mark.django_db(transaction=True)
Moderated = Callable[..., UUID]
LIST = "/admin/tenants/enduser/"


def test_one_by_one(moderated: Moderated, admin_client: Client) -> None:
    page = f"{LIST}{Avatar.objects.get(id=moderated()).user_id}/delete/"
    assert "alice" in admin_client.get(page).content.decode()
    admin_client.post(page, {"post": "yes"})
    assert not EndUser.objects.exists()
    assert not Avatar.objects.exists()


def test_a_selection_is_erased(moderated: Moderated, admin_client: Client) -> None:
    people = [str(Avatar.objects.get(id=moderated(user=user)).user_id) for user in ("alice", "bob")]
    wish = {"action": "delete_selected", "_selected_action": people}
    assert "alice" in admin_client.post(LIST, wish).content.decode()
    admin_client.post(LIST, wish | {"post": "yes"})
    assert not EndUser.objects.exists()
    assert set(LogEntry.objects.values_list("object_repr", flat=True)) == {ERASED}


def test_an_operator_who_may_not_delete_people_cannot_erase(moderated: Moderated, client: Client) -> None:
    user_id = str(Avatar.objects.get(id=moderated()).user_id)
    viewer = member_of("viewer", client)
    assert viewer.post(f"{LIST}{user_id}/delete/", {"post": "yes"}).status_code == 403
    viewer.post(LIST, {"action": "delete_selected", "_selected_action": [user_id], "post": "yes"})
    assert EndUser.objects.exists()
