"""How long files and functions may be, and what may not be left in them."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator

from tests.architecture.source import APPS, Module, imports

MAX_FILE_LINES = 350
MAX_FUNCTION_LINES = 40
MAX_TEST_LINES = 25
LONG: dict[str, str] = {}


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


def rule_waits_come_from_the_backoff_module(module: Module) -> Iterator[str]:
    if module.package in APPS | {"pushhub", "providers", "outgoing"} and module.path != "pushhub/kernel/backoff.py":
        for node, name in imports(module):
            if name.split(".")[0] == "random":
                yield module.at(node, "use pushhub.kernel.backoff for jitter")
