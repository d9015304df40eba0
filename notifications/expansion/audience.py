"""The audience of a notification: the one definition of the devices that `to` addresses, in SQL.

The expansion makes deliveries of it, a dry run counts it. Rules of the statements: see `notifications.engine.sql`.
"""
# ruff: noqa: S608 - the parts put together are constants of this file; every value is a parameter

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from notifications.holds.detection import GONE_WINDOW
from pushhub.kernel.database import statement_run
from tenants.models import Tenant

TOPIC_SMALL: Final = 10_000  # subscriptions

# Devices of the tenant after the cursor. A removed device, or one whose endpoint is gone or disabled, gets no delivery:
# there is nothing to send to. A pending one gets a delivery, which waits for the endpoint. So does a device whose
# endpoint went `gone` within the window of the gone-spike detection: its delivery ends as `gone` at the claim, and if a
# hold finds that the push service reported most devices as gone, the delivery is restored together with the device.
_REACHABLE = """
    device.tenant_id = %(tenant)s AND device.id > %(cursor)s AND device.deleted_at IS NULL
    AND (device.endpoint_state IN ('pending', 'active', 'suspect')
         OR device.endpoint_state = 'gone'
            AND device.endpoint_changed_at > statement_timestamp() - %(gone_window)s::interval)
"""

# Index: end_user_user_id, then device_user.
_USERS = f"""
SELECT device.id, device.app_id, device.generation
FROM devices_device device JOIN tenants_enduser person ON person.id = device.user_id
WHERE {_REACHABLE} AND person.tenant_id = %(tenant)s AND person.user_id = ANY (%(names)s)
"""

# Index: device_device_id.
_DEVICES = f"""
SELECT device.id, device.app_id, device.generation
FROM devices_device device
WHERE {_REACHABLE} AND device.device_id = ANY (%(names)s::uuid[])
"""

# Index: device_tenant, read in its order from the cursor; the limit of a chunk ends the scan.
_ALL = f"""
SELECT device.id, device.app_id, device.generation
FROM devices_device device
WHERE {_REACHABLE}
"""

# A topic, from its subscriptions to their devices: every chunk reads all of the topic's subscriptions.
# Index: topic_subscription_user and _device, then device_user.
_TOPIC = f"""
SELECT device.id, device.app_id, device.generation
FROM devices_device device
WHERE {_REACHABLE} AND device.id IN (
    SELECT sub.device_id FROM notifications_topicsubscription sub
    WHERE sub.tenant_id = %(tenant)s AND sub.topic_id = %(topic)s AND sub.user_id IS NULL
    UNION
    SELECT owned.id FROM notifications_topicsubscription sub JOIN devices_device owned
        ON owned.tenant_id = %(tenant)s AND owned.user_id = sub.user_id AND owned.deleted_at IS NULL
    WHERE sub.tenant_id = %(tenant)s AND sub.topic_id = %(topic)s AND sub.device_id IS NULL)
"""

# Each selects the id, app and generation of the devices after `cursor`, in no order.
AUDIENCES: Final = {"users": _USERS, "devices": _DEVICES, "all": _ALL, "topic": _TOPIC}

# The same topic, for a chunk of a large one: from the devices, in key order, to their subscriptions. Two look-ups a
# device, and no chunk reads again what another has read. A chunk looks at `look` devices after the cursor and no more,
# because few of them may be subscribed: the common table expression `ahead` (TOPIC_AHEAD) names the last of them.
# Index: device_tenant from the cursor, then topic_subscription_device and _user; 3 µs a device.
TOPIC_AHEAD: Final = """
ahead AS MATERIALIZED (
    SELECT count(*) AS seen, max(id) AS last FROM (
        SELECT id FROM devices_device WHERE tenant_id = %(tenant)s AND id > %(cursor)s AND deleted_at IS NULL
        ORDER BY id LIMIT %(look)s) AS next
), """
TOPIC_LARGE: Final = f"""
SELECT device.id, device.app_id, device.generation
FROM devices_device device
WHERE {_REACHABLE} AND device.id <= (SELECT last FROM ahead) AND (
    EXISTS (SELECT FROM notifications_topicsubscription sub
            WHERE sub.tenant_id = %(tenant)s AND sub.topic_id = %(topic)s
              AND sub.device_id = device.id AND sub.user_id IS NULL)
    OR EXISTS (SELECT FROM notifications_topicsubscription sub
            WHERE sub.tenant_id = %(tenant)s AND sub.topic_id = %(topic)s
              AND sub.user_id = device.user_id AND sub.device_id IS NULL))
"""

_COUNTS: Final = {kind: f"SELECT count(*) FROM ({statement}) AS audience" for kind, statement in AUDIENCES.items()}

# Subscriptions are counted up to a limit. Index: topic_name, then topic_subscription_user and _device.
_TOPIC_SIZE: Final = """
SELECT topic.id, (
    SELECT count(*) FROM (
        SELECT FROM notifications_topicsubscription sub
        WHERE sub.tenant_id = topic.tenant_id AND sub.topic_id = topic.id LIMIT %(limit)s) AS counted)
FROM notifications_topic topic
WHERE topic.tenant_id = %(tenant)s AND topic.name = %(name)s
"""


@dataclass(frozen=True, slots=True)
class Audience:
    """`kind` is a key of AUDIENCES; `parameters` are all that its statement needs, except `cursor`.

    `large`: a topic for which TOPIC_LARGE is the cheaper statement.
    """

    kind: str
    parameters: Mapping[str, Any]
    large: bool = False


def audience_of(*, tenant_id: UUID, to: Mapping[str, Any]) -> Audience | None:
    """The audience that `to` addresses; None for an unknown topic, which has none."""
    common = {"tenant": tenant_id, "gone_window": GONE_WINDOW}
    for kind in ("users", "devices"):
        if kind in to:
            return Audience(kind, common | {"names": to[kind]})
    if "topic" not in to:
        return Audience("all", common)
    named = {"tenant": tenant_id, "name": to["topic"], "limit": TOPIC_SMALL + 1}
    for topic, subscriptions in statement_run(_TOPIC_SIZE, named, plan_kept=False):
        return Audience("topic", common | {"topic": topic}, large=subscriptions > TOPIC_SMALL)
    return None


def audience_count(*, tenant: Tenant, to: Mapping[str, Any]) -> int:
    """How many deliveries the expansion would make at this moment."""
    audience = audience_of(tenant_id=tenant.id, to=to)
    if audience is None:
        return 0
    ((devices,),) = statement_run(_COUNTS[audience.kind], {**audience.parameters, "cursor": 0}, plan_kept=False)
    return int(devices)
