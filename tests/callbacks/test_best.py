import json
import math
import shutil

import pytest
import torch
from lightning.pytorch import Callback

from t2vgan.callbacks.best import Best
from t2vgan.checkpoint import load_generator


class Judge(Callback):
    """Logs the next of its scores after each validation; None: logs nothing."""

    def __init__(self, scores) -> None:
        self.scores = iter(scores)

    def on_validation_epoch_end(self, trainer, pl_module) -> None:
        if (score := next(self.scores)) is not None:
            pl_module.log_dict({"val/score": score, "val/other": 0.5})


def best(fit, mode: str = "min", monitor: str = "val/score") -> Best:
    return Best(folder=fit.folder / "c", monitor=monitor, mode=mode, config={"name": "tiny"}, card={"experiment": "x"})


def chosen(fit) -> tuple[float, int] | None:
    record = fit.folder / "c" / "best.json"
    if not record.is_file():
        return None
    found = json.loads(record.read_text())
    _, _, card = load_generator(fit.folder / "c" / "best_generator.safetensors")
    assert card["clips_seen"] == found["clips_seen"] and card["metrics"]["val/score"] == pytest.approx(found["value"])
    return found["value"], found["clips_seen"]


@pytest.mark.parametrize(
    ("mode", "scores", "expected"),
    [
        ("min", [3.0, 2.0, 4.0, 2.5], (2.0, 40)),
        ("max", [3.0, 2.0, 4.0, 2.5], (4.0, 60)),
        ("min", [math.nan, 2.0, math.inf, -math.inf], (2.0, 40)),
        ("min", [2.0, 2.0, 2.0, 2.0], (2.0, 20)),  # the first of equals
        ("max", [-math.inf, math.nan, None, None], None),
    ],
)
def test_the_best_is_kept(fit, mode, scores, expected):
    fit(Judge(scores), best(fit, mode), max_epochs=4, limit_val_batches=1.0)
    assert chosen(fit) == expected


def test_an_old_value_does_not_count(fit):
    """A metric that is logged in every second validation stays in `callback_metrics` in between."""
    saves = []

    class Look(Best):
        def on_validation_end(self, trainer, pl_module):
            saves.append(self._better(float(trainer.callback_metrics.get(self.monitor, math.nan))))
            super().on_validation_end(trainer, pl_module)
            self.value = math.inf  # anything would be better now

    callback = Look(folder=fit.folder / "c", monitor="val/score", mode="min", config={}, card={})
    fit(Judge([3.0, None, 2.0, None]), callback, max_epochs=4, limit_val_batches=1.0)
    assert saves == [True, False, True, False]


def test_not_in_validate_or_in_the_sanity_check(fit):
    trainer = fit.trainer(Judge([1.0] * 9), best(fit), limit_val_batches=1.0)
    trainer.validate(fit.Tiny(), datamodule=fit.Data(), verbose=False)
    assert chosen(fit) is None


def test_found_again_on_resume(fit):
    trainer, _ = fit(Judge([2.0]), best(fit), limit_val_batches=1.0)
    trainer.save_checkpoint(fit.folder / "last.ckpt")
    state = torch.load(fit.folder / "last.ckpt", weights_only=True)["callbacks"]["Best"]
    assert state == {"monitor": "val/score", "value": 2.0}
    fit(Judge([2.5, 1.5]), best(fit), limit_val_batches=1.0, max_epochs=3, ckpt_path=str(fit.folder / "last.ckpt"))
    assert chosen(fit) == (1.5, 60)


def test_the_record_may_be_newer_or_missing(fit):
    trainer, _ = fit(Judge([2.0]), best(fit), limit_val_batches=1.0)
    trainer.save_checkpoint(fit.folder / "last.ckpt")
    (fit.folder / "c" / "best.json").write_text('{"monitor": "val/score", "value": 1.0, "clips_seen": 24}')
    newer, elsewhere = best(fit), best(fit)
    options = {"limit_val_batches": 1.0, "max_epochs": 2, "ckpt_path": str(fit.folder / "last.ckpt")}
    fit(Judge([1.5]), newer, **options)
    assert newer.value == 1.0
    shutil.rmtree(fit.folder / "c")
    fit(Judge([1.5]), elsewhere, **options)
    assert chosen(fit) == (1.5, 40)


def test_the_value_of_another_monitor_is_not_compared(fit):
    fit(Judge([2.0]), best(fit), limit_val_batches=1.0)
    callback = best(fit, "max", "val/other")
    fit(Judge([2.0]), callback, limit_val_batches=1.0)
    assert callback.value == 0.5


def test_mode(fit):
    with pytest.raises(ValueError, match=r'evaluation\.mode: "min" or "max", not "least"'):
        best(fit, "least")
