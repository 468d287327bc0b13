import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from t2vgan.callbacks.ema import EMA
from t2vgan.callbacks.samples import Samples, first_clips, frames_of

PROMPTS = ["a lion runs at dusk", "a lion sleeps at dawn"]


def samples(fit, **options) -> Samples:
    return Samples(
        **{"folder": fit.folder / "samples", "prompts": PROMPTS, "count": 8, "every_clips": 8, "fps": 4, **options}
    )


def names(fit) -> list[str]:
    return sorted(path.name for path in (fit.folder / "samples").iterdir())


def frames_in(path: Path) -> int:
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == 4
        return sum(1 for _ in container.decode(video=0))


def test_files_at_their_counts_and_at_the_end(fit):
    fit(samples(fit))
    assert names(fit) == [f"{n:09d}.{kind}" for n in (8, 16, 20) for kind in ("mp4", "png")]
    assert frames_in(fit.folder / "samples" / "000000020.mp4") == 4


def test_without_pyav_clips_are_gifs(fit, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    fit(samples(fit))
    assert names(fit) == [f"{n:09d}.{kind}" for n in (8, 16, 20) for kind in ("gif", "png")]
    with Image.open(fit.folder / "samples" / "000000020.gif") as gif:
        assert gif.n_frames == 4


def test_not_twice_when_the_end_is_a_multiple(fit, monkeypatch):
    written = []
    monkeypatch.setattr("t2vgan.callbacks.samples.write_png", lambda path, image: written.append(path.name))
    fit(samples(fit), batches=4)
    assert written == ["000000008.png", "000000016.png"]


def test_only_at_the_end(fit):
    fit(samples(fit, every_clips=0))
    assert names(fit) == ["000000020.mp4", "000000020.png"]


def test_fast_dev_run_still_writes_files(fit):
    trainer, _ = fit(samples(fit, every_clips=10_000), fast_dev_run=True, logger=True, limit_val_batches=1.0)
    assert trainer.fast_dev_run
    assert names(fit) == ["000000004.mp4", "000000004.png"]


def test_the_same_noise_and_the_averaged_weights_each_time(fit):
    """Nobody updates the average here, so the pictures stay the same while the generator learns; with EMA they move."""
    fit(samples(fit))
    still = [(fit.folder / "samples" / f"{n:09d}.png").read_bytes() for n in (8, 16, 20)]
    assert still[0] == still[1] == still[2]
    fit(EMA(halflife_clips=1, rampup=1), samples(fit))
    moving = [(fit.folder / "samples" / f"{n:09d}.png").read_bytes() for n in (8, 16, 20)]
    assert len({*moving, still[0]}) == 4


def test_training_goes_on_as_without(fit):
    weights = []
    for callbacks in ([], [samples(fit)]):
        module = fit(*callbacks)[1]
        weights.append(torch.cat([p.flatten() for p in module.parameters()]))
    assert torch.equal(*weights)


def test_captions_of_val_with_the_real_clips_beside(fit):
    callback = samples(fit, prompts=[], count=5)
    fit(callback)
    assert callback.captions == [
        "a lion runs at dusk", "a lion sleeps at dawn", "a lion runs at dawn", "a lion sleeps at dusk",
        "a lion runs at dusk",
    ]  # fmt: skip
    assert callback.real is not None and len(callback.real) == 5
    assert callback.real[4].shape == (4, 8, 8, 3) and callback.real[4][0, 0, 0, 0] == round((4 / 20 + 0.5) * 127.5)
    wide = Image.open(fit.folder / "samples" / "000000008.png").width
    fit(samples(fit, count=5))
    assert wide > 1.8 * Image.open(fit.folder / "samples" / "000000008.png").width


def test_more_prompts_than_count(fit):
    assert samples(fit, prompts=["a", "b", "c"], count=2).captions == ["a", "b"]


def test_mistakes(fit):
    with pytest.raises(ValueError, match="at least 1"):
        samples(fit, count=0)
    with pytest.raises(ValueError, match=r"set samples\.prompts"):
        first_clips(fit.trainer(), 3)


def test_frames_of():
    video = torch.zeros(2, 3, 4, 6, 5)
    video[1, 0, 2, 3, 4] = 1.0
    clips = frames_of(video)
    assert [clip.shape for clip in clips] == [(4, 6, 5, 3)] * 2 and clips[0].dtype == np.uint8
    assert clips[1][2, 3, 4].tolist() == [255, 128, 128] and clips[1].astype(int).sum() == 4 * 6 * 5 * 3 * 128 + 127
