"""Doubtful answers, written down with the settlement they belong to."""

from collections.abc import Iterable

from notifications.engine.claim import Settlement
from notifications.engine.session import execute
from notifications.holds import sql


def doubts_append(*, settlements: Iterable[Settlement]) -> None:
    """In the settling transaction: an answer that ended a delivery can be taken back as long as its doubt is kept."""
    doubtful = [item for item in settlements if item.doubt]
    if doubtful:
        execute(
            sql.DOUBTS_APPEND,
            {
                "tenants": [item.job.lane.tenant_id for item in doubtful],
                "apps": [item.job.lane.app.id for item in doubtful],
                "origins": [item.job.host for item in doubtful],
                "kinds": [item.doubt for item in doubtful],
                "reasons": [item.reason for item in doubtful],
                "devices": [item.job.device_id for item in doubtful],
                "versions": [item.job.token_version for item in doubtful],
                "deliveries": [item.job.id for item in doubtful],
            },
        )
