"""The decision pages have one form, and the index lists each of them."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "decisions"
PAGES = sorted(FOLDER.glob("[0-9]*.md"))
HEAD = re.compile(
    r"# (?P<number>\d+)\. (?P<title>[^\n]+)\n\n"
    r"\*\*Status:\*\* (proposed|accepted|superseded by \[\d+\]\([^)]+\.md\)) · "
    r"\*\*Date:\*\* (?P<date>\d{4}-\d\d-\d\d)[^\n]*\n\n"
    r"## Context\n"
)
SECTIONS = ["Context", "Decision", "Consequences"]
ENTRY = re.compile(r"^\| \[(\d+\. [^\]]+)\]\(([^)]+)\) \| ([\d-]+) \|$", re.MULTILINE)


def head(page: Path) -> re.Match[str]:
    found = HEAD.match(page.read_text("utf-8"))
    assert found, f"{page.name} does not start with a title, a status, a date and the context"
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_has_status_date_and_number(page: Path) -> None:
    assert int(head(page)["number"]) == int(page.name[:4])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_has_context_decision_and_consequences(page: Path) -> None:
    assert re.findall(r"^## (.+)$", page.read_text("utf-8"), re.MULTILINE) == SECTIONS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_section_is_empty(page: Path) -> None:
    sections = re.split(r"^## .+$", page.read_text("utf-8"), flags=re.MULTILINE)[1:]
    assert all(section.strip() for section in sections)


def test_the_numbers_have_no_gap() -> None:
    assert [int(page.name[:4]) for page in PAGES] == list(range(1, len(PAGES) + 1))


def test_the_index_lists_every_decision_with_title_and_date() -> None:
    index = ENTRY.findall((FOLDER / "README.md").read_text("utf-8"))
    heads = [(head(page), page.name) for page in PAGES]
    assert index == [(f"{found['number']}. {found['title']}", name, found["date"]) for found, name in heads]
