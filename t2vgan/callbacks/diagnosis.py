"""Signs of a game, turned into sentences: what is seen, what it means, what to try.

Pure rules over numbers. The thresholds lie far from what runs of `lion_savanna`, `own_clips` and `essay` showed while
they learned; those numbers stand beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WON_SHARE = 0.97  # of real and of fake clips that a critic tells: learning runs had 0.05 to 0.78 and 0.90 to 0.99
WON_GAP = 2.0  # between mean logits: both margins of the hinge loss are met, which then teaches the critic nothing
WON_GAP_ALONE = 10.0  # a relativistic critic's zero means nothing, so its shares do not; learning runs had up to 2.7
COLLAPSED = 0.25  # of the real variety: learning runs had 0.57 to 1.03, k pictures of a hundred k / 16
UNNOTICED = 0.02  # of the difference of two real clips, i.e. about one grey level: nobody sees it
TEXT_IGNORED = 0.1  # of the same: untaught generators had 0.03 to 0.09, those that read 0.4 to 1.1
FROZEN = 0.1  # of the real motion: learning runs fell below only in their first tenth
TURNING_MORE = 0.5  # share of clips, more than of real ones: 0.86 in a run with the disease, 0 in those without
SKIPPED_IN_A_ROW = 3  # one or two are a bad batch


@dataclass(frozen=True)
class Finding:
    """A verdict's name is the key it stands under; `sentence` holds the figures, ill or not."""

    ill: bool
    sentence: str


def diagnose(signs: Mapping[str, int | float]) -> dict[str, Finding]:
    """The verdicts that the signs allow, by name; what was not measured is not judged."""
    found: dict[str, Finding] = {}
    for name in signs:
        if name.startswith("d/") and name.endswith("/real_right"):
            critic = name.removeprefix("d/").removesuffix("/real_right")
            found[f"discriminator_won/{critic}"] = discriminator_won(critic, signs)
    rules = {
        "mode_collapse": (mode_collapse, ("clips/real", "clips/fake")),
        "noise_ignored": (noise_ignored, ("noise_change", "real_change")),
        "text_ignored": (text_ignored, ("text_change", "real_change")),
        "frozen_motion": (frozen_motion, ("motion/energy_ratio",)),
        "back_and_forth": (back_and_forth, ("turning/real", "turning/fake")),
        "loss_nan": (loss_nan, ("skipped_in_a_row",)),
    }
    for verdict, (rule, needs) in rules.items():
        if all(need in signs for need in needs):
            found[verdict] = rule(*(signs[need] for need in needs))
    return found


def discriminator_won(critic: str, signs: Mapping[str, int | float]) -> Finding:
    right = min(signs[f"d/{critic}/real_right"], signs[f"d/{critic}/fake_right"])
    gap = signs[f"d/{critic}/real"] - signs[f"d/{critic}/fake"]
    return Finding(
        (right >= WON_SHARE and gap >= WON_GAP) or gap >= WON_GAP_ALONE,
        f"critic '{critic}' tells at least {percent(right)} of real and of fake clips, with logits {gap:.1f} apart: "
        "it has won, and the generator hardly learns from it any more; lower d_optim.lr, add a gradient penalty "
        f"(losses.d/{critic}/r1) or let it see less (augment.translate, augment.cutout)",
    )


def mode_collapse(real: int | float, fake: int | float) -> Finding:
    return Finding(
        # the first of the fakes is no variety: a single picture counts as 1
        fake - 1 < COLLAPSED * (real - 1),
        f"generated clips count as {fake:.1f} different ones, as many real clips as {real:.1f}: the generator shows "
        "the same few again and again; lower g_optim.lr, raise data.batch or add losses.d/<critic>/r1",
    )


def noise_ignored(change: int | float, real: int | float) -> Finding:
    return Finding(
        change < UNNOTICED * real,
        f"other noise changes a clip by {percent(change / max(real, 1e-8))} of what two real clips differ by: there is "
        "one clip for each caption; lower the weight of losses.g/<critic>/words, or add losses.d/<critic>/r1",
    )


def text_ignored(change: int | float, real: int | float) -> Finding:
    return Finding(
        change < TEXT_IGNORED * real,
        f"another caption changes a clip by {percent(change / max(real, 1e-8))} of what two real clips differ by: the "
        "text is ignored; add or raise losses.d/<critic>/mismatch and losses.{d,g}/<critic>/words, for a critic that "
        "is not blind",
    )


def frozen_motion(ratio: int | float) -> Finding:
    return Finding(
        ratio < FROZEN,
        f"generated clips move {percent(ratio)} as much as real ones: motion is frozen; give a critic that sees "
        "several frames (discriminators.<critic>.frames) losses for both players, or raise their weights",
    )


def back_and_forth(real: int | float, fake: int | float) -> Finding:
    return Finding(
        fake - real >= TURNING_MORE,
        f"{percent(fake)} of the generated clips, {percent(real)} of the real ones, go back the way they came: motion "
        "runs back and forth; give a critic that sees the order of frames (clip_level) losses for both players, or "
        "raise discriminators.<critic>.frames",
    )


def loss_nan(skipped: int | float) -> Finding:
    return Finding(
        skipped >= SKIPPED_IN_A_ROW,
        f"{skipped:.0f} rounds in a row were skipped, since a loss or gradient was NaN or infinite; lower d_optim.lr "
        "and g_optim.lr, set g_optim.clip_norm and d_optim.clip_norm, or take trainer.precision=32-true",
    )


def skipped_players(signs: Mapping[str, Any]) -> list[str]:
    """The players ("g/skipped") whose step of the last round was left out; the same on every rank."""
    return [name for name, value in signs.items() if name.endswith("skipped") and float(value) > 0]


def percent(share: int | float) -> str:
    return f"{100 * share:.0f} %"
