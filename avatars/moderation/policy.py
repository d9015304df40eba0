"""From labels to an action: a pure function of what the engine found and what the tenant wants.

Thresholds are given by category of any level: {"Alcohol": {"review": 60, "reject": 95}, "Bare Back": {}}. The nearest
category counts: a label's own, else its parent's, else the top one; `{}` allows it. A category without own thresholds
of the tenant, on any level, has those of `DEFAULT`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from typing_extensions import override

from avatars.moderation.taxonomy import KNOWN_MODEL_VERSIONS, NON_EXPLICIT, PARENT, lineage
from avatars.moderation.types import KEPT_FROM, ModerationLabel


class ModerationAction(StrEnum):
    APPROVE = "approve"
    REVIEW = "review"
    REJECT = "reject"


ACTION_CHOICES = [(action.value, action.name.title()) for action in ModerationAction]
_SEVERITY = {ModerationAction.APPROVE: 0, ModerationAction.REVIEW: 1, ModerationAction.REJECT: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """From which confidence on a person reviews the picture, or it is rejected; None: never."""

    review: float | None = None
    reject: float | None = None


DEFAULT: Mapping[str, Thresholds] = MappingProxyType(
    {
        "Explicit": Thresholds(review=50, reject=80),
        NON_EXPLICIT: Thresholds(review=50),
        "Bare Back": Thresholds(),
        "Exposed Male Nipple": Thresholds(),
        "Kissing on the Lips": Thresholds(),
        "Swimwear or Underwear": Thresholds(),
        "Violence": Thresholds(review=60),
        "Graphic Violence": Thresholds(review=50, reject=95),
        "Visually Disturbing": Thresholds(review=50, reject=95),
        "Drugs & Tobacco": Thresholds(review=70),
        "Alcohol": Thresholds(),
        "Rude Gestures": Thresholds(review=60),
        "Gambling": Thresholds(),
        "Hate Symbols": Thresholds(review=50, reject=90),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Every top category has thresholds, so every label of the taxonomy has some."""

    thresholds: Mapping[str, Thresholds] = field(default_factory=lambda: DEFAULT)


class PolicyInvalid(ValueError):
    """`pointer` names the member (RFC 6901), the text says what it should be."""

    def __init__(self, pointer: str, text: str) -> None:
        super().__init__(f"{pointer}: {text}")
        self.pointer = pointer
        self.text = text


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One label that counted. `category`: the one whose thresholds matched; "" for an unknown label."""

    action: ModerationAction
    label: str
    confidence: float | None = None
    category: str = ""
    threshold: float | None = None

    @override
    def __str__(self) -> str:
        if self.threshold is None:
            return f"{self.action}: {self.label}"
        by = "" if self.category == self.label else f", a kind of {self.category}"
        return f"{self.action}: {self.label} {self.confidence:.1f} ≥ {self.threshold:g}{by}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDecision:
    action: ModerationAction
    causes: tuple[Cause, ...] = ()


def policy_parse(thresholds: Mapping[str, Any]) -> Policy:
    """The tenant's thresholds over the defaults. Raises PolicyInvalid."""
    if not isinstance(thresholds, Mapping):
        raise PolicyInvalid("", "an object of categories")
    own = {name: _thresholds(name, given) for name, given in thresholds.items()}
    # Thresholds of a category hold for its kinds as well: a default for a kind would allow what the tenant forbids.
    kept = {name: default for name, default in DEFAULT.items() if own.keys().isdisjoint(lineage(name))}
    return Policy(thresholds=kept | own)


def _thresholds(name: str, given: object) -> Thresholds:
    pointer = "/" + name.replace("~", "~0").replace("/", "~1")
    if name not in PARENT:
        raise PolicyInvalid(pointer, "is not a category of the taxonomy (docs/avatars.md lists them)")
    if not isinstance(given, Mapping) or given.keys() - {"review", "reject"}:
        raise PolicyInvalid(pointer, "an object with review and reject, or an empty one to allow it")
    review, reject = (_threshold(f"{pointer}/{key}", given.get(key)) for key in ("review", "reject"))
    if review is not None and reject is not None and reject < review:
        raise PolicyInvalid(f"{pointer}/reject", "may not be below review")
    return Thresholds(review=review, reject=reject)


def _threshold(pointer: str, given: object) -> float | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not KEPT_FROM <= given <= 100:
        raise PolicyInvalid(pointer, f"a confidence from {KEPT_FROM:g} to 100, or null for never")
    return float(given)


def policy_decide(labels: Sequence[ModerationLabel], policy: Policy, *, model_version: str) -> PolicyDecision:
    """The most severe action that a label calls for. An unknown label or model version is never approved: a person
    reviews the picture."""
    causes: list[Cause] = []
    if model_version not in KNOWN_MODEL_VERSIONS:
        causes.append(Cause(action=ModerationAction.REVIEW, label=f"unknown model version {model_version!r}"))
    causes += (cause for label in _most_specific(labels) if (cause := _cause(label, policy)) is not None)
    causes.sort(key=lambda cause: -_SEVERITY[cause.action])
    return PolicyDecision(action=causes[0].action if causes else ModerationAction.APPROVE, causes=tuple(causes))


def _most_specific(labels: Sequence[ModerationLabel]) -> Iterable[ModerationLabel]:
    """Without labels that only repeat one of their kinds: "Alcohol 93" adds nothing to "Drinking 93".

    Engines name every ancestor of what they found. If ancestors counted too, an exception for a kind could never apply.
    """
    for label in labels:
        kinds = (other for other in labels if label.Name in lineage(other.Name)[1:])
        if not any(kind.Confidence >= label.Confidence for kind in kinds):
            yield label


def _cause(label: ModerationLabel, policy: Policy) -> Cause | None:
    confidence = label.Confidence
    if not math.isfinite(confidence):
        return Cause(action=ModerationAction.REVIEW, label=f"{label.Name!r} without a confidence")
    if confidence < KEPT_FROM:
        return None
    known = PARENT.get(label.Name) == label.ParentName
    matched = next((name for name in (label.Name, *lineage(label.ParentName)) if name in policy.thresholds), "")
    if known:
        matched = next(name for name in lineage(label.Name) if name in policy.thresholds)
    found = policy.thresholds.get(matched, Thresholds())
    for action, threshold in ((ModerationAction.REJECT, found.reject), (ModerationAction.REVIEW, found.review)):
        if threshold is not None and confidence >= threshold:
            return Cause(action=action, label=label.Name, confidence=confidence, category=matched, threshold=threshold)
    return None if known else Cause(action=ModerationAction.REVIEW, label=f"unknown label {label.Name!r}")
