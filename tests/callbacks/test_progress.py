import io
import re
import sys

import pytest
from lightning.pytorch import callbacks

from t2vgan.callbacks.progress import ProgressBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def fit_with(fit, bar, **options):
    trainer = fit.trainer(bar, **options)
    trainer.fit(fit.Tiny(), datamodule=fit.Data())
    return trainer


@pytest.fixture(autouse=True)
def with_bars(monkeypatch):
    """The other tests switch Lightning's bar off."""
    import lightning.pytorch as pl

    ordinary = pl.Trainer.__init__
    monkeypatch.setattr(
        pl.Trainer, "__init__", lambda self, **options: ordinary(self, **{**options, "enable_progress_bar": True})
    )


def test_lines_when_stdout_is_a_file(fit, capsys):
    fit_with(fit, ProgressBar(total_clips=200, line_every_s=0))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("fit ")]
    assert len(lines) == 6  # one per step, one at the end
    pattern = r"fit    6\.0 %  12 / 200 clips  [\d,.e+]+ clips/s  \d+ s left  d [\d.]+  g [\d.]+"
    assert re.fullmatch(pattern, lines[2]), lines[2]
    assert lines[-1].startswith("fit   10.0 %  20 / 200 clips")


def test_seldom_and_at_the_end(fit, capsys):
    fit_with(fit, ProgressBar(total_clips=20))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("fit ")]
    assert len(lines) == 1 and lines[0].startswith("fit  100.0 %  20 / 20 clips")


def test_bars_in_a_terminal(fit, monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", "120")
    bar, during = ProgressBar(total_clips=20), []

    class Look(callbacks.Callback):
        def on_validation_batch_end(self, trainer, pl_module, *args):
            shown = {task.description: task for task in bar._bars.tasks}
            during.append((shown["validate"].visible, shown["validate"].completed, shown["validate"].total))

    trainer = fit.trainer(bar, Look(), limit_val_batches=1.0)
    trainer.fit(fit.Tiny(), datamodule=fit.Data())
    assert during == [(True, 1, 2), (True, 2, 2)]
    assert bar._bars is None and "20 / 20 clips" in screen.getvalue()


def test_replaces_lightnings_own(fit):
    trainer = fit.trainer(ProgressBar(total_clips=20))
    bars = [callback for callback in trainer.callbacks if isinstance(callback, callbacks.ProgressBar)]
    assert len(bars) == 1 and isinstance(bars[0], ProgressBar) and trainer.progress_bar_callback is bars[0]


def test_an_error_takes_the_bars_down(fit, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    bar, module = ProgressBar(total_clips=20), fit.Tiny()

    def fail(seen: int) -> None:
        assert bar._bars is not None
        raise RuntimeError("out of luck")

    module.midway = fail
    with pytest.raises(RuntimeError, match="out of luck"):
        fit.trainer(bar).fit(module, datamodule=fit.Data())
    assert bar._bars is None


def test_disabled_says_nothing(fit, capsys):
    bar = ProgressBar(total_clips=20, line_every_s=0)
    bar.disable()
    fit_with(fit, bar)
    bar.print("hello")
    assert "fit " not in capsys.readouterr().out
    bar.enable()
    bar.print("hello")
    assert capsys.readouterr().out == "hello\n"
