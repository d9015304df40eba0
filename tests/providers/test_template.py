"""Filling in must give what rendering gives, byte for byte, in whatever order pushes come."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from providers.sns.form import form_quote
from providers.sns.types import SnsCredentials, SnsEndpoint
from providers.template import fill
from providers.types import Message, Push

PUSH = Push(
    message=Message(notification_id="n"),
    mapping_id="m",
    delivery_id="d",
    ttl=1,
    endpoint=SnsEndpoint(endpoint_arn="arn:aws:sns:eu-west-1:1:endpoint/GCM/a/1", platform="GCM"),
    credentials=SnsCredentials(cache_key=("a", 1), region="eu-west-1"),
)
IDS = st.text("abcXYZ019_-", min_size=1, max_size=40)


def render(push: Push) -> bytes:
    """Values in another order than they are kept in, twice, and with none at the end."""
    assert isinstance(push.endpoint, SnsEndpoint)
    address = form_quote(push.endpoint.endpoint_arn).decode()
    return f"{push.receipt}|{address}|{push.mapping_id}{push.delivery_id}|{push.mapping_id}|{push.ttl}.".encode()


def filled(push: Push) -> bytes:
    assert isinstance(push.endpoint, SnsEndpoint)
    return fill(push, name="x", make=render, variant=push.ttl, address=form_quote(push.endpoint.endpoint_arn))


@given(st.lists(st.tuples(IDS, IDS, IDS | st.just(""), st.integers(0, 3)), max_size=6))
def test_it_is_what_rendering_gives(devices: list[tuple[str, str, str, int]]) -> None:
    message = Message(notification_id="n")
    for mapping, delivery, receipt, ttl in devices:
        push = replace(PUSH, message=message, mapping_id=mapping, delivery_id=delivery, receipt=receipt, ttl=ttl)
        assert filled(push) == render(push)


def test_a_changed_message_is_rendered_anew() -> None:
    def body(push: Push) -> bytes:
        return push.message.body.encode()

    first = replace(PUSH, message=Message(notification_id="n", body="one"))
    second = replace(first, message=replace(first.message, body="two"))
    assert [fill(push, name="x", make=body) for push in (first, second)] == [b"one", b"two"]
