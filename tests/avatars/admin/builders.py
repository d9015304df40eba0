"""Operators."""

from django.contrib.auth.models import Group, User
from django.test import Client


def member_of(group: str, client: Client) -> Client:
    user = User.objects.create_user("carol", is_staff=True)
    user.groups.add(Group.objects.get_or_create(name=group)[0])
    client.force_login(user)
    return client
