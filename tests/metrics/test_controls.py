"""Every control moves the metric that is made for it, and leaves those alone that are not."""

import pytest
import torch
from torch.nn import functional as F

from t2vgan.metrics import arrow_of_time, kernel_distance, memorisation, precision_recall
from t2vgan.metrics.attributes import AttributeAccuracy
from t2vgan.metrics.controls import CONTROLS, collapsed, other_captions, replayed
from t2vgan.metrics.motion import diversity, flicker, is_static, motion_energy, motion_spectrum, spectrum_gap

WAYS = ["left", "right"]


def walkers(n: int, seed: int, *, size: int = 16, frames: int = 8) -> tuple[torch.Tensor, list[str]]:
    """Clips of a long body with a bright head in front, that walks where it looks."""
    generator = torch.Generator().manual_seed(seed)
    ground = 0.1 * torch.randn(n, 3, 1, size, size, generator=generator)
    video, ways = ground.repeat(1, 1, frames, 1, 1), []
    for i in range(n):
        way, y = WAYS[int(torch.randint(2, (), generator=generator))], int(torch.randint(11, (), generator=generator))
        colour = torch.rand(3, 1, 1, generator=generator)
        for t in range(frames):
            clip = torch.zeros(3, 4, size) - 1
            clip[:, :, t : t + 6] = colour - 0.5
            clip[:, :, t + 6 : t + 8] = 1
            video[i, :, t, y : y + 4] += 0.8 * (clip if way == "right" else clip.flip(2))
        ways.append(way)
    return video.clamp(-1, 1), ways


def features(video: torch.Tensor) -> torch.Tensor:
    """What a small probe might see: colours, details, how much moves, where to, and where the head is."""
    grey = video.mean(1)
    across = torch.linspace(-1, 1, video.shape[-1])
    place = (grey.clamp_min(0) * across).sum((2, 3)) / grey.clamp_min(0).sum((2, 3)).clamp_min(1e-3)
    body = (grey.clamp_max(0) * across).sum((2, 3)) / grey.clamp_max(0).sum((2, 3)).clamp_max(-1e-3)
    facing, speed = (place - body).mean(1), (place[:, 1:] - place[:, :-1]).sum(1)
    details = (video[..., 1:] - video[..., :-1]).abs().mean((1, 2, 3, 4))
    change = (video[:, :, 1:] - video[:, :, :-1]).abs().mean((1, 3, 4))
    late = F.adaptive_avg_pool1d(change[:, None], 3)[:, 0]
    jumps = (video[:, :, 2:] + video[:, :, :-2] - 2 * video[:, :, 1:-1]).abs().mean((1, 2, 3, 4))
    columns = [facing, speed, 8 * details, 8 * jumps]
    return torch.cat([torch.stack(columns, 1), 8 * late, video.mean((2, 3, 4))], 1)


REAL, FAKE = walkers(120, 0)[0], walkers(120, 1)[0]
MEAN, SCALE = features(REAL).mean(0), features(REAL).std(0)


def standard(video: torch.Tensor) -> torch.Tensor:
    return (features(video) - MEAN) / SCALE


def control(name: str, video: torch.Tensor = FAKE) -> torch.Tensor:
    return CONTROLS[name](video, range(len(video)))


def gap(video: torch.Tensor) -> float:
    return spectrum_gap(motion_spectrum(REAL), motion_spectrum(video)).item()


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_keeps_shape_and_range_and_depends_on_the_index_alone(name: str) -> None:
    video, before = FAKE[:6], FAKE[:6].clone()
    whole = CONTROLS[name](video, range(6))
    assert whole.shape == video.shape and whole.dtype == video.dtype and whole.abs().max() <= 1
    assert torch.equal(CONTROLS[name](video[4:], [4, 5]), whole[4:])
    assert torch.equal(video, before) and not torch.equal(whole, video)
    whole.zero_()  # a copy, not a view
    assert torch.equal(video, before)


@pytest.mark.parametrize("name", ["shuffled", "static", "half_frozen", "blurred", "noisy", "flickering"])
def test_distances_see_what_is_wrong(name: str) -> None:
    floor = max(abs(kernel_distance(standard(REAL), standard(walkers(120, s)[0])).item()) for s in range(2, 6))
    assert kernel_distance(standard(REAL), standard(control(name))).item() > 5 * floor


def test_shuffled_frames_lose_their_spectrum() -> None:
    assert gap(control("shuffled")) > 3 > 1 > gap(FAKE)
    assert torch.equal(FAKE.sort(2).values, control("shuffled").sort(2).values)


