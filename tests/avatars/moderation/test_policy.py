"""From labels to actions, as a table."""

import math
from typing import Any

import pytest

from avatars.moderation.policy import DEFAULT, ModerationAction, Policy, PolicyInvalid, policy_decide, policy_parse
from avatars.moderation.taxonomy import NON_EXPLICIT, PARENT, TREE, level, lineage
from avatars.moderation.types import ModerationLabel

APPROVE, REVIEW, REJECT = ModerationAction.APPROVE, ModerationAction.REVIEW, ModerationAction.REJECT


def labelled(**found: float) -> list[ModerationLabel]:
    """By name; underscores are spaces."""
    return [label(name.replace("_", " "), value) for name, value in found.items()]


def label(name: str, confidence: float, parent: str | None = None) -> ModerationLabel:
    known = PARENT.get(name, "") if parent is None else parent
    return ModerationLabel(Name=name, ParentName=known, Confidence=confidence, TaxonomyLevel=level(name) or 1)


def action(
    labels: list[ModerationLabel], thresholds: dict[str, Any] | None = None, version: str = "7.0"
) -> ModerationAction:
    return policy_decide(labels, policy_parse(thresholds or {}), model_version=version).action


BY_DEFAULT: list[tuple[dict[str, float], ModerationAction]] = [
    ({}, APPROVE),
    ({"Explicit": 49.9}, APPROVE),
    ({"Explicit": 50}, REVIEW),
    ({"Explicit": 79.9}, REVIEW),
    ({"Explicit": 80}, REJECT),
    ({"Explicit_Nudity": 99}, REJECT),
    ({"Exposed_Female_Nipple": 99}, REJECT),
    ({"Non-Explicit_Nudity": 99.9}, REVIEW),
    ({"Kissing_on_the_Lips": 99.9}, APPROVE),
    ({"Bare_Back": 99.9}, APPROVE),
    ({"Implied_Nudity": 60}, REVIEW),
    ({"Weapons": 99}, REVIEW),
    ({"Self-Harm": 96}, REJECT),
    ({"Corpses": 94}, REVIEW),
    ({"Smoking": 69}, APPROVE),
    ({"Smoking": 71}, REVIEW),
    ({"Drinking": 99}, APPROVE),
    ({"Middle_Finger": 61}, REVIEW),
    ({"Nazi_Party": 90}, REJECT),
    ({"Gambling": 99}, APPROVE),
    ({"Female_Swimwear_or_Underwear": 99}, APPROVE),
    ({"Drinking": 99, "Weapons": 70}, REVIEW),
    ({"Weapons": 70, "Explicit": 99}, REJECT),
]


@pytest.mark.parametrize(("found", "expected"), BY_DEFAULT)
def test_the_installations_policy(found: dict[str, float], expected: ModerationAction) -> None:
    assert action(labelled(**found)) == expected


BY_TENANT: list[tuple[dict[str, Any], dict[str, float], ModerationAction]] = [
    ({"Alcohol": {"review": 60, "reject": 95}}, {"Drinking": 59}, APPROVE),
    ({"Alcohol": {"review": 60, "reject": 95}}, {"Drinking": 60}, REVIEW),
    ({"Alcohol": {"review": 60, "reject": 95}}, {"Drinking": 95}, REJECT),
    # The nearest category counts, in both directions.
    ({"Alcohol": {"reject": 50}, "Alcohol Use": {}}, {"Drinking": 99}, APPROVE),
    ({"Alcohol": {}, "Drinking": {"reject": 50}}, {"Drinking": 99}, REJECT),
    ({"Alcohol": {"reject": 50}, "Drinking": {}}, {"Alcoholic_Beverages": 99}, REJECT),
    # An exception for a kind holds although the engine names its ancestors as well …
    ({"Alcohol": {"reject": 50}, "Drinking": {}}, {"Alcohol": 99, "Alcohol_Use": 99, "Drinking": 99}, APPROVE),
    # … but not if an ancestor has a higher confidence than the kind.
    ({"Alcohol": {"reject": 50}, "Drinking": {}}, {"Alcohol": 99, "Alcohol_Use": 99, "Drinking": 41}, REJECT),
    # A tenant's thresholds of a category are not undone by the installation's exceptions below it.
    ({"Non-Explicit Nudity": {"reject": 80}}, {"Bare_Back": 88}, REJECT),
    ({"Non-Explicit Nudity": {"reject": 80}}, {"Kissing_on_the_Lips": 99}, APPROVE),
    ({"Explicit": {"review": 50}}, {"Explicit": 99}, REVIEW),
    ({"Explicit": {"reject": 30}}, {"Explicit": 35}, REJECT),
    ({"Gambling": {"review": 20}}, {"Gambling": 19.9}, APPROVE),
    ({"Gambling": {"review": 20}}, {"Gambling": 20}, REVIEW),
]


