"""Programs of untrained generators against the generators themselves, by torch.export and by ONNX Runtime."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jaxtyping
import pytest
import torch

from t2vgan import assemble, config, portable
from t2vgan.text import TEXT_ENCODERS

WORDS = 6  # few: a recurrent encoder is unrolled over them
EXACT = 1e-5  # of colours in [-1, 1]: rounding in another order
SMALL = "z_dim: 16, dim: 32, width: 32"
PROMPTS = ["A lion runs", "A big old elephant walks left", "A zebra"]


@pytest.fixture(autouse=True, scope="module")
def unchecked() -> Iterator[None]:
    """Tracing puts symbols where annotations say int; the tests of the parts check those."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def made(*overrides: str, sentences: Any = None) -> Any:
    experiment = config.load("smoke", list(overrides))
    pipeline = assemble.text_pipeline(experiment)
    pipeline.sentences = sentences
    pipeline.max_words = WORDS
    model = assemble.model(experiment, pipeline, to_train=False).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():  # weights that start at zero would hide what they do
        for weight in model.ema_generator.parameters():
            weight += 0.02 * torch.randn(weight.shape, generator=generator)
    return model


@pytest.fixture(scope="module", params=["continuous", "convlstm"])
def model(request: pytest.FixtureRequest) -> Any:
    return made(f"generator={{name: {request.param}, {SMALL}}}")


@pytest.fixture(scope="module")
def program(model: Any) -> torch.export.ExportedProgram:
    example = portable.drawn(model, PROMPTS[:2], 8, words=WORDS, seed=0)
    return portable.traced(portable.whole(model), example, any_times=model.ema_generator.continuous)


@pytest.mark.parametrize("kind", ["pt2", "onnx"])
def test_a_program_shows_what_the_generator_shows(
    model: Any, program: torch.export.ExportedProgram, tmp_path: Path, kind: str
) -> None:
    """For other numbers of clips than it was traced with; of frames too where it renders any instant."""
    path, metadata = tmp_path / f"lion.{kind}", {"words": WORDS, "config": {"name": "smoke"}, "frames": None}
    write = portable.write_onnx if kind == "onnx" else portable.write_pt2
    write(path, program, metadata, any_times=model.ema_generator.continuous)
    run, told = portable.opened_onnx(path, threads=1) if kind == "onnx" else portable.opened_pt2(path)
    assert told == metadata
    net = portable.whole(model)
    for n, frames in ((1, 1), (3, 11)) if model.ema_generator.continuous else ((1, 8), (3, 8)):
        given = portable.drawn(model, PROMPTS[:n], frames, words=WORDS, seed=n)
        assert run(*given).shape == (n, 3, frames, 16, 16)
        assert portable.difference(run, net, given) < EXACT
        other = portable.drawn(model, PROMPTS[::-1][:n], frames, words=WORDS, seed=n)
        assert portable.difference(lambda *_, given=given: run(*given), net, other) > 100 * EXACT, "captions are read"


def test_the_network_is_what_the_model_generates(model: Any) -> None:
    z, times = torch.randn(2, 16), torch.arange(8).repeat(2, 1) * 0.25
    given = portable.inputs(model.text_pipeline(PROMPTS[:2]), z, times, words=WORDS)
    with torch.no_grad():
        made = portable.whole(model)(*given)
    assert (made - model.generate(PROMPTS[:2], z=z, times=times)).abs().max() < EXACT


@pytest.mark.parametrize("encoder", sorted(set(TEXT_ENCODERS) - {"recurrent"}))
def test_every_text_encoder_can_be_traced(encoder: str) -> None:
    model = made(f"text.encoder={{name: {encoder}, dim: 32}}", f"generator={{name: convlstm, {SMALL}}}")
    net = portable.whole(model)
    example, other = (portable.drawn(model, PROMPTS[:n], 8, words=WORDS, seed=n) for n in (2, 3))
    assert portable.difference(portable.traced(net, example, any_times=False).module(), net, other) < EXACT


@pytest.mark.parametrize("kind", ["pt2", "onnx"])
def test_sentence_vectors_go_in_where_they_are_read(sentences: Any, tmp_path: Path, kind: str) -> None:
    small = ("text.encoder={name: bag_of_words, dim: 32}", f"generator={{name: convlstm, {SMALL}}}")
    model = made(*small, sentences=sentences)
    net, path = portable.whole(model), tmp_path / f"lion.{kind}"
    example, other = (portable.drawn(model, PROMPTS[:n], 8, words=WORDS, seed=n) for n in (2, 3))
    write = portable.write_onnx if kind == "onnx" else portable.write_pt2
    write(path, portable.traced(net, example, any_times=False), {}, any_times=False)
    run, _ = portable.opened_onnx(path, threads=1) if kind == "onnx" else portable.opened_pt2(path)
    assert portable.difference(run, net, other) < EXACT
    turned = (*other[:-1], other[-1].roll(1, 0))
    assert portable.difference(lambda *_: run(*turned), net, other) > 100 * EXACT


def test_a_caption_that_is_too_long(model: Any) -> None:
    text = model.text_pipeline(["A very old and very big lion"])
    with pytest.raises(ValueError, match="a caption of 6 words: the program reads 5"):
        portable.inputs(text, torch.zeros(1, 16), torch.zeros(1, 8), words=5)


@pytest.fixture
def traced_before(program: torch.export.ExportedProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares tracing it again."""
    monkeypatch.setattr(portable, "traced", lambda *_, **__: program)


def test_export_says_how_far_it_is(model: Any, traced_before: None, tmp_path: Path) -> None:
    told = portable.export(model, tmp_path / "new" / "lion.pt2", config={"name": "x"}, card={"commit": "abc"})
    frames = "any number of frames" if model.ema_generator.continuous else "8 frames, as trained"
    assert told.startswith(f"any number of clips, {frames}, 6 words; colours within")
    metadata = portable.opened_pt2(tmp_path / "new" / "lion.pt2")[1]
    assert metadata["config"] == {"name": "x"} and metadata["card"] == {"commit": "abc"}
    assert (metadata["format"], metadata["words"], metadata["z_dim"]) == ("t2vgan-program", 6, 16)


@pytest.mark.parametrize("apart", [0.1, math.nan])
def test_a_program_that_differs_is_not_written(
    model: Any, traced_before: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apart: float
) -> None:
    (tmp_path / "lion.pt2").write_text("mine")
    monkeypatch.setattr(portable, "difference", lambda *_: apart)
    with pytest.raises(ValueError, match=r"lion\.pt2: not written: its colours are up to"):
        portable.export(model, tmp_path / "lion.pt2", config={}, card={})
    assert (tmp_path / "lion.pt2").read_text() == "mine" and len(list(tmp_path.iterdir())) == 1


def test_what_cannot_be_traced_is_said_in_a_line(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    example = portable.drawn(model, PROMPTS[:2], 8, words=WORDS, seed=0)
    monkeypatch.setattr(torch.export, "export", lambda *_, **__: torch.zeros(2) + torch.zeros(3))
    with pytest.raises(ValueError, match="this generator cannot be traced: The size of tensor a") as error:
        portable.traced(portable.whole(model), example, any_times=True)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_without_onnx(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=r"pip install 't2vgan\[onnx\]'"):
        portable.require_onnx()
