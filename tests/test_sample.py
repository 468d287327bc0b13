"""The command line, with the untrained generator of the smoke experiment."""

from __future__ import annotations

import re
import subprocess
import sys
import weakref
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from t2vgan import assemble, config, sample
from t2vgan.checkpoint import load_generator, save_generator
from t2vgan.command import run_command

PROMPT = "A majestic lion stalks its prey across the golden savanna at sunset"
LEARNED = [PROMPT, "A lion runs", "A zebra drinks in the snow at noon", "Two lions run"]
SIZE, FRAMES, SECONDS = 16, 8, 2.0


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run folder as `fit` leaves it."""
    return save(tmp_path_factory.mktemp("runs") / "smoke" / "00000")


def save(folder: Path, *overrides: str) -> Path:
    experiment = config.load("smoke", list(overrides))
    assert (experiment.clip.size, experiment.clip.frames, experiment.clip.duration_s) == (SIZE, FRAMES, SECONDS)
    pipeline = assemble.text_pipeline(experiment)
    pipeline.learn(LEARNED)
    game = assemble.model(experiment, pipeline, to_train=False)
    parts = {"generator": game.ema_generator, "text_encoder": game.ema_text_encoder}
    tensors = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    card = {"vocabulary": pipeline.vocabulary}
    save_generator(folder / "checkpoints" / "generator.safetensors", tensors, config.to_dict(experiment), card)
    (folder / "config.yaml").write_text(config.to_yaml(experiment))
    return folder


def call(monkeypatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["sample", *map(str, arguments)])
    run_command(sample.main)


def refused(monkeypatch, capsys, *arguments: object) -> str:
    with pytest.raises(SystemExit) as stop:
        call(monkeypatch, *arguments)
    error = capsys.readouterr().err
    assert stop.value.code == 2 and error.startswith("t2vgan: error: ") and error.count("\n") == 1
    return error


def frames_in(path: Path) -> tuple[np.ndarray, float]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return np.stack(frames), float(stream.average_rate)


def test_one_clip_as_it_is(run, tmp_path, monkeypatch, capsys):
    path = tmp_path / "new" / "lion.mp4"
    call(monkeypatch, PROMPT, "-o", path, "--checkpoint", run)
    frames, fps = frames_in(path)
    assert frames.shape == (FRAMES, 256, 256, 3) and fps == FRAMES / SECONDS
    assert capsys.readouterr().out == f"{path}: 1 clip of 8 frames, 2 s\n"


def test_the_newest_run_is_taken(run, tmp_path, monkeypatch):
    monkeypatch.setattr("t2vgan.runs.RUNS", run.parent.parent)
    call(monkeypatch, PROMPT, "-o", tmp_path / "a.png")
    call(monkeypatch, PROMPT, "-o", tmp_path / "b.png", "--experiment", "smoke")
    call(monkeypatch, PROMPT, "-o", tmp_path / "c.png", "--checkpoint", run / "checkpoints" / "generator.safetensors")
    assert len({(tmp_path / f"{name}.png").read_bytes() for name in "abc"}) == 1


def test_rate_length_and_scale(run, tmp_path, monkeypatch):
    path = tmp_path / "long.mp4"
    call(monkeypatch, PROMPT, "-o", path, "--checkpoint", run, "--fps", 30, "--length", 2.5, "--scale", 2)
    frames, fps = frames_in(path)
    assert frames.shape == (75, 32, 32, 3) and fps == 30


def test_several_clips_share_a_grid(run, tmp_path, monkeypatch):
    path = tmp_path / "two.gif"
    call(monkeypatch, "A lion runs", "A zebra drinks", "--count", 2, "-o", path, "--checkpoint", run, "--scale", 4)
    with Image.open(path) as image:
        assert image.format == "GIF" and image.width > 4 * 200 and 1 < image.n_frames <= FRAMES  # type: ignore[attr-defined]


def test_a_sheet_and_the_attention(run, tmp_path, monkeypatch):
    sheet, maps = tmp_path / "sheet.png", tmp_path / "words.png"
    call(monkeypatch, "A lion runs", "-o", sheet, "--attention", maps, "--checkpoint", run)
    assert Image.open(sheet).width > 8 * 96
    assert Image.open(maps).height > 3 * Image.open(sheet).height  # the clip and three words


def test_seed_and_count():
    first, more = sample.noise(0, 2, 16), sample.noise(0, 4, 16)
    assert torch.equal(first, more[:2]) and len(more.unique(dim=0)) == 4
    assert not torch.equal(first, sample.noise(1, 2, 16))


@pytest.mark.parametrize("name", ["continuous", "convlstm"])
def test_long_clips_do_not_depend_on_how_they_are_made(monkeypatch, name):
    """In parts where the generator allows it, in one go where it does not."""
    options = {"name": name, "z_dim": 16, "dim": 32, "width": 32}
    experiment = config.load("smoke", [f"generator={{{', '.join(f'{k}: {v}' for k, v in options.items())}}}"])
    game = assemble.model(experiment, assemble.text_pipeline(experiment), to_train=False).eval()
    times, z = [i / 4 for i in range(10)], sample.noise(0, 1, 16)
    [[whole]] = sample.render(game, [PROMPT], z, times)
    monkeypatch.setattr(sample, "FRAMES_AT_ONCE", 3)
    parts = list(sample.render(game, [PROMPT], z, times))
    assert [len(clip) for [clip] in parts] == ([3, 3, 3, 1] if name == "continuous" else [10])
    joined = np.concatenate([clip for [clip] in parts])
    assert whole.shape == joined.shape == (10, SIZE, SIZE, 3) and whole.std() > 0
    assert np.abs(whole.astype(int) - joined).max() <= 1


def test_a_grid_is_rendered_part_by_part_too(run, tmp_path, monkeypatch):
    arguments = ["A lion runs", "A zebra drinks", "--checkpoint", run, "--scale", 2]
    call(monkeypatch, *arguments, "-o", tmp_path / "whole.mp4")
    monkeypatch.setattr(sample, "OF_ALL_CLIPS", 6)
    call(monkeypatch, *arguments, "-o", tmp_path / "parts.mp4")
    whole, parts = (frames_in(tmp_path / f"{name}.mp4")[0] for name in ("whole", "parts"))
    assert whole.shape == parts.shape and np.abs(whole.astype(int) - parts).mean() < 0.5


def test_a_long_clip_takes_no_more_memory(run, tmp_path, monkeypatch):
    """What is alive at once are the frames of one part, however long the clip is."""
    alive, most = [0], [0]
    enlarge = sample.shown

    def counted(clips, captions, scale):
        frames = enlarge(clips, captions, scale)
        alive[0] += len(frames)
        most[0] = max(most[0], alive[0])
        weakref.finalize(frames, lambda n: alive.__setitem__(0, alive[0] - n), len(frames))
        return frames

    monkeypatch.setattr(sample, "shown", counted)
    monkeypatch.setattr(sample, "FRAMES_AT_ONCE", 8)
    path = tmp_path / "long.mp4"
    call(monkeypatch, PROMPT, "-o", path, "--checkpoint", run, "--length", 60, "--fps", 4, "--scale", 1)
    assert len(frames_in(path)[0]) == 240 and most[0] <= 3 * 8


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["  ", "-o", "a.mp4"], "a prompt is empty"),
        (["A lion", "-o", "a.avi"], "a.avi: the name has to end in one of .mp4, .gif, .png"),
        (["A lion", "-o", "a"], "the name has to end in"),
        (["A lion", "-o", "a.mp4", "--attention", "b.jpg"], "--attention b.jpg"),
        (["A lion", "-o", "a.mp4", "--fps", "0"], "--fps 0: has to be from 0.1 to 120"),
        (["A lion", "-o", "a.mp4", "--fps", "nan"], "--fps nan"),
        (["A lion", "-o", "a.mp4", "--fps", "1e-9"], "--fps 1e-09: has to be from 0.1 to 120"),
        (["A lion", "-o", "a.mp4", "--scale", "65"], "--scale 65: has to be from 1 to 64"),
        (["A lion", "-o", "a.mp4", "--length", "61"], "--length 61: has to be from 0.01 to 60"),
        (["A lion", "-o", "a.mp4", "--length", "-1"], "--length -1"),
        (["A lion", "-o", "a.mp4", "--scale", "0"], "--scale 0"),
        (["A lion", "-o", f"{__file__}/a.mp4"], "is a file, not a folder"),
        (["A lion", "-o", "a.mp4", "--attention", f"{__file__}/a.png"], "is a file, not a folder"),
        (["A lion", "-o", "a.mp4", "--count", "0"], "--count 0"),
        (["A lion", "A zebra", "-o", "a.mp4", "--count", "33"], "--count 33: from 1 to 64 clips in all"),
        (["A lion", "-o", "a.mp4", "--checkpoint", "x", "--experiment", "y"], "either --checkpoint or --experiment"),
        (["A lion", "-o", "a.mp4", "--checkpoint", "nowhere.safetensors"], "there is no such file"),
        (["A lion", "-o", "a.mp4", "--experiment", "nothing"], "'nothing'"),
    ],
)
def test_mistakes_are_one_line(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert said in refused(monkeypatch, capsys, *arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["-o", "a.mp4", "--count", 2, "--fps", 120, "--length", 60],
            "2 clips of 7200 frames are too many: at most 10000",
        ),
        (
            ["-o", "a.gif", "--fps", 100, "--length", 30],
            "1 clip of 3000 frames are too many: at most 2000 frames in all",
        ),
        (
            ["-o", "a.gif", "--length", 60, "--fps", 10, "--scale", 64],
            "--scale 64: too large for 600 frames of it: here it can be at most 59",
        ),
        (
            ["-o", "a.mp4", "--count", 64, "--scale", 64],
            "--scale 64: 64 of 16 pixels are too large: here it can be at most 32",
        ),
    ],
)
def test_what_is_too_large_for_a_file(run, tmp_path, monkeypatch, capsys, options, said):
    monkeypatch.chdir(tmp_path)
    assert said in refused(monkeypatch, capsys, "A lion", *options, "--checkpoint", run)
    assert not list(tmp_path.iterdir())


def test_too_long_for_a_generator_that_walks(tmp_path, monkeypatch, capsys):
    save(tmp_path / "run", "generator={name: convlstm, z_dim: 16, dim: 32, width: 32}")
    options = ["--length", 60, "--fps", 10, "--checkpoint", tmp_path / "run"]
    assert "at most 512" in refused(monkeypatch, capsys, "A lion", "-o", tmp_path / "a.mp4", *options)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("A lion runs", ""),
        ("a LION was running", ""),
        ("A tiger eats pizza in the savanna", "never seen in training: tiger (nearest known: lion"),
        ("An aardwolfx runs", "never seen in training: aardwolfx"),
        ("Ein L\u00f6we rennt durch die Steppe", "no word of it was seen in training, the clip will not show it"),
        ("\u043b\u0435\u0432 \u0431\u0435\u0436\u0438\u0442", "no word of it was seen in training"),
        ("12 345", "no word of it was seen in training"),
        ("the of a", "names nothing to show"),
        ("lion runs " * 5_000, "only its first 40 words are read"),
        ("dog cat horse cow tree car", "and 1 more"),
    ],
    ids=lambda text: text[:12],
)
def test_what_is_said_of_prompts(run, tmp_path, monkeypatch, capsys, recwarn, prompt, said):
    """Whatever the prompt is, there is a clip; what it cannot show is said in a line."""
    call(monkeypatch, prompt, "-o", tmp_path / "a.png", "--checkpoint", run)
    notes = capsys.readouterr().err
    assert said in notes and notes.count("\n") == bool(said) and notes.startswith("t2vgan: note: " if said else "")
    assert not [each for each in recwarn if "words" in str(each.message)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda tensors, saved: tensors.pop("generator.constant"),
            "made by another version of t2vgan (commit abc): 1 te",
        ),
        (lambda tensors, saved: tensors.update({"generator.x": torch.ones(1)}), "such as x; train anew"),
        (
            lambda tensors, saved: saved["generator"].update(name="dreams"),
            "another version of t2vgan: generator: no part",
        ),
        (lambda tensors, saved: saved["generator"].update(wdth=3), "has no option 'wdth'"),
        (lambda tensors, saved: saved.update(dreams=1), "unknown key 'dreams'"),
    ],
)
def test_a_file_of_another_version(run, tmp_path, monkeypatch, capsys, change, said):
    tensors, saved, _ = load_generator(run / "checkpoints" / "generator.safetensors")
    change(tensors, saved)
    path = tmp_path / "old.safetensors"
    save_generator(path, tensors, saved, {"commit": "abc"})
    error = refused(monkeypatch, capsys, "A lion", "-o", tmp_path / "a.mp4", "--checkpoint", path)
    assert said in error and len(error) < 400 and not (tmp_path / "a.mp4").exists()


@pytest.mark.parametrize(
    "damage", [lambda c: c[: len(c) // 2], lambda c: c[:-1] + b"x", lambda c: b"", lambda c: c[9:]]
)
def test_a_damaged_file(run, tmp_path, monkeypatch, capsys, damage):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(damage((run / "checkpoints" / "generator.safetensors").read_bytes()))
    error = refused(monkeypatch, capsys, "A lion", "-o", tmp_path / "a.mp4", "--checkpoint", path)
    assert "damaged" in error or "not a t2vgan generator" in error


def test_the_model_that_ships_is_of_this_version(tmp_path, monkeypatch):
    call(monkeypatch, "A lion runs", "-o", tmp_path / "lion.png", "--checkpoint", "pretrained")
    assert np.asarray(Image.open(tmp_path / "lion.png")).std() > 10


def test_where_no_words_are_attended_to_nothing_is_written(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("t2vgan.callbacks.spotlight.Spotlight.has_maps", False)
    arguments = ["A lion", "-o", tmp_path / "a.png", "--attention", tmp_path / "b.png", "--checkpoint", run]
    assert "attends to no words" in refused(monkeypatch, capsys, *arguments)
    assert not list(tmp_path.iterdir())


def test_files_are_not_overwritten_unasked(run, tmp_path, monkeypatch, capsys):
    path = tmp_path / "a.png"
    path.write_text("precious")
    assert "--force" in refused(monkeypatch, capsys, "A lion", "-o", path, "--checkpoint", run)
    arguments = ["A lion", "-o", tmp_path / "b.png", "--attention", path, "--checkpoint", run]
    assert "--force" in refused(monkeypatch, capsys, *arguments)
    assert path.read_text() == "precious" and not (tmp_path / "b.png").exists()
    folder = tmp_path / "folder.mp4"
    folder.mkdir()
    assert "folder.mp4 is a folder: name a file" in refused(monkeypatch, capsys, "A lion", "-o", folder, "--force")
    call(monkeypatch, "A lion", "-o", path, "--checkpoint", run, "--force")
    assert Image.open(path).format == "PNG"


def test_the_help_is_quick_and_shows_examples():
    """Without importing torch."""
    code = "import sys; sys.argv = ['sample', '--help']\ntry:\n import t2vgan.sample as s; s.main()\n"
    code += "except SystemExit:\n print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert re.search(r'python -m t2vgan\.sample ".+" -o lion\.mp4', done.stdout)
    assert done.stdout.rstrip().endswith("False")
