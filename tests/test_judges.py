"""Judges on demand: trained once, kept, and found again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torchmetrics import metric

from t2vgan import assemble, judges
from t2vgan.config import ConfigError, Experiment, load
from t2vgan.datasets.savanna import Savanna
from t2vgan.metrics.probe import Probe
from t2vgan.shapes import Sample
from t2vgan.video.decode import VideoError
from t2vgan.video.encode import write_mp4


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Savanna:
    return Savanna(root=tmp_path_factory.mktemp("data"), split="probe", size=64, frames=16, duration_s=2.0, limit=24)


def test_a_probe_is_trained_once_and_then_found(clips: Savanna, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first = judges.trained_probe(clips, tmp_path, epochs=1, width=4)
    assert set(first.attributes) == {"subject", "appearance", "action", "direction", "place", "time", "camera"}
    assert not any(p.requires_grad for p in first.parameters()) and first.fingerprint
    assert all(0 <= accuracy <= 1 for accuracy in first.accuracy.values()) and first.accuracy
    assert not list(tmp_path.glob("probe-frames-*")), "the frames that it was trained on are gone"

    monkeypatch.setattr(judges, "fit_probe", lambda *_, **__: pytest.fail("trained twice"))
    again = judges.trained_probe(clips, tmp_path, epochs=1, width=4)
    for name, tensor in first.state_dict().items():
        assert (again.state_dict()[name] == tensor).all(), name


def test_one_process_of_a_run_makes_the_judge_without_the_others(clips: Savanna, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(metric, "jit_distributed_available", lambda: True)
    monkeypatch.setattr(metric, "gather_all_tensors", lambda *_: pytest.fail("it waits for the others"))
    assert judges.trained_probe(clips, tmp_path, epochs=1, width=4).accuracy


def test_other_settings_are_another_probe(clips: Savanna, tmp_path: Path):
    judges.trained_probe(clips, tmp_path, epochs=1, width=4)
    judges.trained_probe(clips, tmp_path, epochs=1, width=4, seed=1)
    assert len(list(tmp_path.glob("probe-*.safetensors"))) == 2


def test_the_second_kind_is_kept_beside_the_first(clips: Savanna, tmp_path: Path):
    first = judges.trained_probe(clips, tmp_path, epochs=1, width=4)
    second = judges.trained_probe(clips, tmp_path, epochs=1, width=4, seed=1, name="probe2")
    assert (second.name, second.seed) == ("probe2", 1) and type(second.body) is not type(first.body)
    assert second.attributes == first.attributes and second.accuracy.keys() == first.accuracy.keys()
    assert [p.name.split("-")[0] for p in sorted(tmp_path.glob("*.safetensors"))] == ["probe", "probe2"]


def test_a_retriever_is_trained_once_and_then_found(clips: Savanna, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first = judges.trained_retriever(clips, tmp_path, epochs=1, width=4)
    assert first.fingerprint and set(first.accuracy) == {"random", "hard"}
    assert [p.name for p in tmp_path.glob("*.safetensors")] == [next(tmp_path.glob("retriever-*.safetensors")).name]

    monkeypatch.setattr(judges, "fit_dual_encoder", lambda *_, **__: pytest.fail("trained twice"))
    again = judges.trained_retriever(clips, tmp_path, epochs=1, width=4)
    told = ["a lion in the snow"]
    assert (again.embed_captions(told) == first.embed_captions(told)).all() and again.accuracy == first.accuracy


def test_a_damaged_judge_is_one_clear_error(clips: Savanna, tmp_path: Path):
    judges.trained_retriever(clips, tmp_path, epochs=1, width=4)
    (path,) = tmp_path.glob("*.safetensors")
    path.write_bytes(b"half a file")
    with pytest.raises(ValueError, match=r"retriever-.* cannot be read as a retriever .*: delete it to have it"):
        judges.trained_retriever(clips, tmp_path, epochs=1, width=4)


class Unreadable:
    """Clips without ground truth, of which every third cannot be read; the frames are noise."""

    fingerprint = "unreadable"

    def __len__(self) -> int:
        return 12

    def frames(self, index: int) -> np.ndarray:
        if index % 3 == 0:
            raise VideoError(f"clip {index} is damaged")
        return np.random.default_rng(index).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)

    def __getitem__(self, index: int) -> Sample:
        times = np.arange(8, dtype=np.float32) / 4
        told = f"clip number {index}", "nothing of the kind"
        return Sample(self.frames(index), times, *told, key=str(index), index=index, contrasts=(told,))

    def draw(self, index: int, rng: np.random.Generator) -> Sample:
        return self[index]


def test_a_retriever_needs_no_ground_truth_and_passes_over_what_cannot_be_read(tmp_path: Path):
    made = judges.trained_retriever(Unreadable(), tmp_path, epochs=1, width=4)
    assert made.accuracy == {} and made.embed_captions(["a clip"]).shape == (1, made.dim)


def test_which_judges_an_experiment_has(tmp_path: Path):
    few = [f"data.root={tmp_path}", "evaluation.probe={clips: 12, epochs: 1, width: 4}"]
    experiment = load("smoke", few)
    second, retriever = assemble.second_judge(experiment), assemble.retriever(experiment)
    assert second is not None and (second.name, second.seed) == ("probe2", 1)
    assert sorted(p.name.split("-")[0] for p in assemble.cache_folder(experiment).glob("*.safetensors")) == [
        "probe2",
        "retriever",
    ]
    assert retriever.accuracy == {} and retriever.name == "retriever"
    folder = load("smoke", ["data.dataset={name: captioned_folder}"])
    assert assemble.second_judge(folder) is None


def manifest_of(folder: Path, *, told: bool) -> Path:
    """24 videos of two colours, one of them damaged; `told`: the manifest says which colour."""
    lines = []
    for i in range(24):
        colour = "red" if i % 2 else "blue"
        frames = np.full((16, 32, 32, 3), (220, 20, 20) if i % 2 else (20, 20, 220), dtype=np.uint8)
        write_mp4(folder / f"{i}.mp4", frames, fps=8)
        known = {"attributes": {"colour": colour}} if told else {}
        lines.append(json.dumps({"video": f"{i}.mp4", "caption": f"a {colour} wall", "split": "train", **known}))
    (folder / "5.mp4").write_bytes(b"no video")
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def own(folder: Path, **probe: Any) -> Experiment:
    data = [f"data.root={folder}", "data.dataset.name=manifest", f"data.dataset.root={folder}"]
    settings = {"clips": 24, "epochs": 2, "width": 4, **probe}
    return load("own_clips", [*data, f"evaluation.probe={json.dumps(settings)}"])


def test_ground_truth_of_ones_own_makes_a_judge_where_a_split_is_named(tmp_path: Path):
    folder = manifest_of(tmp_path, told=True)
    assert assemble.judge(own(folder)).name == "effnet" and assemble.second_judge(own(folder)) is None
    judge, second = assemble.judge(own(folder, split="train")), assemble.second_judge(own(folder, split="train"))
    assert isinstance(judge, Probe) and second is not None
    assert judge.attributes == second.attributes == {"colour": ["blue", "red"]}


def test_a_split_without_ground_truth_is_one_line(tmp_path: Path):
    folder = manifest_of(tmp_path, told=False)
    with pytest.raises(ValueError, match=r"^evaluation\.probe\.split: none of its 23 usable clips has attributes"):
        assemble.judge(own(folder, split="train"))


def test_a_mistyped_setting_is_one_line():
    with pytest.raises(ConfigError, match=r"evaluation\.probe has no 'epoch', did you mean 'epochs'"):
        assemble.judge(load("smoke", ["evaluation.probe.epoch=3"]))
