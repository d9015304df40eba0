"""The words of the project: which are never written, and which name one thing only.

The glossary (docs/glossary.md) has the words to use instead.
"""

import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.architecture.packages import within
from tests.architecture.source import ROOT

# Never, in code, comments, docs, page texts and tests. As regular expressions, at word boundaries.
NEVER = {
    r"handfuls?": "batch",
    r"doubt\w*": "suspect outcome",
    r"mend(s|ed|ing)?": "fix, repair",
    r"rubbish": "invalid",
    r"who(m)?ever": "the noun",
    r"(no|some)body(s|'s)?": "the noun",
    r"told": "reported, informed",
    r"asides?": "separately",
    r"beside": "next to, in addition to",
    r"for ever": "forever",
    r"of ours": "internal, pushhub's",
    r"begun": "started",
    r"troubled?": "failure",
    r"storms?": "gone spike",
    r"put(s|ting)? away": "divert",
    r"dear(er)?": "expensive",
    r"house rules?": "architecture",
}
# In identifiers, only in the meaning of the glossary: the word, and the modules in which it has that meaning.
ONE_MEANING: dict[str, tuple[str, ...]] = {
    "hold": ("notifications", "bench.faults", "pushhub.kernel.metrics"),  # the suspension of an app and push origin
    "held": ("notifications", "events.types"),
    "job": (
        "devices",
        "bench",
        "events.types",
        "pushhub.settings",
        "pushhub.kernel.purposes",
    ),  # a bulk import or export; a benchmark's task for a peer
    "verdict": (),
    "window": (  # of requests in flight, and of time
        "notifications.engine",
        "notifications.holds.detection",
        "bench",
        "pushhub.embedded",
        "pushhub.settings",
        "tenants.throttling",
    ),
    "answer": ("tenants",),  # the stored response of an idempotent request
    "budget": (),
    "doubt": (),
    "facts": (),
    "house": (),
    "judge": (),
    "news": (),
    "room": (),
    "storm": (),
    "told": (),
    "trouble": (),
}
ENDINGS = {".py", ".md", ".html", ".js", ".css", ".yml", ".toml", ""}
# This list, and what speaks of old names.
LEFT_OUT = (
    "tests/architecture/words.py",
    "tests/test_architecture.py",
    "tests/upgrade/",
    "docs/operations/upgrading.md",
    "LICENSE",
)
# Words that are names elsewhere: the Unix user.
NAMES = {"pushhub/embedded/account.py": {"nobody"}}

_NEVER = re.compile(rf"(?<![\w])(?:{'|'.join(NEVER)})(?![\w])", re.IGNORECASE)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PART = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")


def never_words(path: str, text: str) -> Iterator[str]:
    for number, line in enumerate(text.split("\n"), 1):
        for found in _NEVER.finditer(line):
            if found[0] not in NAMES.get(path, set()):
                yield f"{path}:{number} {found[0]!r}: write {_instead(found[0])}"


def _instead(word: str) -> str:
    return next(plain for pattern, plain in NEVER.items() if re.fullmatch(pattern, word, re.IGNORECASE))


def words_of_another_meaning(module: str, names: Iterable[tuple[int, str]]) -> Iterator[str]:
    """`module` is dotted; `names` are (line, identifier)."""
    for line, name in names:
        for part in {part.lower().removesuffix("s") for part in _PART.findall(name)} & ONE_MEANING.keys():
            if not within(module, set(ONE_MEANING[part])):
                yield f"{module}:{line} {name}: {part!r} has one meaning, see docs/glossary.md"


def texts() -> Iterator[tuple[str, str]]:
    """Every text file that git knows, as (path, text). Migrations are history."""
    known = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in known.splitlines():
        path = Path(ROOT / name)
        if path.suffix in ENDINGS and "/migrations/" not in name and not name.startswith(LEFT_OUT) and path.exists():
            yield name, path.read_text("utf-8")
