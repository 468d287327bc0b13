"""The probe on demand: trained once, kept, and found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from t2vgan import assemble, judges
from t2vgan.config import ConfigError, load
from t2vgan.datasets.savanna import Savanna


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


def test_other_settings_are_another_probe(clips: Savanna, tmp_path: Path):
    judges.trained_probe(clips, tmp_path, epochs=1, width=4)
    judges.trained_probe(clips, tmp_path, epochs=1, width=4, seed=1)
    assert len(list(tmp_path.glob("probe-*.safetensors"))) == 2


def test_a_mistyped_setting_is_one_line():
    with pytest.raises(ConfigError, match=r"evaluation\.probe has no 'epoch', did you mean 'epochs'"):
        assemble.judge(load("smoke", ["evaluation.probe.epoch=3"]))
