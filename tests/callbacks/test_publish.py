from types import SimpleNamespace
from typing import Any

from lightning.pytorch.loggers import CSVLogger, WandbLogger

from t2vgan.callbacks.publish import Publish


def offline(tmp_path, monkeypatch) -> WandbLogger:
    monkeypatch.setenv("WANDB_SILENT", "true")
    return WandbLogger(save_dir=tmp_path, offline=True, project="t")


def test_the_model_with_its_record_and_the_page(fit, tmp_path, monkeypatch):
    logger = offline(tmp_path, monkeypatch)
    published, logged = [], []
    monkeypatch.setattr(logger.experiment, "log_artifact", published.append)
    monkeypatch.setattr(logger, "log_metrics", lambda metrics, step=None: logged.append(metrics))
    (tmp_path / "best.json").write_text('{"value": 0.5, "clips_seen": 32}')
    (tmp_path / "best_generator.safetensors").write_bytes(b"weights")
    (tmp_path / "generator.safetensors").write_bytes(b"weights that know nothing of the last validation")

    def export(trainer: Any, pl_module: Any) -> None:
        (tmp_path / "generator.safetensors").write_bytes(b"measured")

    callback = Publish(folder=tmp_path, name="smoke", page=lambda: "<p>a page</p>", export=export)
    callback.on_train_end(fit.trainer(logger=logger), SimpleNamespace(clips_seen=64))
    (artifact,) = published
    assert (artifact.name, artifact.type) == ("smoke-generator", "model")
    assert artifact.metadata == {"clips_seen": 64, "best": {"value": 0.5, "clips_seen": 32}}
    assert sorted(artifact.manifest.entries) == ["best_generator.safetensors", "generator.safetensors"]
    assert artifact.manifest.entries["generator.safetensors"].size == len(b"measured")
    assert logged[0]["clips_seen"] == 64 and logged[0]["report"].html == "<p>a page</p>"


def test_nothing_without_wandb(fit, tmp_path):
    def fail(*_: Any) -> str:
        raise AssertionError("a page was made for nobody")

    callback = Publish(folder=tmp_path, name="smoke", page=fail, export=fail)  # type: ignore[arg-type]
    callback.on_train_end(fit.trainer(logger=CSVLogger(tmp_path)), SimpleNamespace(clips_seen=64))
