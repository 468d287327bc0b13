"""Runs that begin with what another one has learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from t2vgan import assemble, config, warm_start
from t2vgan.checkpoint import save_generator
from t2vgan.config import ConfigError
from t2vgan.module import T2VGAN
from t2vgan.sealed import sealed
from t2vgan.text import TextPipeline, fit_words
from t2vgan.training import check_in_time


def game_of(words: TextPipeline, *overrides: str) -> T2VGAN:
    return assemble.model(config.load("smoke", overrides), words)


@pytest.fixture
def run(tmp_path: Path, words: TextPipeline) -> Path:
    """A folder with the checkpoint and the generator file of a game with other weights than those of seed 0."""
    game = game_of(words, "seed=1")
    game.clips_seen.fill_(64)
    game.ema_generator.constant.data.add_(1.0)  # type: ignore[union-attr,operator]
    folder = tmp_path / "runs" / "smoke" / "00000" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "last.ckpt").write_bytes(sealed({"state_dict": game.state_dict(), "vectors": words.version}))
    tensors = {
        f"{name}.{key}": value
        for name, part in (("generator", game.ema_generator), ("text_encoder", game.ema_text_encoder))
        for key, value in part.state_dict().items()
    }
    save_generator(folder / "generator.safetensors", tensors, config.to_dict(game.config), {"vectors": words.version})
    return folder.parent


def test_a_run_gives_both_players_and_their_averages(run: Path, words: TextPipeline):
    game, there = game_of(words), torch.load(run / "checkpoints" / "last.ckpt")["state_dict"]
    said = warm_start.begin(game, str(run))
    assert all(torch.equal(value, there[name]) for name, value in game.state_dict().items() if name != "clips_seen")
    assert int(game.clips_seen) == 0, "a run of its own"
    trained = [name for name, _ in game.named_parameters() if not name.startswith("ema_")]
    assert said == f"begins with {run}/checkpoints/last.ckpt: {len(trained)} of {len(trained)} tensors"


def test_a_generator_file_gives_the_averages_of_one_player(run: Path, words: TextPipeline):
    game, before = game_of(words), game_of(words)
    file = run / "checkpoints" / "generator.safetensors"
    warm_start.begin(game, str(file))
    there = torch.load(run / "checkpoints" / "last.ckpt")["state_dict"]
    for name, value in game.state_dict().items():
        if name.removeprefix("ema_").startswith(("generator.", "text_encoder.")):
            assert torch.equal(value, there[f"ema_{name.removeprefix('ema_')}"]), name
        else:
            assert torch.equal(value, before.state_dict()[name]), name
    (run / "checkpoints" / "last.ckpt").unlink()
    assert warm_start.source(str(run)) == file


def test_clips_begin_as_they_were_enlarged(run: Path, words: TextPipeline):
    small, large = game_of(words), game_of(words, "clip.size=64")
    said = warm_start.begin(small, str(run)), warm_start.begin(large, str(run))
    assert "; new are " in said[1] and "of generator" in said[1] and "new" not in said[0]
    z = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    captions = ["a lion runs at dusk", "two zebras at dawn"]
    for ema in (True, False):
        one, other = (game.eval().generate(captions, z=z, ema=ema).flatten(0, 1) for game in (small, large))
        assert other.shape[-1] == 64 and (F.avg_pool2d(other, 4) - one).abs().mean() < 0.15 * one.std()
    grey = game_of(words, "clip.size=64").eval().generate(captions, z=z).flatten(0, 1)
    assert (F.avg_pool2d(grey, 4) - one).abs().mean() > 0.5 * one.std(), "else this would be so of any other weights"


def test_legs_are_there_from_the_first_round_on(words: TextPipeline, run: Path):
    for overrides, grown in (((), 0.0), ((f"start={run}",), 1.0)):
        game: Any = game_of(words, *overrides)
        game.grow(0.1)
        assert float(game.generator.steering.grown) == float(game.ema_generator.steering.grown) == grown


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("runs/smoke/00007", r"start: there is no runs/smoke/00007; name a run folder, a checkpoint, a generator file"),
        ("empty", r"start: empty: no generator\.safetensors in it"),
        ("damaged.ckpt", r"start: damaged\.ckpt is damaged \(it is cut off"),
        ("damaged.safetensors", r"start: damaged\.safetensors: this is not a t2vgan generator"),
        ("others.ckpt", r"start: others\.ckpt: trained with other word vectors"),
        ("nothing.ckpt", r"start: nothing in nothing\.ckpt fits this generator"),
        ("convlstm.ckpt", r"start: nothing in convlstm\.ckpt fits this generator \(continuous\)"),
    ],
)
def test_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: TextPipeline, run: Path, start: str, said: str
):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("damaged.ckpt").write_bytes((run / "checkpoints" / "last.ckpt").read_bytes()[:-100])
    Path("damaged.safetensors").write_bytes(b"no such thing")
    content = {"state_dict": game_of(words).state_dict(), "vectors": "others"}
    Path("others.ckpt").write_bytes(sealed(content))
    Path("nothing.ckpt").write_bytes(sealed({"weights": 1}))
    other = {f"generator.lstm.{name}": torch.zeros(3) for name in "ab"}
    Path("convlstm.ckpt").write_bytes(sealed({"state_dict": other}))
    with pytest.raises(ConfigError, match=said) as told:
        warm_start.begin(game_of(words), start)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("file", ["last.ckpt", "generator.safetensors"])
def test_words_are_read_as_they_were(words: TextPipeline, run: Path, file: str):
    """Without its whitening what a first layer has learned would read other numbers."""
    without = "text.encoder.whiten=false"
    with pytest.raises(ConfigError, match=rf"{file} reads words otherwise: set text\.encoder\.whiten=true"):
        warm_start.begin(game_of(words, without), str(run / "checkpoints" / file))
    there, game = game_of(words, without), game_of(words)
    path = run / "plain.ckpt"
    path.write_bytes(sealed({"state_dict": there.state_dict(), "vectors": words.version}))
    with pytest.raises(ConfigError, match=r"set text\.encoder\.whiten=false"):
        warm_start.begin(game, str(path))
    there = game_of(words, "seed=1")
    fit_words(there, torch.randn(20, words.vector_dim))
    path.write_bytes(sealed({"state_dict": there.state_dict(), "vectors": words.version}))
    warm_start.begin(game, str(path))
    for name in ("text_encoder.word.whitening", "ema_text_encoder.word.whitening"):
        mine, its = (g.state_dict()[name] for g in (game, there))
        assert torch.equal(mine, its) and not torch.equal(its, torch.eye(len(its)))


def test_a_typo_is_found_before_data_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"start: there is no pretraned"):
        check_in_time(config.load("smoke", ["start=pretraned", "logger.wandb=off"]), None)
