"""From an experiment to live objects: what is passed on, what is refused and in which words, and the way back."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from t2vgan import assemble, parts
from t2vgan.checkpoint import load_generator, save_generator
from t2vgan.config import ConfigError, Experiment, Text, load, to_dict
from t2vgan.text import TextPipeline

FRAMES = {"name": "frame_level", "frames": 2, "width": 8}
MATCH = {"name": "projected", "frames": 2, "see_size": 32, "channels": 4, "width": 8, "match": True}
LOSSES = {"d/frames/hinge": 1.0, "g/frames/hinge": 1.0}


class Part:
    """A part with an option of its own and two that are given to it."""

    def __init__(self, *, size: int, text_dim: int, width: int = 8, extra: Any = 0) -> None:
        if width < 0 or extra < 0:
            raise ValueError("width below 0")
        self.got = (size, text_dim, width)


def part(**node: Any) -> Any:
    return parts.build("generator", {"part": Part, "other": Part}, node, size=16, text_dim=4, clip_frames=9)


def smoke(**changed: Any) -> Experiment:
    return dataclasses.replace(load("smoke"), **changed)


def mistake(words: TextPipeline, **changed: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        assemble.model(smoke(**changed), words)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- one part


def test_a_part_gets_its_options_and_what_it_asks_for():
    assert part(name="part").got == (16, 4, 8) and part(name="part", width=3).got == (16, 4, 3)


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({"name": "prt"}, "generator: no part is named 'prt', did you mean 'part'?; choose one of: part, other"),
        ({}, "generator: no part is named 'None'; choose one of: part, other"),
        ({"name": "part", "widht": 3}, "generator: 'part' has no option 'widht', did you mean 'width'?; it has: width"),
        ({"name": "part", "size": 64}, "generator: 'part' has no option 'size'; it has: width, extra"),
        ({"name": "part", "width": "a"}, "generator: 'part': width is 'a': it is a whole number"),
        ({"name": "part", "width": True}, "generator: 'part': width is True: it is a whole number"),
        ({"name": "part", "extra": "a"}, "generator: 'part' cannot be built from {'extra': 'a'}: '<' not supported"),
    ],
)
def test_mistakes_in_a_part(node: dict[str, Any], said: str):
    with pytest.raises(ConfigError) as caught:
        part(**node)
    assert str(caught.value).startswith(said)


def test_what_a_part_says_itself_is_left_as_it_is():
    with pytest.raises(ValueError, match=r"^width below 0$"):
        part(name="part", width=-1)


@pytest.mark.parametrize("asked", ["epochs=two", "epochs=8.5", "clips=0", "seed=a"])
def test_a_judge_that_cannot_be_trained_is_told_before_clips_are_drawn(asked: str):
    key = asked.split("=")[0]
    with pytest.raises(ConfigError, match=rf"evaluation\.probe\.{key} is .*: it is a whole number"):
        assemble.has_truth(load("smoke", [f"evaluation.probe.{asked}"]))


# ---- the game


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"generator": {"name": "contnuous"}}, "generator: no part is named 'contnuous', did you mean 'continuous'?"),
        (
            {"generator": {"name": "continuous", "wdth": 3}},
            "generator: 'continuous' has no option 'wdth', did you mean",
        ),
        (
            {"discriminators": {"frames": {"name": "fram_level"}}},
            "discriminators.frames: no part is named 'fram_level'",
        ),
        (
            {"discriminators": {"frames": {**FRAMES, "frames": 9}}, "losses": LOSSES},
            "discriminators.frames.frames is 9: take 1 to 8 (clip.frames)",
        ),
        (
            {"discriminators": {"frames": {**FRAMES, "frames": 0}}, "losses": LOSSES},
            "discriminators.frames.frames is 0: take 1 to 8 (clip.frames)",
        ),
        (
            {"discriminators": {"frames": None}},
            "discriminators.frames is None: it is a name and options, such as {name:",
        ),
        ({"discriminators": {"frames": "clip"}}, "discriminators.frames is 'clip': it is a name and options"),
        (
            {"losses": {"d/frame/hinge": 1.0}},
            "losses: 'd/frame/hinge' is not of the form d/frames/<loss>, d/clip/<loss>",
        ),
        ({"losses": {"x/frames/hinge": 1.0}}, "losses: 'x/frames/hinge' is not of the form"),
        ({"losses": {"hinge": 1.0}}, "losses: 'hinge' is not of the form"),
        ({"losses": {"d/frames/hinge/x": 1.0}}, "losses: 'd/frames/hinge/x' is not of the form"),
        ({"losses": {"d/frames/hing": 1.0}}, "losses.d/frames/hing: no part is named 'hing', did you mean 'hinge'?"),
        ({"losses": {"d/frames/hinge": "much"}}, "losses.d/frames/hinge: weight has to be a number"),
        ({"losses": {"d/frames/hinge": None}}, "losses.d/frames/hinge: weight has to be a number"),
        ({"losses": {"d/frames/r1": {"every": 0}}}, "losses.d/frames/r1: weight has to be a number and every a whole"),
        (
            {"losses": {"d/frames/r1": {"until": 1.5}}},
            "losses.d/frames/r1: until is 1.5: it is a share of the training",
        ),
        ({"losses": {"d/frames/r1": {"until": 0.5, "stays": 1.0}}}, "losses.d/frames/r1: stays is 1.0: it is the"),
        ({"losses": {"d/frames/r1": {"stays": 0.5}}}, "losses.d/frames/r1: stays is 0.5: it is the share of"),
        (
            {"losses": {**LOSSES, "g/frames/hinge": {"until": 0.5}}},
            "losses: no term trains the generator in every round",
        ),
        ({"losses": {"d/frames/r1": {"metod": "x"}}}, "losses.d/frames/r1: 'r1' has no option 'metod', did you mean"),
        ({"losses": {"g/frames/r1": 1.0}}, "losses.g/frames/r1: 'r1' has no term for the generator"),
        ({"losses": {"d/frames/hinge": 1.0}}, "losses: no term trains the generator in every round"),
        ({"losses": {"g/frames/hinge": 1.0}}, "losses: no term trains the discriminator in every round"),
        (
            {"losses": {**LOSSES, "d/frames/hinge": {"weight": 1.0, "every": 2}}},
            "losses: no term trains the discriminator in every round",
        ),
        ({"losses": {**LOSSES, "g/frames/hinge": 0}}, "losses: no term trains the generator in every round"),
        ({"losses": {**LOSSES, "g/frames/words": 1.0}}, "losses.g/frames/words: scores of words are trained by"),
        ({"losses": {**LOSSES, "g/frames/latent": 1.0}}, "losses.g/frames/latent: this critic guesses no noise"),
        (
            {"losses": {**LOSSES, "d/frames/latent": 1.0}, "discriminators": {"frames": {**MATCH, "latents": 999}}},
            "losses.d/frames/latent: the critic's latents are 999, but the generator's z_dim ",
        ),
        (
            {"losses": {**LOSSES, "g/frames/latent": 1.0}, "discriminators": {"frames": {**MATCH, "latents": 2}}},
            "losses.g/frames/latent: the critic's term of the same name teaches it to guess",
        ),
        ({"text": Text(encoder={"name": "recurrent", "heads": 0})}, "text.encoder: 'recurrent' cannot be built from"),
        ({"losses": {**LOSSES, "d/frames/steer": 1.0}}, "losses.d/frames/steer: this critic reads no motion: take"),
        (
            {"losses": {**LOSSES, "g/frames/steer": 1.0}, "discriminators": {"frames": MATCH}},
            "losses.g/frames/steer: the critic's term of the same name teaches it to read",
        ),
        (
            {"losses": {**LOSSES, "g/frames/steer": 1.0}, "generator": {"name": "convlstm", "width": 16}},
            "losses.g/frames/steer: this generator has nothing to steer by; take the term away",
        ),
        ({"augment": {"flip": True}}, "augment: 'augment' has no option 'flip'; it has: translate, cutout"),
    ],
)
def test_mistakes_in_an_experiment(words: TextPipeline, changed: dict[str, Any], said: str):
    assert mistake(words, **changed).startswith(said)


def test_terms_carry_weight_and_rarity_and_a_weight_of_nothing_takes_them_away(words: TextPipeline):
    losses = {**LOSSES, "d/frames/r1": {"weight": 3, "every": 4, "method": "finite"}, "d/frames/mismatch": 0.0}
    game = assemble.model(smoke(discriminators={"frames": FRAMES}, losses=losses), words)
    d = game.terms["d"]["frames"]
    assert {name: (term.weight, term.every) for name, term in d.items()} == {"hinge": (1.0, 1), "r1": (3.0, 4)}
    assert d["r1"].loss.method == "finite" and list(game.terms["g"]["frames"]) == ["hinge"]


def test_parts_fit_each_other(words: TextPipeline):
    experiment = smoke(clip=dataclasses.replace(load("smoke").clip, size=32, frames=4))
    game = assemble.model(experiment, words)
    assert game.generate(["a lion runs"]).shape == (1, 3, 4, 32, 32)
    assert game.generator.size == 32 and game.text_encoder.dim == 32


def test_weights_come_from_the_seed_and_leave_other_draws_alone(words: TextPipeline):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = assemble.model(smoke(), words)
    assert torch.equal(torch.rand(3), expected)
    other = assemble.model(smoke(), words)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_convolutions_lie_in_the_layout_that_is_quick(words: TextPipeline):
    game = assemble.model(smoke(), words)
    for part in (game.generator, game.discriminators["frames"]):
        convolutions = [m.weight for m in part.modules() if isinstance(m, nn.Conv2d) and m.kernel_size != (1, 1)]
        assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in convolutions)


# ---- there and back


@pytest.fixture
def saved(words: TextPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder whose averages differ from what the seed gives."""
    monkeypatch.setattr(assemble, "text_pipeline", lambda *args, **options: words)
    game = assemble.model(smoke(), words)
    for p in (*game.ema_generator.parameters(), *game.ema_text_encoder.parameters()):
        p.data += 0.01
    tensors = {
        f"{name}.{key}": tensor
        for name, part in (("generator", game.ema_generator), ("text_encoder", game.ema_text_encoder))
        for key, tensor in part.state_dict().items()
    }
    save_generator(tmp_path / "checkpoints" / "generator.safetensors", tensors, to_dict(game.config), {})
    torch.save(game.generate(["a lion runs"], z=torch.ones(1, 16)), tmp_path / "expected.pt")
    return tmp_path


