"""Providers by name, imported on first use: a process that sends no SNS never loads botocore.

Each vendor's request is written by our own code, or by the reference: what everybody else uses, several times as dear.
"""

from functools import cache
from importlib import import_module

from providers.base import Provider

PROVIDERS = {
    "webpush": ("providers.webpush.provider", "WebPushProvider"),
    "sns": ("providers.sns.provider", "SnsProvider"),
    "stub": ("providers.stub.provider", "StubProvider"),
}
NATIVE = "native"
REFERENCES = {"webpush": "pywebpush", "sns": "botocore"}
_by_reference: set[str] = set()


def path_choose(name: str, path: str) -> None:
    """How this process writes the provider's requests from now on: `native`, or its reference. Raises ValueError."""
    if path not in (NATIVE, REFERENCES[name]):
        raise ValueError(f"must be {NATIVE} or {REFERENCES[name]}")
    (_by_reference.discard if path == NATIVE else _by_reference.add)(name)
    provider_get.cache_clear()


@cache
def provider_get(name: str) -> Provider:
    """The one instance of this provider in this process. Raises KeyError for an unknown name."""
    module, class_name = PROVIDERS[name]
    made = getattr(import_module(module), class_name)
    provider: Provider = made(reference=True) if name in _by_reference else made()
    return provider
