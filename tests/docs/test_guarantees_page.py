"""Every promise of docs/guarantees.md names tests that prove it. The tests exist, are not skipped, and are run."""

import ast
import re
from functools import lru_cache
from pathlib import Path

import pytest

from tests.docs.proofs import MAKE_TEST, PAGE, SIEGE, Proof, promises, proofs

ROOT = Path(__file__).resolve().parents[2]
PROMISES = promises()
TESTS = sorted({proof for proof in proofs(PAGE.read_text("utf-8")) if proof.command != SIEGE}, key=str)
# The marker that a command selects. `make test` runs what has none of them (the Makefile's -m).
MARKERS = {"make test-browser": "browser", "make test-brokers": "broker", "make siege-tests": "siege"}
SKIPS = {"skip", "skipif", "xfail"}


@lru_cache
def module(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text("utf-8"))


def function(proof: Proof) -> ast.FunctionDef | None:
    path, _, name = proof.name.partition("::")
    found = [node for node in module(path).body if isinstance(node, ast.FunctionDef) and node.name == name]
    return found[0] if found and Path(path).name.startswith("test_") and name.startswith("test_") else None


def marks(proof: Proof) -> set[str]:
    """The names in `pytest.mark.…` of the module and of the function's decorators, and in `pytest.…()` calls."""
    test = function(proof)
    assert test is not None
    tree = module(proof.name.partition("::")[0])
    nodes: list[ast.AST] = [*ast.walk(test)]
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            nodes += ast.walk(node.value)
    dotted = [ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)]
    return {name.rpartition(".")[2] for name in dotted if name.startswith("pytest.")}


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_names_at_least_one_test(promise: str) -> None:
    assert [proof for proof in PROMISES[promise] if proof.command == MAKE_TEST]


@pytest.mark.parametrize("proof", TESTS, ids=lambda proof: proof.name)
def test_a_proof_exists_and_is_not_skipped(proof: Proof) -> None:
    assert function(proof), f"there is no test {proof.name}"
    assert not marks(proof) & SKIPS


@pytest.mark.parametrize("proof", TESTS, ids=lambda proof: proof.name)
def test_a_proof_is_run_by_its_command(proof: Proof) -> None:
    expected = {MARKERS[proof.command]} if proof.command != MAKE_TEST else set()
    assert marks(proof) & set(MARKERS.values()) == expected


def test_make_test_excludes_the_markers_of_the_other_commands() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert 'pytest -m "not browser and not siege and not broker"' in makefile


def test_there_are_eleven_promises() -> None:
    """A promise whose bold text is not recognised would not be checked."""
    assert len(PROMISES) == 11


def test_every_proof_is_recognised() -> None:
    page = PAGE.read_text("utf-8")
    assert len(re.findall(r"`tests/[^`]+::", page)) == sum(proof.command != SIEGE for proof in proofs(page))
