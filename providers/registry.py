"""Providers by name, imported on first use: a process that sends no SNS never loads botocore."""

from functools import cache
from importlib import import_module

from providers.base import Provider

PROVIDERS = {
    "webpush": ("providers.webpush.provider", "WebPushProvider"),
    "sns": ("providers.sns.provider", "SnsProvider"),
    "stub": ("providers.stub.provider", "StubProvider"),
}


@cache
def provider_get(name: str) -> Provider:
    """The one instance of this provider in this process. Raises KeyError for an unknown name."""
    module, class_name = PROVIDERS[name]
    provider: Provider = getattr(import_module(module), class_name)()
    return provider
