"""Every link between the pages leads to a file and to a heading, and every path in them exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
PATH = re.compile(
    r"`((?:avatars|bench|clients|devices|docs|events|notifications|outgoing|providers|pushhub|sandbox|scripts|tenants|tests)"
    r"/[\w./-]+\.(?:py|md|js|c|json|yml))`"
)
GENERATED = {"bench/latest.json", "bench/siege-latest.json"}
OLD_NAMES = {"upgrading.md"}  # has a table of names that no longer exist


def anchors(page: Path) -> set[str]:
    """GitHub's anchor of each heading."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    plain = [re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w -]", "", heading).replace(" ", "-") for heading in plain}


def broken(page: Path) -> list[str]:
    found = []
    for path, anchor in LINK.findall(page.read_text("utf-8")):
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(f"{path}#{anchor}")
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_paths_exist(page: Path) -> None:
    paths = set(PATH.findall(page.read_text("utf-8"))) - GENERATED
    assert page.name in OLD_NAMES or [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A title\n[here](#a-title) [nowhere](#another) [missing](missing.md)\n")
    assert broken(page) == ["#another", "missing.md#"]
