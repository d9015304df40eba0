"""Doubtful answers, written down with the settlement they belong to."""

from collections.abc import Iterable

from notifications.engine.claim import Settlement
from notifications.engine.session import execute
from notifications.holds import sql


def suspects_append(*, settlements: Iterable[Settlement]) -> None:
    """In the settling transaction: an answer that ended a delivery can be undone while its row is kept."""
    doubtful = [item for item in settlements if item.suspect_as]
    if doubtful:
        execute(
            sql.SUSPECTS_APPEND,
            {
                "tenants": [item.delivery.lane.tenant_id for item in doubtful],
                "apps": [item.delivery.lane.app.id for item in doubtful],
                "origins": [item.delivery.host for item in doubtful],
                "kinds": [item.suspect_as for item in doubtful],
                "reasons": [item.reason for item in doubtful],
                "devices": [item.delivery.device_id for item in doubtful],
                "versions": [item.delivery.token_version for item in doubtful],
                "deliveries": [item.delivery.id for item in doubtful],
            },
        )