def test_reversed_clips_turn_the_arrow_of_time_and_nothing_else() -> None:
    sides = standard(REAL), standard(control("reversed", REAL))
    forward = arrow_of_time(*sides, standard(FAKE), standard(control("reversed")))
    backward = arrow_of_time(*sides, standard(control("reversed")), standard(FAKE))
    assert forward.score > 0.7 and backward.score < -0.7
    assert torch.allclose(motion_energy(control("reversed")), motion_energy(FAKE)) and gap(control("reversed")) < 1


def test_static_clips_are_static() -> None:
    assert is_static(control("static")).all() and not is_static(FAKE).any()
    assert motion_energy(control("static")).max() == 0 and gap(control("static")) > 10


def test_half_frozen_clips_move_half_as_much() -> None:
    ratio = motion_energy(control("half_frozen")).mean() / motion_energy(FAKE).mean()
    assert ratio.item() == pytest.approx(4 / 7, abs=0.05)
    assert not is_static(control("half_frozen")).any()


def test_blurred_clips_are_imprecise_but_move() -> None:
    clean, blurred = (precision_recall(standard(REAL), standard(v)) for v in (FAKE, control("blurred")))
    assert blurred.precision < clean.precision - 0.3 and blurred.density < clean.density / 2
    assert not is_static(control("blurred")).any()
    flat = torch.full((1, 3, 2, 8, 12), 0.25)
    assert torch.allclose(CONTROLS["blurred"](flat, [0]), flat)


def test_noisy_clips_change_everywhere() -> None:
    assert motion_energy(control("noisy")).mean() > 2 * motion_energy(FAKE).mean() and gap(control("noisy")) > 2


def test_flickering_clips_flicker() -> None:
    phase = torch.arange(8)[:, None, None] / 2 + torch.arange(16)[None, None, :] / 3
    waves = (0.5 * phase.sin()).expand(1, 3, 8, 16, 16)  # hard edges that jump from pixel to pixel would flicker too
    assert flicker(control("flickering", waves)) > 2 * flicker(waves)
    assert gap(control("flickering")) > 2


def test_collapsed_clips_are_precise_but_lack_recall_and_diversity() -> None:
    chosen = collapsed(len(REAL), 120, modes=3)
    assert len(chosen) == 120 and len(set(chosen)) == 3
    found, clean = (precision_recall(standard(REAL), standard(v)) for v in (REAL[chosen], FAKE))
    assert found.precision == 1 and found.recall < 0.2 < 0.6 < clean.recall
    assert found.coverage < 0.5 * clean.coverage
    assert diversity(standard(REAL[chosen[:1] * 8]).reshape(2, 4, -1)).isnan()
    with pytest.raises(ValueError, match="there must be a clip to show"):
        collapsed(0, 5)


def test_other_captions_bring_accuracy_down_to_chance() -> None:
    ways = walkers(120, 1)[1]
    captions = [f"an animal that walks to the {way}, {i % 10} of 10" for i, way in enumerate(ways)]
    truth = [{"way": way} for way in ways]
    logits = {"way": torch.stack([-features(FAKE)[:, 0], features(FAKE)[:, 0]], 1)}
    found = []
    for order in (range(120), other_captions(captions)):
        accuracy = AttributeAccuracy(attributes={"way": WAYS})
        accuracy.update(logits, [truth[i] for i in order])
        found.append(accuracy.compute().accuracy["way"].rate)
    assert found[0] > 0.9 and abs(found[1] - 0.5) < 0.2


def test_other_captions_are_others_and_each_is_used_once() -> None:
    for captions in (list("aabbccdd"), list("aaabbc"), list("ab"), [], [str(i) for i in range(50)]):
        order = other_captions(captions)
        assert sorted(order) == list(range(len(captions)))
        assert all(captions[i] != captions[order[i]] for i in range(len(captions)))
        assert order == other_captions(captions)
    assert other_captions([str(i) for i in range(50)], seed=1) != order
    with pytest.raises(ValueError, match="3 of 5 clips share one"):
        other_captions(list("aaabc"))


def test_replayed_training_clips_are_found_by_memorisation_alone() -> None:
    training = walkers(120, 7)[0]
    chosen = replayed(len(training), 120)
    assert sorted(chosen) == list(range(120)) and len(replayed(50, 120)) == 120
    assert sorted(replayed(50, 100)) == sorted([*range(50)] * 2) and replayed(50, 0) == []
    new = memorisation(standard(training), standard(REAL), standard(FAKE))
    copied = memorisation(standard(training), standard(REAL), standard(training[chosen]))
    assert copied.copying == 1 and copied.copies == 1 and abs(new.copying - 0.5) < 0.15
    assert precision_recall(standard(REAL), standard(training[chosen])).coverage > 0.7
    with pytest.raises(ValueError, match="no training clips"):
        replayed(0, 5)
