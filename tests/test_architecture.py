"""The architecture, read from the syntax tree: who may import whom, who may touch rows, how services look, which words.

Each rule answers a list of `file:line message`. An exception to a rule is a name in a list of tests/architecture, with
its reason.
"""

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.architecture import packages, rows, shape, vendors, words
from tests.architecture.source import ROOT, Module, contracted, cycles, import_graph, modules

RULES: dict[str, Callable[[Module], Iterator[str]]] = {
    name.removeprefix("rule_"): rule
    for part in (packages, rows, shape, vendors)
    for name, rule in vars(part).items()
    if name.startswith("rule_")
}
PRODUCTION = [module for module in modules() if module.package != "tests"]


@pytest.mark.parametrize("rule", RULES)
def test_rule(rule: str) -> None:
    broken = [message for module in modules() for message in RULES[rule](module)]
    assert not broken, "\n" + "\n".join(broken)


BREACHES = {
    "packages_import_downwards": ("devices/x.py", "from notifications.services import notification_create"),
    "wiring_is_imported_by_nothing": ("devices/x.py", "from pushhub.workers.celery import app"),
    "the_pure_packages_know_no_django": ("providers/x.py", "from django.conf import settings"),
    "migrations_stand_alone": ("devices/migrations/0009_x.py", "from devices.models import Device"),
    "tests_import_builders_not_tests": ("tests/devices/test_x.py", "from tests.devices.test_apps import app"),
    "tests_patch_no_private_name": ("tests/test_x.py", "monkeypatch.setattr('devices.verification._fault', 1)"),
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
    "no_one_asks_which_provider": ("devices/x.py", 'if app.provider == "sns":\n    pass'),
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


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("pushhub/kernel/errors.py", "from tenants.models import Tenant"),
        ("pushhub/http/api.py", "from devices.models import Device"),
        ("pushhub/workers/wake.py", "from notifications.wake import wake"),
        ("outgoing/http.py", "from providers.types import Push"),
    ],
)
def test_the_lower_packages_import_no_app(path: str, source: str) -> None:
    assert list(RULES["packages_import_downwards"](Module(path, source, ast.parse(source))))


def test_importing_a_vendor_is_asking_for_it() -> None:
    source = "from providers.sns.access import access_get"
    rule = RULES["no_one_asks_which_provider"]
    assert list(rule(Module("avatars/x.py", source, ast.parse(source))))


def test_no_cycle_between_files() -> None:
    assert cycles(import_graph(modules())) == []


def test_a_cycle_is_found() -> None:
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}) == [["a", "b", "c"]]


def test_no_folder_is_a_heap() -> None:
    counted = Counter(module.folder for module in modules() if not module.path.endswith("__init__.py"))
    full = {folder: number for folder, number in counted.items() if number > packages.MAX_MODULES}
    assert full == {}


def test_no_cycle_between_packages() -> None:
    assert cycles(contracted(import_graph(PRODUCTION))) == []


def test_no_two_classes_share_a_name() -> None:
    """In the service. The sandbox plays the vendors, so it has their words too."""
    named = Counter(
        node.name
        for module in PRODUCTION
        if module.package not in {"bench", "sandbox"} and not module.parts & {"management", "migrations"}
        for node in module.tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, number in named.items() if number > 1] == []


def test_plain_words() -> None:
    found = [message for path, text in words.texts() for message in words.never_words(path, text)]
    assert not found, "\n" + "\n".join(found)


def test_one_word_one_meaning() -> None:
    found = [
        message
        for module in PRODUCTION
        if "migrations" not in module.parts
        for message in words.words_of_another_meaning(module.name, _identifiers(module))
    ]
    assert not found, "\n" + "\n".join(found)


def _identifiers(module: Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg


@pytest.mark.parametrize("line", ["# Whoever calls is told.", 'title="A fault of ours"', "Nobody's row is mended."])
def test_a_private_word_is_found(line: str) -> None:
    assert list(words.never_words("x.py", line))


@pytest.mark.parametrize("name", ["Verdict", "budgets_of_budget", "_room", "JUDGE"])
def test_a_word_of_another_meaning_is_found(name: str) -> None:
    assert list(words.words_of_another_meaning("devices.x", [(1, name)]))


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
    touching = {module.path for module in modules() if any(rows.row_uses(module.tree))}
    assert {*rows.TENANTLESS, *rows.HOOKS, *shape.LONG} - functions == set()
    assert set(rows.ROW_EXCEPTIONS) - touching == set()
    naming = {module.path for module in modules() if any(vendors.names_of_vendors(module))}
    assert set(vendors.MAY_NAME_A_VENDOR) - naming == set()