def test_a_saved_generator_makes_the_same_clip(saved: Path):
    expected = torch.load(saved / "expected.pt")
    for path in (saved, saved / "checkpoints", saved / "checkpoints" / "generator.safetensors"):
        game, experiment = assemble.load_model(path)
        assert torch.equal(game.generate(["a lion runs"], z=torch.ones(1, 16)), expected)
        assert experiment == load("smoke") and not game.training


def test_a_generator_of_another_make_is_refused(saved: Path):
    with pytest.raises(ValueError, match="safetensors"):
        assemble.load_model(saved / "expected.pt")


def test_a_generator_is_not_used_with_other_word_vectors_than_its_own(saved: Path, words: TextPipeline):
    file = saved / "checkpoints" / "generator.safetensors"
    tensors, config, _ = load_generator(file)
    save_generator(file, tensors, config, {"vectors": words.version})
    assemble.load_model(file)
    save_generator(file, tensors, config, {"vectors": "1-of-another-file"})
    with pytest.raises(ValueError, match=r"generator\.safetensors: trained with other word vectors than text\.vectors"):
        assemble.load_model(file)


def test_legs_have_grown_as_when_the_file_was_written(saved: Path):
    file = saved / "checkpoints" / "generator.safetensors"
    tensors, config, _ = load_generator(file)
    for seen, share in ((0, 0.0), (0.45, 0.5), (1, 1.0)):
        save_generator(file, tensors, config, {"clips_seen": seen * config["clips"]})
        steering: Any = assemble.load_model(file)[0].ema_generator.steering
        assert float(steering.grown) == pytest.approx(share)


