"""docs/events.md names every type of event the code records, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from avatars.states import AvatarState
from devices.bulk.models import JobState
from devices.models import AppState, EndpointState
from notifications.states import NotificationState

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("tenants", "events", "devices", "notifications", "avatars")
TYPE = re.compile(r"(app|avatar|devices?|job|notification|operations|user)\.[a-z_]+")
# Types that end in a state, `f"app.{state}"`: the states that are told.
STATES: dict[str, set[str]] = {
    "app": set(AppState.values),
    "avatar": {AvatarState.APPROVED, AvatarState.REJECTED, AvatarState.IN_REVIEW, AvatarState.FAILED},
    "device": set(EndpointState.values) - {EndpointState.NONE},
    "job": {JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED},
    "notification": {NotificationState.COMPLETED},
}


def recorders() -> Iterator[ast.Module]:
    """The modules that write to the event log."""
    paths = [path for room in ROOMS for path in (ROOT / room).rglob("*.py") if "migrations" not in path.parts]
    for source in (path.read_text("utf-8") for path in paths):
        if re.search(r"^from events\.(services|models) import", source, re.MULTILINE):
            yield ast.parse(source)


def written_out(tree: ast.Module) -> set[str]:
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return set(filter(TYPE.fullmatch, texts))


def ending_in_a_state(tree: ast.Module) -> set[str]:
    """What stands before the state."""
    given = [node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "type"]
    starts = [text.values[0] for text in given if isinstance(text, ast.JoinedStr)]
    return {str(start.value).rstrip(".") for start in starts if isinstance(start, ast.Constant)}


def on_the_page() -> set[str]:
    """The names in the first column of its tables."""
    page = (ROOT / "docs" / "events.md").read_text("utf-8")
    columns = re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE)
    return {name for column in columns for name in re.findall(r"`([a-z_.]+)`", column)}


def test_every_type_is_on_the_page_and_no_other() -> None:
    literal = set().union(*map(written_out, recorders()))
    assert on_the_page() == literal | {f"{subject}.{state}" for subject, states in STATES.items() for state in states}


def test_the_states_are_those_of_the_types_that_end_in_one() -> None:
    assert set().union(*map(ending_in_a_state, recorders())) == set(STATES)
