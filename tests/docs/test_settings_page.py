"""docs/operations/settings.md names every variable that the code reads, and no other."""

import ast
import re
from collections.abc import Iterator

from tests.docs.packages import ROOT, sources
from tests.docs.pages import PAGE, on_the_page

READERS = {"env_str", "env_int", "env_bool", "env_list", "env_address"}
# The methods of os.environ, and the modules that pass a variable on instead of reading it.
ENVIRON = {"get", "setdefault"}
NOT_SETTINGS = {"pushhub/settings/test.py", "pushhub/kernel/env.py"}


def variables(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and node.args and _reads(node.func):
            yield from _text(node.args[0])
        elif isinstance(node, ast.Subscript) and _is_environ(node.value):
            yield from _text(node.slice)


def _reads(function: ast.expr) -> bool:
    if isinstance(function, ast.Attribute):
        return function.attr in ENVIRON and _is_environ(function.value)
    return isinstance(function, ast.Name) and function.id in READERS


def _is_environ(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "environ"


def _text(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def read_by_the_code() -> set[str]:
    readers = [path for path in sources() if path.relative_to(ROOT).as_posix() not in NOT_SETTINGS]
    return {name for path in readers for name in variables(path.read_text("utf-8"))}


def integers() -> dict[str, int]:
    """The defaults of `env_int` that are written as one number."""
    trees = (ast.parse(path.read_text("utf-8")) for path in (ROOT / "pushhub" / "settings").glob("*.py"))
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call) and node.keywords]
    return {
        name: value.value
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "env_int"
        for name in _text(call.args[0])
        if isinstance(value := call.keywords[0].value, ast.Constant) and isinstance(value.value, int)
    }


def test_every_variable_is_on_the_page_and_no_other() -> None:
    assert on_the_page() == read_by_the_code()


def test_integers_have_the_defaults_of_the_page() -> None:
    page = PAGE.read_text("utf-8")
    documented = {name: re.search(rf"^\| `{name}` \| (\d+) \|", page, re.MULTILINE) for name in integers()}
    assert {name: int(found[1]) if found else None for name, found in documented.items()} == integers()


def test_every_kind_of_reader_is_recognised() -> None:
    source = 'env_int("A", default=1); os.environ.get("B"); os.environ["C"]; other("D")'
    assert set(variables(source)) == {"A", "B", "C"}
