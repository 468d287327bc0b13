"""Captioned clips, one by one: what can be named in `data.dataset`."""

from __future__ import annotations

from t2vgan.datasets.captioned_folder import CaptionedFolder
from t2vgan.datasets.manifest import Manifest
from t2vgan.datasets.savanna import Savanna
from t2vgan.datasets.shards import Shards

DATASETS = {"savanna": Savanna, "manifest": Manifest, "captioned_folder": CaptionedFolder, "shards": Shards}
