"""The house's rules, read from the syntax tree: who may import whom, who may touch rows, how services look.

Each rule answers a list of `file:line message`; an exception to a rule is a name in a list here, with its reason.
"""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from tests.source import APPS, ROOMS, ROOT, Module, imports, modules

# What each room may import of the others (its own modules are understood).
MAY_IMPORT = {
    "providers": {"pushhub.kernel.errors", "pushhub.kernel.metrics", "pushhub.kernel.logging"},
    "tenants": {"pushhub"},
    "events": {"pushhub", "tenants"},
    "devices": {"pushhub", "tenants", "events", "providers"},
    "notifications": {"pushhub", "tenants", "events", "devices", "providers"},
    "avatars": {"pushhub", "tenants", "events", "notifications.services", "notifications.drafts", "providers"},
    "sandbox": {"pushhub.kernel.errors", "pushhub.kernel.ids", "pushhub.kernel.env", "pushhub.kernel.logging"},
    # Measures senders and pictures by themselves, beside other people's, and lays a table of a million devices in bulk.
    "bench": {
        "providers",
        "pushhub.embedded",
        "sandbox.testing",
        "sandbox.ledger",
        "devices.models",
        "devices.sealing",
        "avatars.imaging",
        "avatars.moderation",
    },
    # The demo page plays a tenant's backend inside this process; it exists in run and demo settings only.
    "clients": {"pushhub", "tenants", "events", "devices", "notifications", "providers.types"},
}
FOUNDATION = {
    "env",
    "errors",
    "metrics",
    "logging",
    "crypto",
    "ids",
    "parsing",
    "serializers",
    "problems",
    "api",
    "openapi",
}
WIRING = {
    "pushhub.urls",
    "pushhub.workers.celery",
    "pushhub.admin_site",
    "pushhub.settings",
    "pushhub.apps",
    "pushhub.http.middleware",
}

# Modules that speak to the database: the door, the writers, the readers, the hot SQL and what operators use.
ROW_MODULES = {"services", "selectors", "sql", "sql_provision", "admin", "models", "migrations", "management"}
# The machinery behind the services: it works on rows of all tenants, by primary key, in workers or inside a service.
ROW_EXCEPTIONS: dict[str, str] = {
    "tenants/cors.py": "one set-based read of every tenant's origins",
    "pushhub/kernel/database.py": "runs the statements it is given",
    "pushhub/embedded/postgres.py": "makes the database of an embedded server",
    "pushhub/http/health.py": "asks whether the database answers",
    "pushhub/roles.py": "Django's own groups and permissions",
    "tenants/authentication.py": "finds the caller, and by it the tenant",
    "devices/authentication.py": "finds the device by its secret",
    "tenants/erasure.py": "the transaction of an erasure",
    "tenants/idempotency.py": "its own records",
    "tenants/sealed.py": "re-encrypts what is sealed, in every table",
    "tenants/user_tokens.py": "authentication finds the tenant",
    "events/upkeep.py": "forgets old events of all tenants",
    "devices/addresses.py": "finds a push URL's VAPID key",
    "devices/bulk/tasks.py": "holds one of the host's slots for jobs",
    "devices/provisioning/provision.py": "claims and settles due rows",
    "devices/provisioning/quota.py": "an AWS account's quota is shared by all that use it",
    "devices/credentials.py": "opens credentials for the dispatcher",
    "devices/upkeep.py": "retires rows in bulk",
    "devices/verification.py": "tries an app's credentials",
    "devices/callbacks.py": "the vendor names the app",
    "notifications/engine/rate_limits.py": "all workers share a budget",
    "notifications/erase.py": "an erasure's step",
    "notifications/expansion/audience.py": "counts an audience",
    "notifications/expansion/expand.py": "audience to deliveries",
    "notifications/engine/session.py": "runs the engine's statements",
    "notifications/engine/lanes.py": "the fairest lane of all tenants",
    "notifications/upkeep/partitions.py": "makes and drops partitions",
    "notifications/receipts.py": "the vendor names the message",
    "notifications/preview.py": "a POST's one look at the tenant's platforms",
    "notifications/engine/claim.py": "claims due rows of all tenants",
    "notifications/engine/send.py": "reads what the claimed rows point at",
    "notifications/engine/settle.py": "writes the outcomes of claimed rows",
    "notifications/holds/detection.py": "judges the answers of all tenants",
    "notifications/holds/maintenance.py": "probes and empties the holds of all tenants",
    "notifications/holds/gate.py": "a worker's look at the holds of all tenants",
    "notifications/upkeep/ticks.py": "folds counts, frees lost leases, makes partitions",
    "notifications/topics.py": "the services and selectors of topics",
    "avatars/api/callbacks.py": "the operator's topics belong to no tenant",
    "avatars/erase.py": "an erasure's step",
    "avatars/upkeep.py": "forms, tombstones and rows that have ended, of all tenants",
    "avatars/workflow/saga.py": "claims and settles due steps",
}

