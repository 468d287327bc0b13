"""The probe reads clips of any size at fixed instants and survives its file."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from t2vgan.metrics.bodies import FRAMES, SIZE, fit_clip
from t2vgan.metrics.probe import BODIES, Probe
from t2vgan.shapes import Clips

Squares = Callable[..., Clips]


@pytest.mark.parametrize(("frames", "size"), [(16, 64), (8, 32), (32, 128), (21, 48), (16, 100)])
def test_clips_of_any_size_fit(frames: int, size: int) -> None:
    video = torch.linspace(-1, 1, frames).reshape(1, 1, frames, 1, 1).expand(2, 3, frames, size, size)
    fitted = fit_clip(video)
    assert fitted.shape == (2, 3, FRAMES, SIZE, SIZE)
    expected = [video[0, 0, i * frames // FRAMES, 0, 0].item() for i in range(FRAMES)]
    assert fitted[0, 0, :, 5, 7].tolist() == pytest.approx(expected, abs=1e-6)


def test_fitting_a_fitting_clip_changes_nothing() -> None:
    video = torch.rand(1, 3, FRAMES, SIZE, SIZE)
    assert torch.equal(fit_clip(video), video)


def test_predictions_are_the_heads_of_the_features(probe: Probe, squares: Squares) -> None:
    video = squares(6, seed=9).video
    features = probe.features(video)
    assert features.shape == (6, probe.dim) and features.dtype == torch.float32
    logits = probe.predict(video)
    assert {name: value.shape for name, value in logits.items()} == {"colour": (6, 3), "direction": (6, 2)}
    assert torch.equal(probe.classify(features)["colour"], logits["colour"])


def test_features_do_not_depend_on_the_batch_autocast_or_the_video_dtype(probe: Probe, squares: Squares) -> None:
    video = squares(6, seed=9).video.bfloat16().float()
    features = probe.features(video)
    assert torch.allclose(probe.features(video[2:3]), features[2:3], atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(probe.features(video.bfloat16()), features)


def test_standardising_keeps_the_logits(squares: Squares) -> None:
    probe = Probe(attributes={"colour": ["blue", "green", "red"]}, width=4).eval()
    video = squares(8, seed=9).video
    before = probe.predict(video)["colour"]
    for _ in range(2):
        probe.standardise(probe.features(video))
    assert torch.allclose(probe.predict(video)["colour"], before, atol=1e-4)
    assert probe.features(video).mean(0).abs().max() < 1e-4


def test_file_round_trip_is_exact(probe: Probe, squares: Squares, tmp_path: Path) -> None:
    video = squares(6, seed=9).video
    probe.fingerprint, probe.accuracy = "abc", {"colour": 0.99}
    path = tmp_path / "made" / "probe.safetensors"
    probe.save(path)
    loaded = Probe.load(path)
    assert torch.equal(loaded.features(video), probe.features(video))
    assert all(torch.equal(loaded.predict(video)[name], value) for name, value in probe.predict(video).items())
    assert (loaded.attributes, loaded.fingerprint, loaded.accuracy) == (probe.attributes, "abc", {"colour": 0.99})
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())
    assert [p.name for p in path.parent.iterdir()] == ["probe.safetensors"]


def test_damaged_and_foreign_files_are_named(tmp_path: Path) -> None:
    damaged, foreign = tmp_path / "damaged.safetensors", tmp_path / "foreign.safetensors"
    damaged.write_bytes(b"not a file of tensors")
    save_file({"a": torch.zeros(1)}, foreign)
    with pytest.raises(ValueError, match=r"damaged\.safetensors cannot be read as a probe"):
        Probe.load(damaged)
    with pytest.raises(ValueError, match=r"foreign\.safetensors is not a probe of this version"):
        Probe.load(foreign)


def test_without_attributes_there_is_no_probe() -> None:
    with pytest.raises(ValueError, match="no ground truth"):
        Probe(attributes={})


def test_seed_decides_the_initial_weights_and_nothing_else() -> None:
    state = torch.get_rng_state()
    first, again, other = (Probe(attributes={"a": ["x", "y"]}, width=4, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    weights = [probe.heads["a"].weight for probe in (first, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("name", list(BODIES))
def test_every_kind_has_the_same_interface(name: str, squares: Squares, tmp_path: Path) -> None:
    made = Probe(attributes={"colour": ["blue", "red"]}, name=name, width=4, seed=1)
    video = squares(3, seed=0, size=48, frames=20).video
    made.train().pooled(fit_clip(video)).sum().backward()
    assert all(p.grad is not None for p in made.body.parameters())
    features = made.features(video)
    assert features.shape == (3, made.dim) and made.predict(video)["colour"].shape == (3, 2)
    assert torch.allclose(made.features(video[1:2]), features[1:2], atol=1e-4)
    assert not torch.allclose(made.features(video.flip(2)), features, atol=1e-4), "it does not see motion"
    made.save(tmp_path / "probe.safetensors")
    loaded = Probe.load(tmp_path / "probe.safetensors")
    assert (loaded.name, loaded.seed) == (name, 1)
    assert torch.allclose(loaded.features(video), features, atol=1e-5)


def test_attributes_may_be_called_anything(tmp_path: Path) -> None:
    names = ("type", "shot.type", "half", "day time", "colour")
    probe = Probe(attributes={name: ["a", "b"] for name in names}, width=4)
    found = probe.predict(torch.zeros(1, 3, 4, 16, 16))
    assert tuple(found) == names and {value.shape for value in found.values()} == {(1, 2)}
    probe.save(tmp_path / "probe.safetensors")
    again = Probe.load(tmp_path / "probe.safetensors").predict(torch.zeros(1, 3, 4, 16, 16))
    assert all(torch.equal(found[name], again[name]) for name in names)
    assert "heads.colour.weight" in probe.state_dict(), "as in files of before"


def test_the_kinds_share_no_network() -> None:
    assert len({type(Probe(attributes={"a": ["x", "y"]}, name=name, width=4).body) for name in BODIES}) == len(BODIES)
    with pytest.raises(ValueError, match=r"there is no probe 'probe3'; choose from probe, probe2"):
        Probe(attributes={"a": ["x", "y"]}, name="probe3")


def test_files_that_do_not_name_the_body_are_read(probe: Probe, squares: Squares, tmp_path: Path) -> None:
    now, before = tmp_path / "now.safetensors", tmp_path / "before.safetensors"
    probe.save(now)
    with safe_open(now, framework="pt") as file:
        card = {**file.metadata(), "settings": '{"width": 8, "seed": 0}'}
    tensors = {name.removeprefix("body."): tensor.contiguous() for name, tensor in probe.state_dict().items()}
    save_file(tensors, before, metadata=card)
    video = squares(4, seed=9).video
    assert torch.equal(Probe.load(before).features(video), probe.features(video))


def test_a_file_with_other_weights_than_its_card_says_is_named(probe: Probe, tmp_path: Path) -> None:
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    probe.save(whole)
    with safe_open(whole, framework="pt") as file:
        card = file.metadata()
    save_file({"mean": torch.zeros(32)}, half, metadata=card)
    with pytest.raises(ValueError, match=r"half\.safetensors does not hold the probe that its card speaks of: delete"):
        Probe.load(half)


def test_features_that_are_kept_elsewhere_come_to_the_probe() -> None:
    probe = Probe(attributes={"place": ["hill", "snow"]}).to("meta")
    assert probe.classify(torch.zeros(2, probe.dim))["place"].device.type == "meta"
