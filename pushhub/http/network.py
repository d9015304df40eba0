"""Where this installation sends to, beyond what its senders know of themselves."""

from django.conf import settings

from outgoing.network import NetworkPolicy


def network_policy() -> NetworkPolicy:
    """What the operator allows beyond the public internet (PUSHHUB_ALLOWED_PRIVATE_NETWORKS)."""
    return NetworkPolicy(tuple(settings.PUSHHUB_ALLOWED_PRIVATE_NETWORKS))
