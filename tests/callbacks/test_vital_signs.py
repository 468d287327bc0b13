import csv

import pytest
import torch
from lightning.pytorch.loggers import CSVLogger

from t2vgan.callbacks.vital_signs import VitalSigns


def logged(fit, name: str) -> dict[int, float]:
    with (fit.folder / "logs" / "metrics.csv").open(newline="") as file:
        return {int(float(row["clips_seen"])): float(row[name]) for row in csv.DictReader(file) if row.get(name)}


def logger(fit) -> CSVLogger:
    return CSVLogger(fit.folder, name="logs", version="")


def test_signs_and_sensitivity_at_their_steps(fit):
    fit(VitalSigns(every_steps=2, sensitivity_every_steps=3), batches=7, logger=logger(fit))
    real = logged(fit, "signs/d/frames/real")
    assert list(real) == [8, 16, 24] and set(logged(fit, "signs/d/frames/fake").values()) == {-1.0}
    assert real == {n: v for n, v in logged(fit, "d/total").items() if n in real}
    changes = {name: logged(fit, f"signs/{name}") for name in ("text_change", "noise_change", "text_sensitivity")}
    assert all(list(curve) == [12, 24] for curve in changes.values())
    for n, ratio in changes["text_sensitivity"].items():
        assert ratio == pytest.approx(changes["text_change"][n] / changes["noise_change"][n]) and ratio > 0


def test_training_is_not_disturbed(fit):
    """Not even the batch statistics of the generator that is being looked at."""
    plain = fit()[1].state_dict()
    watched = fit(VitalSigns(every_steps=1, sensitivity_every_steps=1))[1].state_dict()
    assert all(torch.equal(watched[name], value) for name, value in plain.items())


def test_fast_dev_run_looks_too(fit, monkeypatch):
    found = []
    monkeypatch.setattr(
        "t2vgan.callbacks.vital_signs.log_scalars", lambda trainer, values, clips_seen: found.append(values)
    )
    fit(VitalSigns(every_steps=100), fast_dev_run=True, logger=True)
    assert {"signs/d/frames/real", "signs/text_sensitivity"} <= found[0].keys()