@pytest.mark.parametrize(("thresholds", "found", "expected"), BY_TENANT)
def test_a_tenants_policy(thresholds: dict[str, Any], found: dict[str, float], expected: ModerationAction) -> None:
    assert action(labelled(**found), thresholds) == expected


@pytest.mark.parametrize("version", ["", "6.1", "7.1", "8.0"])
def test_an_unknown_model_version_is_never_approved(version: str) -> None:
    assert action([], version=version) == REVIEW
    assert action(labelled(Explicit=99), version=version) == REJECT


def test_an_unknown_label_is_never_approved() -> None:
    assert action([label("A Label Of Tomorrow", 25)]) == REVIEW
    assert action([label("A Label Of Tomorrow", 19)]) == APPROVE


def test_an_unknown_kind_counts_as_its_known_parent() -> None:
    assert action([label("Hookah", 30, parent="Alcohol Use")], {"Alcohol": {}}) == REVIEW
    assert action([label("Hookah", 99, parent="Explicit Nudity")]) == REJECT


def test_a_known_name_under_another_parent_is_unknown() -> None:
    assert action([label("Bare Back", 99, parent="Explicit Nudity")]) != APPROVE
    assert action([label("Drinking", 40, parent="Gambling")]) == REVIEW


@pytest.mark.parametrize("confidence", [math.nan, math.inf])
def test_a_label_without_a_confidence_is_never_approved(confidence: float) -> None:
    assert action([label("Gambling", confidence)]) == REVIEW


def test_every_top_category_has_thresholds() -> None:
    assert set(TREE) <= set(DEFAULT)


@pytest.mark.parametrize("name", PARENT)
def test_every_category_can_be_rejected_and_allowed(name: str) -> None:
    found = [label(name, 99)]
    assert action(found, {name: {"reject": 50}}) == REJECT
    assert action(found, {name: {}}) == APPROVE


def test_lineage_leads_to_the_top() -> None:
    assert lineage("Bare Back") == ("Bare Back", "Non-Explicit Nudity", NON_EXPLICIT)
    assert lineage("A Label Of Tomorrow") == ()


def test_a_cause_names_label_confidence_and_category() -> None:
    decision = policy_decide(labelled(Weapons=70.04, Explicit=99), Policy(), model_version="7.0")
    assert [str(cause) for cause in decision.causes] == [
        "reject: Explicit 99.0 ≥ 80",
        "review: Weapons 70.0 ≥ 60, a kind of Violence",
    ]


@pytest.mark.parametrize(
    ("thresholds", "pointer"),
    [
        ({"Alcohool": {}}, "/Alcohool"),
        ({"Alcohol": 60}, "/Alcohol"),
        ({"Alcohol": {"block": 60}}, "/Alcohol"),
        ({"Alcohol": {"review": 19}}, "/Alcohol/review"),
        ({"Alcohol": {"reject": 101}}, "/Alcohol/reject"),
        ({"Alcohol": {"reject": "60"}}, "/Alcohol/reject"),
        ({"Alcohol": {"reject": True}}, "/Alcohol/reject"),
        ({"Alcohol": {"review": 80, "reject": 60}}, "/Alcohol/reject"),
        ([], ""),
    ],
)
def test_invalid_thresholds_are_refused_with_a_pointer(thresholds: Any, pointer: str) -> None:
    with pytest.raises(PolicyInvalid) as invalid:
        policy_parse(thresholds)
    assert invalid.value.pointer == pointer