def test_the_best_generator_comes_first(tmp_path: Path):
    (tmp_path / "checkpoints").mkdir()
    for name in ("generator.safetensors", "best_generator.safetensors"):
        (tmp_path / "checkpoints" / name).write_bytes(b"")
        assert assemble.generator_file(tmp_path) == tmp_path / "checkpoints" / name


def test_a_run_that_has_saved_nothing_yet(tmp_path: Path):
    with pytest.raises(ValueError, match=r"no generator\.safetensors in it or in its checkpoints/"):
        assemble.generator_file(tmp_path)


# ---- data


def test_the_data_set_shows_clips_as_the_experiment_wants_them(tmp_path: Path):
    experiment = load("smoke", [f"data.root={tmp_path}", "data.cache=false", "data.files=false"])
    clips = assemble.datasets(experiment, source="render")("val", 3)
    sample = clips[0]
    assert len(clips) == 3 and sample.video.shape == (8, 16, 16, 3) and list(tmp_path.iterdir()) == []


def test_frames_are_kept_beside_the_data_where_that_is_wanted(tmp_path: Path):
    experiment = load("smoke", [f"data.root={tmp_path}", "data.files=false"])
    clips = assemble.datasets(experiment)("val", 2)
    assert clips[0].video.shape == (8, 16, 16, 3)
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {assemble.cache_folder(experiment)}


def test_files_to_look_at_are_made_where_that_is_wanted(tmp_path: Path):
    experiment = load("smoke", [f"data.root={tmp_path}", "data.cache=false"])
    assemble.datasets(experiment, source="render")("val", 2)
    assert experiment.data.files and len(list(tmp_path.rglob("*.mp4"))) == 2


def test_an_option_that_the_data_set_does_not_have(tmp_path: Path):
    experiment = load("smoke", [f"data.root={tmp_path}", "data.dataset.count=5"])
    with pytest.raises(ConfigError, match=r"data\.dataset: 'savanna' has no option 'count', did you mean 'counts'"):
        assemble.datasets(experiment)("val", 2)