# Functions of services and selectors that touch rows without naming a tenant.
TENANTLESS: dict[str, str] = {
    "tenant_create": "makes the tenant",
    "tenant_get": "is the tenant",
    "app_misconfigured": "the dispatcher and the verifier know the app by its primary key",
    "jobs_step": "workers take the job whose turn it is, whoever's",
    "jobs_waiting": "as jobs_step",
    "jobs_expire": "upkeep, for every tenant",
    "app_verified": "the dispatcher and the verifier know the app by its primary key",
}
# Called with one positional row because their place in a list of hooks says so.
HOOKS = {"web_app_create", "devices_erase", "user_erased_record"}

MANAGERS = {"objects", "_default_manager"}
STATEMENTS = {"cursor", "execute", "executemany", "statement_run"}
NETWORK = {"boto3", "requests", "urllib.request", "http.client", "socket", "smtplib", "pycurl", "outgoing.http"}
MAX_FILE_LINES = 350
MAX_FUNCTION_LINES = 40
MAX_TEST_LINES = 25
LONG: dict[str, str] = {"_judge_messages": "one reckoning over the same counters"}


def _within(name: str, allowed: set[str]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in allowed)


def rule_rooms_import_downwards(module: Module) -> Iterator[str]:
    if module.room not in MAY_IMPORT or "migrations" in module.parts:
        return
    allowed = MAY_IMPORT[module.room] | {module.room}
    for node, name in imports(module):
        if name.split(".")[0] in ROOMS and not _within(name, allowed):
            yield module.at(node, f"{module.room} may not import {name}")


def rule_the_foundation_imports_no_app(module: Module) -> Iterator[str]:
    if module.room == "pushhub" and module.parts <= FOUNDATION:
        for node, name in imports(module):
            if name.split(".")[0] in set(ROOMS) - {"pushhub"} or _within(name, WIRING):
                yield module.at(node, f"the foundation may not import {name}")


def rule_wiring_is_imported_by_nothing(module: Module) -> Iterator[str]:
    if module.room not in {"pushhub", "tests"}:
        for node, name in imports(module):
            if _within(name, WIRING):
                yield module.at(node, f"{name} is wiring: use Django's settings, shared_task or a hook")


def rule_providers_know_no_django(module: Module) -> Iterator[str]:
    if module.room == "providers":
        for node, name in imports(module):
            if name.split(".")[0] in {"django", "rest_framework", "celery"}:
                yield module.at(node, f"providers are plain Python: {name}")


def rule_migrations_stand_alone(module: Module) -> Iterator[str]:
    if "migrations" in module.parts:
        for node, name in imports(module):
            foreign = name.split(".")[0] in ROOMS and not _within(name, {"pushhub.kernel.ids"})
            if foreign and not name.startswith(f"{module.room}.migrations"):
                yield module.at(node, f"a migration outlives the code: it may not import {name}")


def rule_rows_are_touched_by_services_and_selectors(module: Module) -> Iterator[str]:
    if module.room not in APPS | {"pushhub"} or module.parts & ROW_MODULES or module.path in ROW_EXCEPTIONS:
        return
    for node in _row_uses(module.tree):
        yield module.at(node, "rows are read by selectors and written by services")


def _row_uses(tree: ast.AST) -> Iterator[ast.AST]:
    """Managers, cursors and statements."""
    for node in ast.walk(tree):
        manager = isinstance(node, ast.Attribute) and node.attr in MANAGERS
        if manager or (isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in STATEMENTS):
            yield node


def rule_services_are_keyword_only_and_take_the_tenant(module: Module) -> Iterator[str]:
    if module.room not in APPS or not module.parts & {"services", "selectors"}:
        return
    for node in module.tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and _touches_rows(node):
            if node.name not in HOOKS and (node.args.args or node.args.posonlyargs):
                yield module.at(node, f"{node.name} takes its arguments by keyword only")
            arguments = [*node.args.args, *node.args.kwonlyargs]
            if node.name not in TENANTLESS and not any(map(_carries_tenant, arguments)):
                yield module.at(node, f"{node.name} takes no tenant, nor a row that carries one")


def _touches_rows(function: ast.FunctionDef) -> bool:
    return any(_row_uses(function)) or bool(re.search(r"\.(save|delete)\b", ast.unparse(function)))


@lru_cache(maxsize=1)
def _tenant_rows() -> frozenset[str]:
    """Model classes with a `tenant`, and what stands for a caller."""
    found = {"Tenant", "Caller"}
    for module in modules():
        if module.path.endswith("models.py"):
            for node in ast.walk(module.tree):
                if isinstance(node, ast.ClassDef) and re.search(r"^    tenant(_id)? = ", ast.unparse(node), re.M):
                    found.add(node.name)
    return frozenset(found)


def _carries_tenant(argument: ast.arg) -> bool:
    annotation = ast.unparse(argument.annotation) if argument.annotation else ""
    return argument.arg in {"tenant", "tenant_id"} or bool(set(re.findall(r"\w+", annotation)) & _tenant_rows())


