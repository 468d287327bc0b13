"""The contract of all critics: a new one in DISCRIMINATORS is tested here without a further line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from t2vgan.discriminators import DISCRIMINATORS
from t2vgan.shapes import TextFeatures

MakeText = Callable[..., TextFeatures]
TEXT_DIM = 12
SMALL = {
    "projected": {"channels": 4, "width": 8, "see_size": 32},
    "frame_level": {"width": 8, "most": 16},
    "clip_level": {"width": 8, "most": 16},
}
OURS = tuple(SMALL)
ZOO = tuple(name for name in DISCRIMINATORS if name not in OURS)  # designs of the literature
FIXED = {"digan_image": 1, "digan_motion": 2}  # critics that see so many frames and no others
# What they leave out of the contract, by name:
BATCH_STATISTICS = ("mocogan_image", "mocogan_video", "tgan_video", "stylegan_v", "digan_image", "digan_motion")
TIMELESS = ("mocogan_image", "mocogan_video", "tgan_video", "tfgan_image", "tfgan_video", "dvdgan_spatial")
TIMELESS += ("dvdgan_temporal", "digan_image")  # one frame rate, or one frame
ORDERLESS = ("mocogan_image", "tfgan_image", "dvdgan_spatial", "digan_image")  # each frame on its own
# What is not trained although it is a parameter: nothing. (`u` of a spectral norm, `mix`, the eyes: buffers.)
NO_GRADIENT: tuple[str, ...] = ()


def build(name: str, *, size: int = 16, frames: int = 4, **options: Any) -> Any:
    """Small, and with every weight a little off its start, so that branches which begin at zero take part."""
    given = {
        "text_dim": TEXT_DIM,
        "size": size,
        "frames": frames,
        "clip_frames": frames,
        **SMALL.get(name, {"width": 8}),
        **options,
    }
    taken = inspect.signature(DISCRIMINATORS[name]).parameters
    torch.manual_seed(0)
    critic = DISCRIMINATORS[name](**{key: value for key, value in given.items() if key in taken})
    for p in critic.parameters():
        p.data += 0.02 * torch.randn_like(p)
    return critic


def video(clips: int = 2, *, size: int = 16, frames: int = 4, seed: int = 0) -> Tensor:
    return 2 * torch.rand(clips, 3, frames, size, size, generator=torch.Generator().manual_seed(seed)) - 1


def instants(clips: int = 2, *, frames: int = 4, apart_s: float = 0.5) -> Tensor:
    return (torch.arange(frames) * apart_s).repeat(clips, 1)


def logits(critic: Any, clips: Tensor, times: Tensor, text: TextFeatures | None) -> Tensor:
    return critic.judge(look(critic, clips, times), text)


def look(critic: Any, clips: Tensor, times: Tensor) -> tuple[Tensor, ...]:
    """At the first frames only, where a critic sees fewer than there are."""
    return critic.features(critic.see(clips[:, :, : critic.frames]), times[:, : critic.frames])


@pytest.fixture(params=DISCRIMINATORS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize(("size", "frames"), [(16, 1), (16, 5), (32, 4), (32, 8)])
def test_shapes(name: str, make_text: MakeText, size: int, frames: int):
    if FIXED.get(name, 1) > frames:
        pytest.skip("more frames than the clip has")
    critic = build(name, size=size, frames=frames)
    shown = FIXED.get(name, frames)
    seen = critic.see(video(size=size, frames=shown))
    features = critic.features(seen, instants(frames=shown))
    told, blindly = critic.judge(features, make_text([3, 5])), critic.judge(features, None)
    assert isinstance(seen, tuple) and isinstance(features, tuple) and all(len(x) == 2 for x in (*seen, *features))
    assert told.shape == blindly.shape and told.dim() == 2 and len(told) == 2
    assert told.dtype == torch.float32 and told.isfinite().all() and blindly.isfinite().all()
    assert critic.frames in (shown, None) and critic.blind is False


def test_every_parameter_learns(name: str, make_text: MakeText):
    critic, text = build(name), make_text([3, 5, 4])
    features = look(critic, video(3), instants(3))
    total = critic.judge(features, text).square().sum()
    if name in OURS:
        total = total + critic.word_scores(features, text).square().sum()
    total.backward()
    still = [k for k, p in critic.named_parameters() if p.grad is None or p.grad.abs().max() == 0]
    assert [k for k in still if k not in NO_GRADIENT] == []


@pytest.mark.parametrize("name", OURS)
def test_each_word_has_a_score_of_its_own(name: str, make_text: MakeText):
    critic, text = build(name), make_text([3, 5])
    text.words.requires_grad_()
    scores = critic.word_scores(critic.features(critic.see(video()), instants()), text)
    assert scores.shape == text.mask.shape and scores.dtype == torch.float32
    (slope,) = torch.autograd.grad(scores[1, 2], [text.words])
    others = slope.clone()
    others[1, 2] = 0
    assert slope[1, 2].abs().sum() > 0 and others.abs().sum() == 0


def test_its_eyes_are_fixed(name: str):
    """`see` is called once for both players' steps, so nothing in it may be trained."""
    critic, clips = build(name), video().requires_grad_()
    critic.see(clips)  # what a critic does when a round begins is no part of what it sees
    seen = torch.cat([s.flatten() for s in critic.see(clips)]).sum()
    slopes = torch.autograd.grad(seen, [clips, *critic.parameters()], allow_unused=True)
    assert slopes[0] is not None and slopes[0].abs().sum() > 0, "but gradients pass through them"
    assert all(slope is None for slope in slopes[1:])


