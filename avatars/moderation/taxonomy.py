"""Amazon Rekognition's moderation taxonomy, version 7 (developer guide, "Moderating content").

AWS says that the third level is not exhaustive, and labels change with the model. So a label always comes with its
ancestors, and a name that is not in this table is unknown, not harmless.
"""

from collections.abc import Iterator, Mapping

# Model versions that use these labels: Rekognition's, and those of pushhub's own engines.
KNOWN_MODEL_VERSIONS = frozenset({"7.0", "open_nsfw 1.0", "stub 1"})

NON_EXPLICIT = "Non-Explicit Nudity of Intimate parts and Kissing"

TREE: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "Explicit": {
        "Explicit Nudity": (
            "Exposed Male Genitalia",
            "Exposed Female Genitalia",
            "Exposed Buttocks or Anus",
            "Exposed Female Nipple",
        ),
        "Explicit Sexual Activity": (),
        "Sex Toys": (),
    },
    NON_EXPLICIT: {
        "Non-Explicit Nudity": (
            "Bare Back",
            "Exposed Male Nipple",
            "Partially Exposed Buttocks",
            "Partially Exposed Female Breast",
            "Implied Nudity",
        ),
        "Obstructed Intimate Parts": ("Obstructed Female Nipple", "Obstructed Male Genitalia"),
        "Kissing on the Lips": (),
    },
    "Swimwear or Underwear": {"Female Swimwear or Underwear": (), "Male Swimwear or Underwear": ()},
    "Violence": {
        "Weapons": (),
        "Graphic Violence": (
            "Weapon Violence",
            "Physical Violence",
            "Self-Harm",
            "Blood & Gore",
            "Explosions and Blasts",
        ),
    },
    "Visually Disturbing": {"Death and Emaciation": ("Emaciated Bodies", "Corpses"), "Crashes": ("Air Crash",)},
    "Drugs & Tobacco": {"Products": ("Pills",), "Drugs & Tobacco Paraphernalia & Use": ("Smoking",)},
    "Alcohol": {"Alcohol Use": ("Drinking",), "Alcoholic Beverages": ()},
    "Rude Gestures": {"Middle Finger": ()},
    "Gambling": {},
    "Hate Symbols": {"Nazi Party": (), "White Supremacy": (), "Extremist": ()},
}


def _parents() -> Iterator[tuple[str, str]]:
    for top, middles in TREE.items():
        yield top, ""
        for middle, leaves in middles.items():
            yield middle, top
            yield from ((leaf, middle) for leaf in leaves)


PARENT: Mapping[str, str] = dict(_parents())


def lineage(name: str) -> tuple[str, ...]:
    """The category, then its ancestors up to the top; () if it is unknown."""
    found: list[str] = []
    while name and name in PARENT:
        found.append(name)
        name = PARENT[name]
    return tuple(found)


def level(name: str) -> int:
    """1 to 3; 0 if it is unknown."""
    return len(lineage(name))
