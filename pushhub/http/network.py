"""The networks to which this installation may send, from the settings."""

from django.conf import settings

from outgoing.network import NetworkPolicy


def network_policy() -> NetworkPolicy:
    """The public internet and what the operator adds (PUSHHUB_ALLOWED_PRIVATE_NETWORKS)."""
    return NetworkPolicy(tuple(settings.PUSHHUB_ALLOWED_PRIVATE_NETWORKS))