def test_clips_of_a_batch_know_nothing_of_each_other(name: str, make_text: MakeText):
    clips, times, text = video(3).requires_grad_(), instants(3).requires_grad_(), make_text([3, 5, 4])
    text.sentence.requires_grad_()
    critic = build(name)
    if name in BATCH_STATISTICS:
        if not has_running_statistics(critic):
            pytest.skip("compares the clips of a batch in use as in training")
        critic.eval()
    logits(critic, clips, times, text)[0].square().sum().backward()
    for inward in (clips, *([] if name in TIMELESS else [times]), text.sentence):
        assert inward.grad is not None
        assert inward.grad[0].abs().sum() > 0 and inward.grad[1:].abs().sum() == 0


def has_running_statistics(critic: Any) -> bool:
    return any(hasattr(module, "running_mean") for module in critic.modules())


@pytest.mark.parametrize("name", BATCH_STATISTICS)
def test_the_exempt_are_those_that_mix_clips(name: str, make_text: MakeText):
    critic, text, clips = build(name), make_text([3, 5, 4, 2]), video(4)
    one = logits(critic, clips, instants(4), text)[0]
    clips[3] = 1.0
    assert (logits(critic, clips, instants(4), text)[0] - one).abs().max() > 1e-6


def test_a_clip_is_judged_the_same_in_any_batch(name: str, make_text: MakeText):
    critic, text = build(name).eval(), make_text([3, 5, 4])
    if name in BATCH_STATISTICS and not has_running_statistics(critic):
        pytest.skip("compares the clips of a batch in use as in training")
    together = logits(critic, video(3), instants(3), text)
    alone = logits(critic, video(3)[1:2], instants(1), text[1:2])
    assert torch.allclose(together[1:2], alone, atol=1e-5)


def test_the_same_again(name: str, make_text: MakeText):
    one, other = (logits(build(name), video(), instants(), make_text([3, 5])) for _ in range(2))
    assert torch.equal(one, other)


def test_judging_leaves_no_trace_in_evaluation(name: str, make_text: MakeText):
    critic = build(name).eval()
    before = {k: v.clone() for k, v in critic.state_dict().items()}
    one, other = (logits(critic, video(), instants(), make_text([3, 5])) for _ in range(2))
    assert torch.equal(one, other)
    assert all(torch.equal(before[k], v) for k, v in critic.state_dict().items())


def test_the_sentence_matters(name: str, make_text: MakeText):
    critic = build(name).eval()
    features = look(critic, video(), instants())
    right, wrong = (critic.judge(features, make_text([3, 5], seed=seed)) for seed in (0, 1))
    assert (right - wrong).abs().mean() > 1e-4 and not torch.allclose(right, critic.judge(features, None), atol=1e-4)


def test_without_a_caption_only_realism_is_left(name: str):
    """Miyato & Koyama 2018, eq. 3: psi alone. A critic that is blind is the same critic, never told a caption."""
    critic = build(name, blind=True).eval()
    assert critic.blind is True
    seeing = build(name).eval()
    assert torch.equal(logits(critic, video(), instants(), None), logits(seeing, video(), instants(), None))
    before = logits(critic, video(), instants(), None)
    for key, p in critic.named_parameters():
        if "sentence" in key:
            p.data += 1.0
    assert torch.equal(before, logits(critic, video(), instants(), None))


def test_the_clip_and_the_order_of_its_frames_matter(name: str, make_text: MakeText):
    critic, text = build(name).eval(), make_text([3, 5])
    scores = [logits(critic, clips, instants(), text) for clips in (video(), video(seed=1), video().flip(2))]
    assert (scores[0] - scores[1]).abs().mean() > 1e-4
    assert name in ORDERLESS or (scores[0] - scores[2]).abs().mean() > 1e-5


@pytest.mark.parametrize("name", [name for name in DISCRIMINATORS if name not in TIMELESS])
def test_the_instants_matter(name: str, make_text: MakeText):
    critic, text = build(name).eval(), make_text([3, 5])
    one, other = (logits(critic, video(), instants(apart_s=s), text) for s in (0.5, 0.1))
    assert (one - other).abs().mean() > 1e-5


def test_bfloat16_ends_in_float32_logits(name: str, make_text: MakeText):
    critic, text = build(name).eval(), make_text([3, 5])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        quick = logits(critic, video(), instants(), text)
    exact = logits(critic, video(), instants(), text)
    assert quick.dtype == torch.float32
    assert (quick - exact).abs().mean() < 0.1 * exact.abs().mean()
