"""Code outside `providers` asks a provider what it can do, never which provider it is.

docs/adding-a-provider.md depends on it: a new provider is one package and one line of the registry.
"""

import ast
from collections.abc import Iterator

from tests.architecture.source import OUTSIDE, ROOT, Module, imports

VENDORS = {path.parent.name for path in (ROOT / "providers").glob("*/provider.py")}
# The packages that handle the apps of every provider. Elsewhere "sns" and "stub" have other meanings.
HANDLE_EVERY_VENDOR = {"tenants", "events", "devices", "notifications"}
MAY_NAME_A_VENDOR: dict[str, str] = {
    "devices/api/examples.py": "bodies shown in the API's description",
    "notifications/api/examples.py": "bodies shown in the API's description",
    "devices/management/commands/app_create_operator.py": "lends this server's AWS identity, which only SNS uses",
    "avatars/api/callbacks.py": "S3 reports uploads through SNS, which is no push vendor there",
    "avatars/api/views.py": "S3 reports uploads through SNS, which is no push vendor there",
}


def rule_no_one_asks_which_provider(module: Module) -> Iterator[str]:
    if module.package not in {"tests", "providers", *OUTSIDE} and module.path not in MAY_NAME_A_VENDOR:
        for node, vendor in names_of_vendors(module):
            yield module.at(node, f"{vendor}: ask the provider for a capability (providers/base.py)")


def names_of_vendors(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """Imports of a vendor's package, and texts that are a provider's name."""
    for node, name in imports(module):
        package, _, rest = name.partition(".")
        if package == "providers" and rest.partition(".")[0] in VENDORS:
            yield node, name
    if module.package in HANDLE_EVERY_VENDOR and "migrations" not in module.parts:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and node.value in VENDORS:
                yield node, repr(node.value)