def rule_no_network_inside_a_transaction(module: Module) -> Iterator[str]:
    names = {name.split(".")[-1] for _, name in imports(module) if _within(name, NETWORK)}
    names |= {name.split(".")[0] for _, name in imports(module) if name in NETWORK}
    for block in _transactions(module.tree):
        for node in ast.walk(block):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[0] in names:
                yield module.at(node, f"{ast.unparse(node.func)} goes to the network while a transaction is open")


def _transactions(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        openers: list[ast.expr] = []
        if isinstance(node, ast.With):
            openers = [item.context_expr for item in node.items]
        elif isinstance(node, ast.FunctionDef):
            openers = node.decorator_list
        if any("atomic" in ast.unparse(opener) for opener in openers):
            yield node


def rule_waits_come_from_the_backoff_module(module: Module) -> Iterator[str]:
    if module.room in APPS | {"pushhub", "providers", "outgoing"} and module.path != "pushhub/kernel/backoff.py":
        for node, name in imports(module):
            if name.split(".")[0] == "random":
                yield module.at(node, "use pushhub.kernel.backoff for jitter")


def rule_files_and_functions_stay_short(module: Module) -> Iterator[str]:
    if "migrations" in module.parts:
        return
    lines = module.source.count("\n")
    if lines > MAX_FILE_LINES:
        yield f"{module.path}:1 {lines} lines; at most {MAX_FILE_LINES}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name not in LONG:
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            most = MAX_TEST_LINES if node.name.startswith("test_") else MAX_FUNCTION_LINES
            if length > most:
                yield module.at(node, f"{node.name} has {length} lines; at most {most}")


def rule_no_leftovers(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"breakpoint", "pdb.set_trace"}:
            yield module.at(node, "a breakpoint")
    for token in tokenize.generate_tokens(io.StringIO(module.source).readline):
        if token.type == tokenize.COMMENT and re.search(r"\b(TODO|FIXME|XXX|HACK)\b", token.string):
            yield f"{module.path}:{token.start[0]} unfinished: {token.string}"


RULES: dict[str, Callable[[Module], Iterator[str]]] = {
    name.removeprefix("rule_"): rule for name, rule in list(globals().items()) if name.startswith("rule_")
}


@pytest.mark.parametrize("rule", RULES)
def test_house_rule(rule: str) -> None:
    broken = [message for module in modules() for message in RULES[rule](module)]
    assert not broken, "\n" + "\n".join(broken)


BREACHES = {
    "rooms_import_downwards": ("devices/x.py", "from notifications.services import notification_create"),
    "the_foundation_imports_no_app": ("pushhub/kernel/errors.py", "from tenants.models import Tenant"),
    "wiring_is_imported_by_nothing": ("devices/x.py", "from pushhub.workers.celery import app"),
    "providers_know_no_django": ("providers/x.py", "from django.conf import settings"),
    "migrations_stand_alone": ("devices/migrations/0009_x.py", "from devices.models import Device"),
    "rows_are_touched_by_services_and_selectors": ("devices/api/views.py", "Device.objects.all()"),
    "services_are_keyword_only_and_take_the_tenant": (
        "devices/services.py",
        "def device_drop(*, id: int) -> None: Device.objects",
    ),
    "no_network_inside_a_transaction": (
        "devices/x.py",
        "import boto3\nfrom django.db import transaction\nwith transaction.atomic():\n    boto3.client('sns')",
    ),
    "waits_come_from_the_backoff_module": ("devices/x.py", "import random"),
    "files_and_functions_stay_short": ("devices/x.py", "def long() -> None:\n" + "    pass\n" * 70),
    "no_leftovers": ("devices/x.py", "x = 1  # TODO"),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_rule_finds_a_breach(rule: str) -> None:
    path, source = BREACHES[rule]
    assert list(RULES[rule](Module(path, source, ast.parse(source))))


@pytest.mark.parametrize("source", ["connection.cursor()", "execute(sql.CLAIM)", "statement_run(sql.ACCEPT)"])
def test_rows_are_touched_by_statements_too(source: str) -> None:
    rule = RULES["rows_are_touched_by_services_and_selectors"]
    assert list(rule(Module("devices/api/views.py", source, ast.parse(source))))


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    marks = re.compile(r"pytest\.mark\.(skip|skipif|xfail)|pytest\.(skip|xfail)\(")
    found = [
        f"{path.relative_to(ROOT)}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if path != Path(__file__) and marks.search(path.read_text("utf-8"))
    ]
    assert found == []


def test_named_exceptions_are_still_needed() -> None:
    functions = {
        node.name for module in modules() for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef)
    }
    touching = {module.path for module in modules() if any(_row_uses(module.tree))}
    assert {*TENANTLESS, *HOOKS, *LONG} - functions == set()
    assert set(ROW_EXCEPTIONS) - touching == set()
