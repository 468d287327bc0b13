import csv

import pytest
from lightning.pytorch.loggers import CSVLogger
from PIL import Image

from t2vgan.callbacks.attention import Attention

TIMES = [0.0, 0.25, 0.5, 0.75]


def attention(fit, **options) -> Attention:
    return Attention(**{
        "path": fit.folder / "attention.png", "prompt": "a lion runs at dusk", "times": TIMES, "every_clips": 8,
        **options,
    })  # fmt: skip


def test_picture_and_numbers(fit):
    logger = CSVLogger(fit.folder, name="logs", version="")
    fit(attention(fit), logger=logger)
    assert Image.open(fit.folder / "attention.png").height > 6 * 40  # the clip and five words
    with (fit.folder / "logs" / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["attention/random_change"]]
    assert [float(row["clips_seen"]) for row in rows] == [8, 16, 20]
    assert all(float(row["attention/most_attended_change"]) > 0 for row in rows)


def test_not_twice_when_the_end_is_a_multiple(fit, monkeypatch):
    written = []
    monkeypatch.setattr("t2vgan.callbacks.attention.write_png", lambda path, image: written.append(path.name))
    fit(attention(fit), batches=4)
    assert written == ["attention.png"] * 2


def test_the_first_caption_of_val(fit):
    callback = attention(fit, prompt="", every_clips=0)
    fit(callback)
    assert callback.prompt == "a lion runs at dusk" and (fit.folder / "attention.png").is_file()


def test_fast_dev_run(fit):
    fit(attention(fit, every_clips=1000), fast_dev_run=True)
    assert (fit.folder / "attention.png").is_file()


@pytest.mark.parametrize("how", ["no attend", "no maps"])
def test_a_generator_without_attention_is_passed_over_with_a_line(fit, how, capsys):
    module = fit.Tiny()
    painter = type(module.ema_generator)

    class Blind(painter):  # type: ignore[misc, valid-type]
        def attend(self, z, text, times):
            if how == "no attend":
                raise AttributeError
            video, maps = super().attend(z, text, times)
            return video, maps[..., :1, :1] * 0

        def __getattribute__(self, name):
            if name == "attend" and how == "no attend":
                raise AttributeError(name)
            return super().__getattribute__(name)

    module.ema_generator.__class__ = Blind
    fit(attention(fit, every_clips=4), module=module)
    assert capsys.readouterr().out.count("attends to no words") == 1
    assert not (fit.folder / "attention.png").exists()
