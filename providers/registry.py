"""Providers by name. A new provider is one line in PROVIDERS; everything else reads this table.

An app may outlive its provider: a name that is not registered gives a `RemovedProvider`.
"""

from functools import cache
from importlib import import_module

from providers.base import Provider
from providers.removed import RemovedProvider

PROVIDERS: dict[str, tuple[str, str]] = {
    "webpush": ("providers.webpush.provider", "WebPushProvider"),
    "sns": ("providers.sns.provider", "SnsProvider"),
    "stub": ("providers.stub.provider", "StubProvider"),
}
NATIVE = "native"
_by_reference: set[str] = set()


@cache
def provider_get(name: str) -> Provider:
    """The one instance of this provider in this process."""
    if name not in PROVIDERS:
        return RemovedProvider(name)
    module, class_name = PROVIDERS[name]
    made = getattr(import_module(module), class_name)
    provider: Provider = made(reference=True) if name in _by_reference else made()
    return provider


def providers_all() -> list[Provider]:
    """Every registered provider, in the table's order."""
    return [provider_get(name) for name in PROVIDERS]


def device_platforms() -> list[str]:
    """Every platform that a device may have, each once."""
    return list(dict.fromkeys(platform for provider in providers_all() for platform in provider.platforms))


def app_kinds(device_platform: str) -> list[tuple[str, str]]:
    """The apps that reach a device platform: (provider, the vendor's platform) each."""
    return [
        (provider.name, platform)
        for provider in providers_all()
        for platform in provider.platforms.get(device_platform, ())
    ]


def reference_choose(name: str, word: str) -> None:
    """Who writes the provider's requests in this process from now on: `native`, or its reference. Raises ValueError."""
    reference = provider_get(name).reference
    words = [NATIVE, reference.word] if reference else [NATIVE]
    if word not in words:
        raise ValueError(f"must be {' or '.join(words)}")
    (_by_reference.discard if word == NATIVE else _by_reference.add)(name)
    provider_get.cache_clear()
