"""The scenarios that the guarantees are proved by, and that the siege's page tells of, are those that run."""

import re
from pathlib import Path

from bench.faults.scenarios import SCENARIOS

DOCS = Path(__file__).resolve().parents[2] / "docs"
NAME = re.compile(r"`([a-z-]+)`")


def proofs() -> set[str]:
    """Named after *Proved by*, up to the end of the sentence."""
    page = (DOCS / "guarantees.md").read_text("utf-8")
    sentences = re.findall(r"\*[Pp]roved by\*(.*?)[.)]+\s", page, re.DOTALL)
    assert len(sentences) == page.lower().count("*proved by*")
    return {name for sentence in sentences for name in NAME.findall(sentence)}


def on_the_sieges_page() -> set[str]:
    """Named in the first column of its tables, and in its commands."""
    page = (DOCS / "operations" / "siege.md").read_text("utf-8")
    columns = re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE)
    commanded = re.findall(r"--only ([a-z-]+)", page)
    return {name for column in columns for name in NAME.findall(column)} | set(commanded)


def test_every_proof_is_a_scenario() -> None:
    assert proofs()
    assert proofs() <= set(SCENARIOS)


def test_the_sieges_page_tells_of_every_scenario_and_no_other() -> None:
    assert on_the_sieges_page() == set(SCENARIOS)
