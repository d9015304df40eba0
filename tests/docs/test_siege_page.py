"""The guarantees page and the siege page name the scenarios that run, and no others."""

import re
from pathlib import Path

from bench.faults.scenarios import SCENARIOS
from tests.docs.proofs import PAGE as GUARANTEES
from tests.docs.proofs import SIEGE, proofs

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations" / "siege.md"


def on_the_page() -> set[str]:
    """The names in the first column of its tables, and in its commands."""
    page = PAGE.read_text("utf-8")
    columns = re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE)
    commands = re.findall(r"--only ([a-z-]+)", page)
    return {name for column in columns for name in re.findall(r"`([a-z-]+)`", column)} | set(commands)


def test_every_proof_by_the_siege_is_a_scenario() -> None:
    named = {proof.name for proof in proofs(GUARANTEES.read_text("utf-8")) if proof.command == SIEGE}
    assert named
    assert named <= set(SCENARIOS)


def test_the_siege_page_names_every_scenario_and_no_other() -> None:
    assert on_the_page() == set(SCENARIOS)
