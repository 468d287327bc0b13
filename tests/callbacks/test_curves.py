import json

import numpy as np
from lightning.pytorch import Callback
from lightning.pytorch.loggers import CSVLogger
from PIL import Image

from t2vgan.callbacks.curves import Curves, draw_curves


def metrics(folder, columns: list[str], rows: int = 5) -> None:
    lines = [",".join(["clips_seen", *columns])]
    lines += [
        ",".join(str(x) for x in [16 * i, *(np.sin(i + k) + 2 for k in range(len(columns)))]) for i in range(rows)
    ]
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")


def test_nothing_measured(tmp_path):
    assert draw_curves(tmp_path) is None and not list(tmp_path.iterdir())
    metrics(tmp_path, ["epoch", "step"])
    assert draw_curves(tmp_path) is None


def test_as_many_panels_as_there_is_something_to_show(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    figures = []
    ordinary = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (figures.append(self), ordinary(self, *a, **k))[1])
    columns = ["d/frames/hinge", "d/total", "d/grad_norm", "g/total", "signs/d/frames/real", "signs/d/frames/fake"]
    metrics(tmp_path, [*columns, "signs/text_sensitivity", "signs/motion/real", "epoch"], rows=700)
    evaluations = [
        {"clips_seen": n, "fd_probe": 9 / n, "fd_probe_floor": 1.0, "kid_probe": -0.1, "accuracy/all": 0.5,
         "floor/all": 0.1, "floor/animal": 0.2, "ceiling/all": 0.9, "motion/energy": 1.0} for n in (16, 32)
    ]  # fmt: skip
    (tmp_path / "evaluation.jsonl").write_text("".join(json.dumps(line) + "\n" for line in evaluations))
    path = draw_curves(tmp_path)
    assert path == tmp_path / "curves.png"
    shown = {
        ax.get_title(): sorted(text.get_text() for text in ax.get_legend().get_texts())
        for ax in figures[0].axes
        if ax.get_title()
    }
    assert shown == {
        "critics' losses": ["frames/hinge", "total"],
        "generator's losses": ["total"],
        "critics' mean logits": ["frames/fake", "frames/real"],
        "gradient norms": ["d/grad_norm"],
        "Fréchet distance and its floor": ["fd_probe", "fd_probe_floor"],
        "kernel distance and its floor": ["kid_probe"],
        "captions obeyed: share of clips": ["accuracy/all", "ceiling/all", "floor/all"],
        "change by caption and by noise": ["text_sensitivity"],
        "mean change from frame to frame, in training": ["real"],
        "motion of the averaged generator": ["energy"],
    }
    assert all(len(line.get_xdata()) <= 300 for ax in figures[0].axes for line in ax.lines)
    assert np.asarray(Image.open(path)).std() > 10


def test_drawn_after_validation_and_at_the_end_of_a_real_run(fit):
    drawn = []

    class Look(Callback):
        def on_validation_end(self, trainer, pl_module):
            drawn.append((fit.folder / "logs" / "curves.png").is_file())

    logger = CSVLogger(fit.folder, name="logs", version="")
    options = {"limit_val_batches": 1.0, "val_check_interval": 3}
    fit(Curves(folder=fit.folder / "logs"), Look(), logger=logger, **options)
    assert drawn == [True]


def test_without_files_it_is_silent(fit):
    fit(Curves(folder=fit.folder / "logs"), limit_val_batches=1.0)
    assert not (fit.folder / "logs").exists()
