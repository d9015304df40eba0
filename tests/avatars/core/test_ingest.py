"""Events about uploads in every format, in any order, any number of times: one service applies them."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from avatars.ingest import EventUnreadable, events_apply
from avatars.keys import upload_key
from avatars.models import Avatar
from avatars.poller import Poller
from avatars.services.uploads import Observed, sequencer_after
from avatars.storage.local import LocalStorage
from tests.avatars.core.builders import BUCKET, objects, picture, s3_event, sweep, upload, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _bucket(settings: Any) -> None:
    settings.AVATAR_S3_BUCKET = BUCKET


def bridge_event(key: str, bucket: str = BUCKET) -> str:
    detail = {"bucket": {"name": bucket}, "object": {"key": key, "size": 5, "etag": "aa", "version-id": "v1"}}
    return json.dumps({"source": "aws.s3", "detail-type": "Object Created", "detail": detail})


@pytest.fixture
def key(started: dict[str, Any]) -> str:
    found: str = started["upload"]["fields"]["key"]
    return found


def wrapped(body: str) -> str:
    return json.dumps({"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": body})


@pytest.mark.parametrize(
    "shape", [s3_event, bridge_event, lambda key: wrapped(s3_event(key)), lambda key: wrapped(bridge_event(key))]
)
def test_every_format_of_event_starts_the_workflow(key: str, shape: Any) -> None:
    assert events_apply(shape(key)) == [Observed.TAKEN]
    assert Avatar.objects.get().state == "uploaded"


def test_the_version_is_pinned(key: str) -> None:
    events_apply(s3_event(key, versionId="v7"))
    avatar = Avatar.objects.get()
    assert (avatar.upload_version, avatar.upload_etag, avatar.upload_size) == ("v7", "aa", 5)


def test_duplicates_change_nothing(key: str) -> None:
    assert [events_apply(s3_event(key)) for _ in range(2)] == [[Observed.TAKEN], [Observed.REPEATED]]


def test_an_older_event_is_ignored(key: str) -> None:
    events_apply(s3_event(key, etag="new", sequencer="0A1"))
    assert events_apply(s3_event(key, etag="old", sequencer="9F")) == [Observed.REPEATED]
    assert Avatar.objects.get().upload_etag == "new"


def test_a_later_version_replaces_the_earlier_one(key: str) -> None:
    events_apply(s3_event(key, etag="old", sequencer="9F"))
    assert events_apply(s3_event(key, etag="new", sequencer="0A1")) == [Observed.TAKEN]
    assert Avatar.objects.get().upload_etag == "new"


@pytest.mark.parametrize(("new", "old"), [("10", "9"), ("0055AED6", "55AED5"), ("a", "9"), ("1", "")])
def test_sequencers_compare_after_padding(new: str, old: str) -> None:
    assert sequencer_after(new, old)
    assert not sequencer_after(old, new)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET}),
        s3_event("another/name.jpg"),
        s3_event("uploads/../x/y"),
        bridge_event(upload_key(uuid4(), uuid4()), bucket="another"),
        json.dumps({"source": "aws.ec2", "detail-type": "Object Created", "detail": {}}),
    ],
)
def test_other_objects_are_ignored(started: dict[str, Any], body: str) -> None:
    assert events_apply(body) == []


def test_a_removal_is_no_upload(key: str) -> None:
    assert events_apply(s3_event(key, name="ObjectRemoved:Delete")) == []


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"Records": 5}', '{"Records": [{"eventName": 1}]}', '{"Records": [null]}', "[" * 5000]
)
def test_an_unreadable_event_names_the_wrong_part(body: str) -> None:
    with pytest.raises(EventUnreadable):
        events_apply(body)


def test_an_unexpected_upload_is_deleted(alice: APIClient, store: LocalStorage) -> None:
    stray = upload_key(uuid4(), uuid4())
    store.put(stray, b"x", content_type="image/jpeg")
    assert events_apply(s3_event(stray)) == [Observed.STRAY]
    sweep()
    assert objects(store) == []


def test_a_late_second_upload_does_not_change_the_published_picture(alice: APIClient, store: LocalStorage) -> None:
    avatar_id = upload(alice, picture("lime"))
    work()
    key = Avatar.objects.get().upload_key
    store.put(key, picture("red"), content_type="image/jpeg")
    assert events_apply(s3_event(key, sequencer="F" * 20)) == [Observed.STRAY]
    work()
    sweep()
    assert alice.get(f"/v1/avatars/{avatar_id}").json()["state"] == "approved"
    assert not any(key.startswith("uploads/") for key in objects(store))


class Queue:
    """SQS in memory: a message that is not deleted is delivered again, and is a dead letter after `limit` receives."""

    def __init__(self, *bodies: str, limit: int = 3) -> None:
        self.limit = limit
        self.messages: list[dict[str, Any]] = [
            {"MessageId": str(n), "Body": body, "count": 0} for n, body in enumerate(bodies)
        ]
        self.dead: list[str] = []
        self.calls: list[str] = []

    def receive_message(self, **asked: Any) -> dict[str, Any]:
        self.calls.append("receive")
        assert (asked["WaitTimeSeconds"], asked["MaxNumberOfMessages"]) == (20, 10)
        for message in self.messages:
            message["count"] += 1
        self.dead += [message["Body"] for message in self.messages if message["count"] > self.limit]
        self.messages = [message for message in self.messages if message["count"] <= self.limit]
        return {"Messages": [{**message, "ReceiptHandle": message["MessageId"]} for message in self.messages[:10]]}

    def delete_message_batch(self, **asked: Any) -> dict[str, Any]:
        self.calls.append("delete")
        handles = {entry["ReceiptHandle"] for entry in asked["Entries"]}
        self.messages = [message for message in self.messages if message["MessageId"] not in handles]
        return {"Successful": asked["Entries"]}


def test_the_poller_deletes_what_it_applied_in_one_batch(key: str) -> None:
    queue = Queue(s3_event(key), bridge_event(key), json.dumps({"Event": "s3:TestEvent"}))
    assert Poller(queue, "url").step() == 3
    assert (queue.messages, queue.calls) == ([], ["receive", "delete"])


def test_an_unreadable_message_reaches_the_dead_letter_queue(key: str) -> None:
    queue = Queue("not an event", s3_event(key))
    for _ in range(4):
        Poller(queue, "url").step()
    assert (queue.dead, queue.messages) == (["not an event"], [])
    assert Avatar.objects.get().state == "uploaded"


def test_a_database_error_leaves_the_message(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue(s3_event(key))
    with monkeypatch.context() as broken:
        broken.setattr("avatars.ingest.upload_observed", _down)
        assert Poller(queue, "url").step() == 0
    assert Poller(queue, "url").step() == 1
    assert Avatar.objects.get().state == "uploaded"


def _down(**_: Any) -> None:
    raise ConnectionError
