"""The caption-swap test: the same noise, one attribute of the caption changed. Does that attribute change, and only it?

A generator may score well on captions and still bind everything to everything, so that another animal comes with
another sky. Here a clip is made twice from the same noise z, for a caption and for one that differs in one attribute,
and a judge reads both. Three shares, each with one trial a clip, so that the Wilson intervals hold:

- `obeyed` of an attribute: of the clips whose caption changed it, those in which it now reads as the new caption says;
- `only`: of the same clips, those in which besides every other attribute reads as before;
- `kept`: of the clips whose caption changed another attribute, those in which this one reads as before.

`ALL` is over all clips; its `kept` asks for all the others at once. There is no ceiling from real clips: no two of them
differ in one attribute alone. Perfect clips would reach about the judge's accuracy on real clips (`Probe.accuracy`) in
`obeyed`; in `kept` more, since a judge that errs usually errs twice alike. A generator that ignores its caption keeps
everything and obeys by chance only: look at both, or at `only`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxtyping import Bool
from torch import Tensor

from t2vgan.metrics.attributes import ALL, UNJUDGED, Logits, Proportion, encode_truth, predicted_values
from t2vgan.metrics.retrieval import Told


class Change(NamedTuple):
    """Clip `row`'s caption, and the same with `attribute` changed to `becomes`."""

    row: int
    caption: str
    changed_caption: str
    attribute: str
    becomes: str


class Swap(NamedTuple):
    """The three shares of an attribute, or of `ALL`."""

    obeyed: Proportion
    only: Proportion
    kept: Proportion


def changed_captions(clips: Told) -> list[Change]:
    """One change for each clip whose `contrasts` say what they change; none where the data set does not know."""
    found = []
    for row, caption in enumerate(clips.captions):
        pairs: Sequence[Any] = clips.contrasts[row] if clips.contrasts else ()
        changed: Sequence[Any] = clips.changed[row] if clips.changed else ()
        for (right, wrong), (attribute, becomes) in zip(pairs, changed, strict=False):
            if right == caption:
                found.append(Change(row, caption, wrong, attribute, becomes))
                break
    return found


def caption_swap(
    before: Logits,
    after: Logits,
    changes: Sequence[Change | tuple[str, str]],
    *,
    attributes: Mapping[str, Sequence[str]],
) -> dict[str, Swap]:
    """The shares per attribute, and `ALL`, from a judge's logits for clips of the captions and of the changed ones.

    Row i of both is of clips made from the same noise. changes: for row i what its caption changed, as `Change`s or as
    (attribute, new value). attributes: the values in the order of the logits. Clips whose change the judge cannot read
    do not count. ValueError for unequal numbers of rows.
    """
    told = [(change.attribute, change.becomes) if isinstance(change, Change) else change for change in changes]
    old, new = predicted_values(before, attributes), predicted_values(after, attributes)
    if not len(old) == len(new) == len(told):
        raise ValueError(f"{len(old)} and {len(new)} rows of logits for {len(told)} changed captions")
    wanted = encode_truth(attributes, [{attribute: becomes} for attribute, becomes in told]).to(new.device)
    judged = wanted != UNJUDGED
    rows = judged.any(1)
    judged, wanted, old, new = judged[rows], wanted[rows], old[rows], new[rows]
    reads, stays = (new == wanted) & judged, old == new
    return _swaps(list(attributes), judged, reads, stays)


def _swaps(
    names: list[str], changed: Bool[Tensor, "n a"], reads: Bool[Tensor, "n a"], stays: Bool[Tensor, "n a"]
) -> dict[str, Swap]:
    obeyed, others_stay = reads.any(1), (stays | changed).all(1)
    found = {}
    for i, name in enumerate(names):
        asked = changed[:, i]
        found[name] = Swap(
            obeyed=_share(obeyed[asked]), only=_share((obeyed & others_stay)[asked]), kept=_share(stays[~asked, i])
        )
    found[ALL] = Swap(obeyed=_share(obeyed), only=_share(obeyed & others_stay), kept=_share(others_stay))
    return found


def _share(hits: Bool[Tensor, " n"]) -> Proportion:
    return Proportion(int(hits.sum()), len(hits))
