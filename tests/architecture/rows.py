"""Who may touch rows, and how: services and selectors, the engines behind them, and no network in a transaction."""

import ast
import re
from collections.abc import Iterator
from functools import lru_cache

from tests.architecture.packages import within
from tests.architecture.source import APPS, Module, imports, modules

# Modules that speak to the database in every app: writers, readers, SQL, operators' pages; steps of an erasure; what
# finds the caller or a vendor's object, and by it the tenant.
ROW_MODULES = {"services", "selectors", "sql", "admin", "models", "migrations", "management"}
ROW_MODULES |= {"erase", "erasure", "upkeep", "authentication", "callbacks"}
# Packages behind the services: they work on due rows of all tenants, by primary key, in workers or inside a service.
ROW_PACKAGES = {
    "avatars.workflow",
    "devices.bulk.services",
    "devices.provisioning",
    "notifications.engine",
    "notifications.expansion",
    "notifications.holds",
    "notifications.upkeep",
    "pushhub.embedded",
    "pushhub.kernel",
}
# Single modules, each with its reason.
ROW_EXCEPTIONS: dict[str, str] = {
    "pushhub/http/health.py": "asks whether the database answers",
    "pushhub/roles.py": "Django's own groups and permissions",
    "tenants/cors.py": "one set-based read of every tenant's origins",
    "tenants/idempotency.py": "its own records",
    "tenants/sealed.py": "re-encrypts what is sealed, in every table",
    "tenants/user_tokens.py": "authentication finds the tenant",
    "devices/addresses.py": "finds a push URL's VAPID key",
    "devices/bulk/tasks.py": "takes one of the host's slots for jobs",
    "devices/credentials.py": "opens credentials for the dispatcher",
    "devices/verification.py": "tries an app's credentials",
    "notifications/counts.py": "appends deltas in the transaction of its caller",
    "notifications/preview.py": "a POST's one look at the tenant's platforms",
    "notifications/receipts.py": "the vendor names the message",
    "notifications/topics.py": "the services and selectors of topics",
}

# Functions of services and selectors that touch rows without naming a tenant.
TENANTLESS: dict[str, str] = {
    "tenant_create": "makes the tenant",
    "tenant_get": "is the tenant",
    "app_misconfigured": "the dispatcher and the verifier know the app by its primary key",
    "app_verified": "the dispatcher and the verifier know the app by its primary key",
    "jobs_step": "workers take the job that is due, of any tenant",
    "jobs_waiting": "as jobs_step",
    "jobs_expire": "upkeep, for every tenant",
}
# Called with one positional row because their place in a list of hooks says so.
HOOKS = {"default_apps_create", "devices_erase", "user_erased_record"}

MANAGERS = {"objects", "_default_manager"}
STATEMENTS = {"cursor", "execute", "executemany", "statement_run"}
NETWORK = {"boto3", "requests", "urllib.request", "http.client", "socket", "smtplib", "pycurl", "outgoing.http"}


def rule_rows_are_touched_by_services_and_selectors(module: Module) -> Iterator[str]:
    if module.package not in APPS | {"pushhub"} or module.parts & ROW_MODULES or module.path in ROW_EXCEPTIONS:
        return
    if not within(module.name, ROW_PACKAGES):
        for node in row_uses(module.tree):
            yield module.at(node, "rows are read by selectors and written by services")


def row_uses(tree: ast.AST) -> Iterator[ast.AST]:
    """Managers, cursors and statements."""
    for node in ast.walk(tree):
        manager = isinstance(node, ast.Attribute) and node.attr in MANAGERS
        if manager or (isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in STATEMENTS):
            yield node


def rule_services_are_keyword_only_and_take_the_tenant(module: Module) -> Iterator[str]:
    if module.package not in APPS or not module.parts & {"services", "selectors"}:
        return
    for node in module.tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and _touches_rows(node):
            if node.name not in HOOKS and (node.args.args or node.args.posonlyargs):
                yield module.at(node, f"{node.name} takes its arguments by keyword only")
            arguments = [*node.args.args, *node.args.kwonlyargs]
            if node.name not in TENANTLESS and not any(map(_carries_tenant, arguments)):
                yield module.at(node, f"{node.name} takes no tenant, nor a row that carries one")


def _touches_rows(function: ast.FunctionDef) -> bool:
    return any(row_uses(function)) or bool(re.search(r"\.(save|delete)\b", ast.unparse(function)))


@lru_cache(maxsize=1)
def _tenant_rows() -> frozenset[str]:
    """Model classes with a `tenant`, and what stands for a caller."""
    found = {"Tenant", "Caller", "LeasedJob"}
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
    names = {name.split(".")[-1] for _, name in imports(module) if within(name, NETWORK)}
    names |= {name.split(".")[0] for _, name in imports(module) if name in NETWORK}
    for block in _transactions(module.tree):
        for node in ast.walk(block):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[0] in names:
                yield module.at(node, f"{ast.unparse(node.func)} uses the network while a transaction is open")


def _transactions(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        openers: list[ast.expr] = []
        if isinstance(node, ast.With):
            openers = [item.context_expr for item in node.items]
        elif isinstance(node, ast.FunctionDef):
            openers = node.decorator_list
        if any("atomic" in ast.unparse(opener) for opener in openers):
            yield node
