"""From labels to a verdict: a pure function of what was found and what the tenant wants.

Thresholds, by category of any level: {"Alcohol": {"review": 60, "reject": 95}, "Bare Back": {}}. The nearest category
counts: a label's own, else its parent's, else the top's; `{}` allows it. What a tenant does not
name, nor a category above it, is as in `DEFAULT`.
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


class Verdict(StrEnum):
    APPROVE = "approve"
    REVIEW = "review"
    REJECT = "reject"


_SEVERITY = {Verdict.APPROVE: 0, Verdict.REVIEW: 1, Verdict.REJECT: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """From which confidence on a person looks, or nobody need look; None: never."""

    review: float | None = None
    reject: float | None = None


DEFAULT: Mapping[str, Rule] = MappingProxyType(
    {
        "Explicit": Rule(review=50, reject=80),
        NON_EXPLICIT: Rule(review=50),
        "Bare Back": Rule(),
        "Exposed Male Nipple": Rule(),
        "Kissing on the Lips": Rule(),
        "Swimwear or Underwear": Rule(),
        "Violence": Rule(review=60),
        "Graphic Violence": Rule(review=50, reject=95),
        "Visually Disturbing": Rule(review=50, reject=95),
        "Drugs & Tobacco": Rule(review=70),
        "Alcohol": Rule(),
        "Rude Gestures": Rule(review=60),
        "Gambling": Rule(),
        "Hate Symbols": Rule(review=50, reject=90),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Every top category has a rule: nothing the taxonomy knows falls through."""

    rules: Mapping[str, Rule] = field(default_factory=lambda: DEFAULT)


class PolicyInvalid(ValueError):
    """`pointer` names the member (RFC 6901), the text says what it should be."""

    def __init__(self, pointer: str, text: str) -> None:
        super().__init__(f"{pointer}: {text}")
        self.pointer = pointer
        self.text = text


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One label that counted. `rule` is the category that matched, "" for what is unknown."""

    verdict: Verdict
    label: str
    confidence: float | None = None
    rule: str = ""
    threshold: float | None = None

    @override
    def __str__(self) -> str:
        if self.threshold is None:
            return f"{self.verdict}: {self.label}"
        by = "" if self.rule == self.label else f", a kind of {self.rule}"
        return f"{self.verdict}: {self.label} {self.confidence:.1f} ≥ {self.threshold:g}{by}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    verdict: Verdict
    because: tuple[Cause, ...] = ()


def policy_parse(thresholds: Mapping[str, Any]) -> Policy:
    """The tenant's thresholds over the defaults. Raises PolicyInvalid."""
    if not isinstance(thresholds, Mapping):
        raise PolicyInvalid("", "an object of categories")
    own = {name: _rule(name, given) for name, given in thresholds.items()}
    # Who rules on a category rules on its kinds: an exception of ours would undo what the tenant has just forbidden.
    kept = {name: rule for name, rule in DEFAULT.items() if own.keys().isdisjoint(lineage(name))}
    return Policy(rules=kept | own)


def _rule(name: str, given: object) -> Rule:
    pointer = "/" + name.replace("~", "~0").replace("/", "~1")
    if name not in PARENT:
        raise PolicyInvalid(pointer, "is not a category of the taxonomy (docs/avatars.md lists them)")
    if not isinstance(given, Mapping) or given.keys() - {"review", "reject"}:
        raise PolicyInvalid(pointer, "an object with review and reject, or an empty one to allow it")
    review, reject = (_threshold(f"{pointer}/{key}", given.get(key)) for key in ("review", "reject"))
    if review is not None and reject is not None and reject < review:
        raise PolicyInvalid(f"{pointer}/reject", "may not be below review")
    return Rule(review=review, reject=reject)


def _threshold(pointer: str, given: object) -> float | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not KEPT_FROM <= given <= 100:
        raise PolicyInvalid(pointer, f"a confidence from {KEPT_FROM:g} to 100, or null for never")
    return float(given)


def policy_decide(labels: Sequence[ModerationLabel], policy: Policy, *, model_version: str) -> Decision:
    """The severest of what each label calls for. What is not understood is never approved: it goes to a person."""
    causes: list[Cause] = []
    if model_version not in KNOWN_MODEL_VERSIONS:
        causes.append(Cause(verdict=Verdict.REVIEW, label=f"unknown model version {model_version!r}"))
    causes += (cause for label in _telling(labels) if (cause := _judge(label, policy)) is not None)
    causes.sort(key=lambda cause: -_SEVERITY[cause.verdict])
    return Decision(verdict=causes[0].verdict if causes else Verdict.APPROVE, because=tuple(causes))


def _telling(labels: Sequence[ModerationLabel]) -> Iterable[ModerationLabel]:
    """Without the labels that only repeat a kind of theirs: "Alcohol 93" beside "Drinking 93" says nothing more.

    Engines name every ancestor of what they found. Were those judged, too, an exception for a kind could never apply.
    """
    for label in labels:
        kinds = (other for other in labels if label.Name in lineage(other.Name)[1:])
        if not any(kind.Confidence >= label.Confidence for kind in kinds):
            yield label


def _judge(label: ModerationLabel, policy: Policy) -> Cause | None:
    confidence = label.Confidence
    if not math.isfinite(confidence):
        return Cause(verdict=Verdict.REVIEW, label=f"{label.Name!r} without a confidence")
    if confidence < KEPT_FROM:
        return None
    known = PARENT.get(label.Name) == label.ParentName
    matched = next((name for name in (label.Name, *lineage(label.ParentName)) if name in policy.rules), "")
    if known:
        matched = next(name for name in lineage(label.Name) if name in policy.rules)
    rule = policy.rules.get(matched, Rule())
    for verdict, threshold in ((Verdict.REJECT, rule.reject), (Verdict.REVIEW, rule.review)):
        if threshold is not None and confidence >= threshold:
            return Cause(verdict=verdict, label=label.Name, confidence=confidence, rule=matched, threshold=threshold)
    return None if known else Cause(verdict=Verdict.REVIEW, label=f"unknown label {label.Name!r}")
