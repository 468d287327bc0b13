"""A run's generator as one file."""

from __future__ import annotations

import sys
from pathlib import Path

import jaxtyping
import pytest
import torch

from t2vgan import assemble, config, export, portable
from t2vgan.checkpoint import load_generator, save_generator
from t2vgan.command import run_command
from t2vgan.text import TextPipeline


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    experiment = config.load("smoke", [])
    game = assemble.model(experiment, assemble.text_pipeline(experiment))
    parts = {"generator": game.ema_generator, "text_encoder": game.ema_text_encoder}
    tensors = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    folder = tmp_path_factory.mktemp("runs") / "smoke" / "00000"
    save_generator(folder / "checkpoints" / "generator.safetensors", tensors, config.to_dict(experiment), {"n": 1})
    return folder


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["export", *map(str, arguments)])
    run_command(export.main)


def test_half_precision_halves_the_file_and_hardly_changes_the_clips(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    call(monkeypatch, run, "-o", whole)
    call(monkeypatch, run, "-o", half, "--half")
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    assert load_generator(half)[2]["n"] == 1, "what is known of the model stays with it"
    z = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    clips = [assemble.load_model(path)[0].generate(["A lion runs", "A zebra rests"], z=z) for path in (whole, half)]
    assert clips[0].dtype == clips[1].dtype == torch.float32
    assert 0 < (clips[0] - clips[1]).abs().max() < 0.05


def test_where_a_run_began_is_told_without_the_folders_of_this_machine(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors, config_, card = load_generator(run / "checkpoints" / "generator.safetensors")
    own = {**config_, "start": "/home/somebody/runs/00003", "extends": "/home/somebody/base.yaml"}
    own["text"] = {**own["text"], "vectors": "/home/somebody/vec.txt"}
    save_generator(tmp_path / "own.safetensors", tensors, own, card)
    call(monkeypatch, tmp_path / "own.safetensors", "-o", tmp_path / "shared.safetensors")
    shared = load_generator(tmp_path / "shared.safetensors")[1]
    assert shared["start"] == "00003" and shared["text"]["vectors"] == "vec.txt" and shared["extends"] == "base.yaml"
    assert "somebody" not in str(shared)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("lion.pt", "end in one of .safetensors, .onnx, .pt2"),
        ("lion", "end in one of .safetensors, .onnx, .pt2"),
        ("there.safetensors", "exists"),
        ("there.onnx", "exists"),
        ("new.safetensors", ""),
    ],
)
def test_mistakes_and_what_is_none(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    output: str,
    words: str,
) -> None:
    for name in ("there.safetensors", "there.onnx"):
        (tmp_path / name).write_text("mine")
    if words:
        with pytest.raises(SystemExit):
            call(monkeypatch, run, "-o", tmp_path / output)
        assert words in capsys.readouterr().err
    else:
        call(monkeypatch, run, "-o", tmp_path / output)
    assert {(tmp_path / name).read_text() for name in ("there.safetensors", "there.onnx")} == {"mine"}


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as stop:
        call(monkeypatch, *arguments)
    error = capsys.readouterr().err
    assert stop.value.code == 2 and error.startswith("t2vgan: error: ") and error.count("\n") == 1
    return error


def test_other_mistakes(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program, weights = tmp_path / "lion.onnx", run / "checkpoints" / "generator.safetensors"
    assert "compute in float32" in refused(monkeypatch, capsys, run, "-o", program, "--half")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(weights.read_bytes()[:-9])
    assert "damaged" in refused(monkeypatch, capsys, broken, "-o", program)
    assert "no such file" in refused(monkeypatch, capsys, tmp_path / "none", "-o", program)
    assert "has the run saved one yet?" in refused(monkeypatch, capsys, tmp_path, "-o", program)
    tensors, saved, card = load_generator(weights)
    tensors["generator.constant"] = tensors["generator.constant"][:, :3]
    save_generator(broken, tensors, saved, card)
    assert "made by another version of t2vgan" in refused(monkeypatch, capsys, broken, "-o", program)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "pip install 't2vgan[onnx]'" in refused(monkeypatch, capsys, run, "-o", program)
    assert not program.exists()


def test_a_program_from_the_command_line(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lion.pt2"
    monkeypatch.setattr(assemble, "text_pipeline", lambda *_, **__: TextPipeline(max_words=8))
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # tracing puts symbols where an int is expected
    call(monkeypatch, run, "-o", path)
    assert "any number of clips, any number of frames, 8 words; colours within" in capsys.readouterr().out
    metadata = portable.opened_pt2(path)[1]
    assert metadata["card"]["n"] == 1 and metadata["config"]["name"] == "smoke"
