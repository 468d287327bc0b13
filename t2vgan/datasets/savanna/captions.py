"""The grammar of the captions: many ways to say the same attributes, no two attributes said the same way.

A caption names some attributes and leaves the others open, which then may have any value. "A majestic lion stalks its
prey across the golden savanna at sunset" names subject, action, place and time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from t2vgan.datasets.savanna.scene import VALUES, Attributes

Named = tuple[str, ...]
Choice = TypeVar("Choice")

# How often an attribute is named.
SHARE = {
    "subject": 0.97,
    "appearance": 0.5,
    "action": 0.95,
    "direction": 0.55,
    "place": 0.75,
    "time": 0.75,
    "camera": 0.5,
    "transition": 0.9,
}
THEN = ("transition", "then_place", "then_time")  # named together

SUBJECTS = {
    "lion": ("lion",),
    "elephant": ("elephant",),
    "giraffe": ("giraffe",),
    "zebra": ("zebra",),
    "gazelle": ("gazelle", "antelope"),
    "ostrich": ("ostrich",),
}
APPEARANCES = {
    "young": ("young", "baby", "small", "little"),
    "plain": ("adult", "ordinary", "grown"),
    "huge": ("huge", "giant", "enormous", "gigantic"),
}
NEUTRAL = ("majestic", "beautiful", "wild", "lone", "proud")
ACTIONS = {  # (he/she does, doing)
    "stalks": (
        ("stalks its prey", "stalking its prey"),
        ("prowls", "prowling"),
        ("creeps after its prey", "creeping after its prey"),
        ("stalks a hare", "stalking a hare"),
    ),
    "walks": (("walks", "walking"), ("strolls", "strolling"), ("ambles", "ambling"), ("wanders", "wandering")),
    "runs": (("runs", "running"), ("gallops", "galloping"), ("sprints", "sprinting"), ("dashes", "dashing")),
    "leaps": (("leaps", "leaping"), ("bounds", "bounding"), ("jumps", "jumping")),
    "rests": (("rests", "resting"), ("lies", "lying"), ("lounges", "lounging")),
}
MOVING = ("to the {}", "towards the {}", "heading {}")
FACING = ("facing {}", "looking {}", "turned to the {}")
PLACES = {  # nouns, each with what one crosses it by and what one is there by
    "savanna": (
        ("the golden savanna", "across", "on"),
        ("the savanna", "across", "in"),
        ("the grassland", "through", "in"),
        ("the plains", "across", "on"),
    ),
    "desert": (("the desert", "through", "in"), ("the sandy desert", "across", "in"), ("the dunes", "over", "among")),
    "forest": (("the forest", "through", "in"), ("the green forest", "through", "in"), ("the woods", "through", "in")),
    "snow": (("the snow", "through", "in"), ("the snowy field", "across", "on"), ("the winter land", "through", "in")),
}
TIMES = {
    "dawn": ("at dawn", "at sunrise", "at daybreak", "in the early morning"),
    "noon": ("at noon", "at midday", "under the midday sun", "in bright daylight"),
    "sunset": ("at sunset", "at dusk", "at sundown", "as the sun sets"),
    "night": ("at night", "in the moonlight", "under the stars", "after dark"),
}
CAMERAS = {
    "static": ("in a static shot", "while the camera stays still", "as the camera holds still"),
    "pans left": ("as the camera pans left", "while the camera pans to the left", "in a shot panning left"),
    "pans right": ("as the camera pans right", "while the camera pans to the right", "in a shot panning right"),
    "zooms in": ("as the camera zooms in", "while the camera slowly zooms in", "in a shot zooming in"),
    "zooms out": ("as the camera zooms out", "while the camera slowly zooms out", "in a shot zooming out"),
}
TURNS = {
    "cut": ("then the scene cuts to", "then a cut to", "cutting to"),
    "fade": ("then the scene fades to", "then a fade to", "fading to"),
}


def choose_named(attributes: Attributes, rng: np.random.Generator) -> Named:
    """Which attributes a caption names: at least one, each as often as `SHARE` says."""
    while True:
        drawn = {name: rng.uniform() < SHARE.get(name, 0.0) for name in attributes}
        named = full_named(attributes, {name for name, take in drawn.items() if take})
        if named:
            return named


def full_named(attributes: Attributes, names: set[str] | None = None) -> Named:
    """The attributes that can be named, in order; of `names` only, if given. A transition is named as one."""
    cuts = attributes.get("transition", "none") != "none" and (names is None or "transition" in names)
    plain = [name for name in VALUES if name in attributes and (names is None or name in names)]
    return (*plain, *(THEN if cuts else ()))


def caption(attributes: Attributes, rng: np.random.Generator, name: set[str] | None = None) -> tuple[str, Named]:
    """A sentence about a clip and the attributes that it names; `name` sets which (default: chosen at random)."""
    named = choose_named(attributes, rng) if name is None else full_named(attributes, name)
    return compose(attributes, named, rng), named


def change_one(
    attributes: Attributes,
    named: Sequence[str],
    rng: np.random.Generator,
    *,
    values: Mapping[str, Sequence[str]] = VALUES,
    allowed: Callable[[Attributes], bool] = lambda attributes: True,
) -> Attributes:
    """The attributes with exactly one of the named ones changed; any attribute may change where none of them can."""
    for names in (list(named), [*attributes]):
        options = [
            {**attributes, name: value}
            for name in names
            for value in values.get(_domain(name), ())
            if value != attributes[name] and name != "transition"
        ]
        options = [other for other in options if allowed(other)] or options
        changeable = sorted({name for other in options for name in names if other[name] != attributes[name]})
        if changeable:
            name = changeable[rng.integers(len(changeable))]
            fitting = [other for other in options if other[name] != attributes[name]]
            return fitting[rng.integers(len(fitting))]
    raise ValueError("savanna: no wrong caption is possible, since `restrict` leaves every attribute one value only")


def _domain(name: str) -> str:
    return {"then_place": "place", "then_time": "time"}.get(name, name)


def contradicts(told: Attributes, named: Sequence[str], attributes: Attributes) -> bool:
    """Whether a caption that names these of its `told` attributes is wrong about a clip with `attributes`."""
    return any(told[name] != attributes.get(name) for name in named)


def compose(attributes: Attributes, named: Named, rng: np.random.Generator) -> str:
    """The sentence. The same state of `rng` gives the same wording about other attributes."""
    dice = rng.uniform(size=10)
    order = int(dice[8] * 5)
    who = _who(attributes, named, dice)
    does = _does(attributes, named, dice, doing=order == 3)
    way, place = _way(attributes, named, dice), _place(attributes, named, dice)
    time = _pick(TIMES[attributes["time"]], dice[6]) if "time" in named else ""
    camera = _pick(CAMERAS[attributes["camera"]], dice[7]) if "camera" in named else ""
    match order:
        case 1 if time:
            parts = [f"{time},", who, does, way, place, camera]
        case 2:
            parts = [who, does, place, way, time, camera]
        case 3:
            parts = [_pick(("a clip of", "a video of", ""), dice[9]), who, does, way, place, time, camera]
        case 4 if camera:
            parts = [f"{camera},", who, does, way, place, time]
        case _:
            parts = [who, does, way, place, time, camera]
    sentence = " ".join(part for part in parts if part) + _then(attributes, named, dice)
    return sentence[0].upper() + sentence[1:]


def _pick(choices: Sequence[Choice], share: float) -> Choice:
    return choices[int(share * len(choices))]


def _who(attributes: Attributes, named: Named, dice: np.ndarray) -> str:
    noun = _pick(SUBJECTS[attributes["subject"]], dice[0]) if "subject" in named else "animal"
    adjective = ""
    if "appearance" in named:
        adjective = _pick(APPEARANCES[attributes["appearance"]], dice[1])
    elif dice[1] < 0.3:
        adjective = _pick(NEUTRAL, dice[1] / 0.3)
    words = f"{adjective} {noun}".strip()
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _does(attributes: Attributes, named: Named, dice: np.ndarray, *, doing: bool) -> str:
    if "action" not in named:
        return "" if doing else "is seen"
    return _pick(ACTIONS[attributes["action"]], dice[2])[1 if doing else 0]


def _way(attributes: Attributes, named: Named, dice: np.ndarray) -> str:
    if "direction" not in named:
        return ""
    moves = "action" in named and attributes["action"] != "rests"
    return _pick(MOVING if moves else FACING, dice[3]).format(attributes["direction"])


def _place(attributes: Attributes, named: Named, dice: np.ndarray) -> str:
    if "place" not in named:
        return ""
    moves = "action" in named and attributes["action"] != "rests"
    noun, across, inside = _pick(PLACES[attributes["place"]], dice[4])
    return f"{across if moves else inside} {noun}"


def _then(attributes: Attributes, named: Named, dice: np.ndarray) -> str:
    if "transition" not in named:
        return ""
    turn = _pick(TURNS[attributes["transition"]], dice[5])
    noun = _pick(PLACES[attributes["then_place"]], dice[9])[0]
    return f", {turn} {noun} {_pick(TIMES[attributes['then_time']], dice[5])}"
