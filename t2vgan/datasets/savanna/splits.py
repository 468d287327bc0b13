"""Which combinations of attributes each split contains, and how many clips it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from t2vgan.datasets.savanna.scene import TRANSITIONS, VALUES, Attributes

TRIES = 100_000  # before a split is taken for impossible
COUNTS = {"train": 6000, "val": 512, "test": 1000, "heldout": 1000, "probe": 8000}
SPLITS = tuple(COUNTS)

Pairs = frozenset[tuple[str, str, str, str]]  # (attribute, value, other attribute, other value)

# Latin-square choice: value i of the first attribute never meets value (sign * i + shift) of the second.
_FAMILIES = (
    ("subject", "place", -1, 3),
    ("subject", "action", 1, 3),
    ("subject", "time", 1, 1),
    ("action", "camera", 1, 4),
)


def values_of(restrict: Mapping[str, Sequence[str]] | None) -> dict[str, tuple[str, ...]]:
    """The values of every attribute, in their usual order, of which `restrict` may leave some out."""
    restrict = restrict or {}
    for name, wanted in restrict.items():
        if name not in VALUES:
            raise ValueError(f"savanna: restrict names the unknown attribute {name!r}; choose from {', '.join(VALUES)}")
        unknown = [value for value in wanted if value not in VALUES[name]]
        if unknown or not wanted:
            what = f"the unknown value {unknown[0]!r}" if unknown else "no value at all"
            raise ValueError(f"savanna: restrict.{name} has {what}; choose from {', '.join(VALUES[name])}")
    return {name: tuple(v for v in values if v in restrict.get(name, values)) for name, values in VALUES.items()}


def held_out_pairs(values: Mapping[str, Sequence[str]]) -> Pairs:
    """The pairs of values that never meet in train, val and test, although each value is common there.

    A pair is left out of the rule where a restriction of the values would make one of the two never occur.
    """
    pairs: set[tuple[str, str, str, str]] = set()
    for first, second, sign, shift in _FAMILIES:
        for i, a in enumerate(VALUES[first]):
            b = VALUES[second][(sign * i + shift) % len(VALUES[second])]
            if a not in values[first] or b not in values[second]:
                continue
            taken = {(pair[1], pair[3]) for pair in pairs if pair[0] == first and pair[2] == second} | {(a, b)}
            partners_a = [v for v in values[second] if (a, v) not in taken]
            partners_b = [v for v in values[first] if (v, b) not in taken]
            if partners_a and partners_b:
                pairs.add((first, a, second, b))
    return frozenset(pairs)


def is_held_out(attributes: Attributes, pairs: Pairs) -> bool:
    """Whether a clip has at least one held-out pair, before or after its transition."""
    return any(
        attributes[first] == a and b in (attributes[second], attributes.get(f"then_{second}"))
        for first, a, second, b in pairs
    )


def sample_attributes(
    split: str,
    rng: np.random.Generator,
    *,
    values: Mapping[str, Sequence[str]] = VALUES,
    pairs: Pairs = frozenset(),
    transition_share: float = 0.0,
) -> Attributes:
    """The attributes of a clip, uniform over what the split may contain.

    train, val, test: no held-out pair; heldout: at least one; probe: everything.
    """
    if split == "heldout" and not pairs:
        raise ValueError("savanna: no held-out combination is left by `restrict`, so the split heldout is empty")
    turns = rng.uniform() < transition_share  # once, so that it is not more often rejected
    for _ in range(TRIES):
        drawn = {name: options[int(rng.integers(len(options)))] for name, options in values.items()}
        drawn |= _transition(drawn, rng, values, turns) if transition_share > 0 else {}
        if split == "probe" or is_held_out(drawn, pairs) == (split == "heldout"):
            return drawn
    raise ValueError(f"savanna: no clip of split '{split}' was found in {TRIES} tries; `restrict` leaves too little")


def _transition(
    drawn: Attributes, rng: np.random.Generator, values: Mapping[str, Sequence[str]], turns: bool
) -> Attributes:
    if not turns:
        return {"transition": "none", "then_place": drawn["place"], "then_time": drawn["time"]}
    then = {f"then_{name}": values[name][int(rng.integers(len(values[name])))] for name in ("place", "time")}
    if (then["then_place"], then["then_time"]) == (drawn["place"], drawn["time"]):
        others = [(p, t) for p in values["place"] for t in values["time"] if (p, t) != (drawn["place"], drawn["time"])]
        if not others:
            return {"transition": "none", **then}
        then["then_place"], then["then_time"] = others[int(rng.integers(len(others)))]
    return {"transition": TRANSITIONS[int(rng.integers(len(TRANSITIONS)))], **then}
