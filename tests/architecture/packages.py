"""Who may import whom; docs/decisions/0019-names-and-architecture.md has the reasons."""

import ast
from collections.abc import Iterator

from tests.architecture.source import PACKAGES, Module, imports

# What each package may import of the others; its own modules are understood. The longest name that fits counts.
MAY_IMPORT = {
    "pushhub.kernel": set(),
    "pushhub.http": {"pushhub.kernel", "outgoing"},
    "pushhub.workers": {"pushhub.kernel", "pushhub.http"},
    "outgoing": {"pushhub.kernel"},
    "providers": {"pushhub.kernel", "outgoing"},
    "tenants": {"pushhub"},
    "events": {"pushhub", "tenants", "outgoing"},
    "devices": {"pushhub", "tenants", "events", "providers", "outgoing"},
    "notifications": {"pushhub", "tenants", "events", "devices", "providers", "outgoing"},
    "avatars": {"pushhub", "tenants", "events", "notifications.services", "notifications.drafts", "providers"},
    "sandbox": {"pushhub.kernel"},
    # Measures senders and image processing alone, next to other libraries, and writes a table of a million devices.
    "bench": {
        "outgoing",
        "providers",
        "pushhub.kernel",
        "pushhub.embedded",
        "sandbox.testing",
        "sandbox.ledger",
        "devices.models",
        "devices.sealing",
        "avatars.imaging",
        "avatars.moderation",
    },
    # The demo page plays a tenant's backend inside this process. Only the settings of `make run` load it.
    "clients": {"pushhub", "tenants", "events", "devices", "notifications", "providers.types"},
}
# The Django project's own modules put everything together and are imported by nothing.
WIRING = {
    "pushhub.urls",
    "pushhub.asgi",
    "pushhub.admin_site",
    "pushhub.settings",
    "pushhub.apps",
    "pushhub.embedded",
    "pushhub.http.middleware",
    "pushhub.workers.celery",
}
# The half of the kernel that loads without Django: for `outgoing`, `providers` and `sandbox`.
WITHOUT_DJANGO = {f"pushhub.kernel.{name}" for name in ("backoff", "env", "errors", "ids", "logging", "metrics")}
NO_DJANGO = {"outgoing", "providers", "sandbox"}
# Modules in a folder, `__init__` and migrations not counted.
MAX_MODULES = 21


def within(name: str, allowed: set[str]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in allowed)


def package_of(module: Module) -> str:
    """The longest key of MAY_IMPORT that names the module's package; "" for wiring and tests."""
    return max((key for key in MAY_IMPORT if within(module.name, {key})), key=len, default="")


def rule_packages_import_downwards(module: Module) -> Iterator[str]:
    package = package_of(module)
    if not package or "migrations" in module.parts:
        return
    allowed = MAY_IMPORT[package] | {package}
    for node, name in imports(module):
        if name.split(".")[0] in PACKAGES and not within(name, allowed):
            yield module.at(node, f"{package} may not import {name}")


def rule_wiring_is_imported_by_nothing(module: Module) -> Iterator[str]:
    if module.package not in {"pushhub", "tests", "bench"}:
        for node, name in imports(module):
            if within(name, WIRING):
                yield module.at(node, f"{name} is wiring: use Django's settings, shared_task or a hook")


def rule_the_pure_packages_know_no_django(module: Module) -> Iterator[str]:
    if module.package in NO_DJANGO or module.name in WITHOUT_DJANGO:
        for node, name in imports(module):
            if name.split(".")[0] in {"django", "rest_framework", "celery"}:
                yield module.at(node, f"{module.package} is plain Python: {name}")
            elif within(name, {"pushhub"}) and not within(name, WITHOUT_DJANGO):
                yield module.at(node, f"{name} needs Django")


def rule_migrations_stand_alone(module: Module) -> Iterator[str]:
    if "migrations" in module.parts:
        for node, name in imports(module):
            foreign = name.split(".")[0] in PACKAGES and not within(name, {"pushhub.kernel.ids"})
            if foreign and not name.startswith(f"{module.package}.migrations"):
                yield module.at(node, f"a migration outlives the code: it may not import {name}")


def rule_tests_import_builders_not_tests(module: Module) -> Iterator[str]:
    if module.package == "tests":
        for node, name in imports(module):
            if any(part.startswith("test_") for part in name.split(".")[:-1]):
                yield module.at(node, f"builders and fixtures belong into builders.py or conftest.py: {name}")


def rule_tests_patch_no_private_name(module: Module) -> Iterator[str]:
    if module.package != "tests":
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and _patches(node.func):
            for argument in node.args[:2]:
                if isinstance(argument, ast.Constant) and _is_private(argument.value):
                    yield module.at(node, f"a test patches the private name {argument.value!r}")


def _patches(function: ast.expr) -> bool:
    return ast.unparse(function).split(".")[-1] in {"setattr", "delattr", "patch", "object"}


def _is_private(name: object) -> bool:
    last = name.split(".")[-1] if isinstance(name, str) else ""
    return last.startswith("_") and not last.startswith("__")
