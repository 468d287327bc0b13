"""Captions -> sentence vectors of a frozen language model, such as MiniLM (Reimers & Gurevych 2019, Wang et al. 2020).

Vectors are kept beside the analyses, so that a machine without the model or its library can train from the cache. They
are rounded to float16 before anything reads them: from the cache or not, a caption has the same vector.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import logging
import warnings
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from t2vgan.text.jsonlines import read_records, write_records
from t2vgan.text.torchtext_vectors import file_digest

VERSION = 1  # raise it when a caption's vector changes
TELLS = ("*.json", "*.safetensors", "*.bin", "*.txt", "*/config.json")  # the files that a model's folder is known by
BATCH = 64


class SentenceVectors:
    """Looks captions up in `folder`, a model that sentence-transformers reads; remembers them in the folder `cache`.

    A vector is scaled to a mean square of 1. ValueError, one line, for a folder that is none, also when only captions
    that are not in the cache ask for it.
    """

    def __init__(self, folder: str, *, cache: Path | None = None):
        self.folder = Path(folder).expanduser()
        self.file = cache / f"sentences-{self.folder.name}.jsonl" if cache else None
        self.known: dict[str, Tensor] = {}
        self.version = self.version_here() if self.folder.is_dir() else self.version_on_disk()
        for record in read_records(self.file, version=self.version) if self.file else ():
            with contextlib.suppress(KeyError, TypeError, ValueError):
                self.keep(str(record["caption"]), np.frombuffer(base64.b64decode(record["vector"]), dtype="<f2"))

    def version_here(self) -> str:
        files = sorted({file for pattern in TELLS for file in self.folder.glob(pattern)})
        if not any(file.name == "config.json" for file in files):
            raise ValueError(f"text.sentences {self.folder}: no language model in it (no config.json)")
        told = "".join(f"{file.relative_to(self.folder).as_posix()} {file_digest(file)}\n" for file in files)
        return f"{VERSION}-{hashlib.blake2b(told.encode(), digest_size=6).hexdigest()}"

    def version_on_disk(self) -> str:
        """Of the cache, when the model itself is elsewhere."""
        versions = [str(record["version"]) for record in read_records(self.file, version=None)] if self.file else []
        if current := [version for version in versions if version.startswith(f"{VERSION}-")]:
            return current[-1]
        raise ValueError(self.missing())

    def missing(self) -> str:
        return (
            f"text.sentences {self.folder}: no such folder; it is that of a model for sentence-transformers, such as "
            f"hf download sentence-transformers/all-MiniLM-L6-v2 --local-dir {self.folder} brings"
        )

    def keep(self, caption: str, vector: np.ndarray) -> None:
        """ValueError for a vector that cannot be one of this model."""
        rounded = vector.astype("<f2").astype(np.float32)
        if not rounded.size or not np.isfinite(rounded).all() or (self.known and rounded.size != self.dim):
            raise ValueError(f"{caption!r}: not a sentence vector")
        self.known[caption] = torch.from_numpy(rounded)

    @cached_property
    def model(self) -> Any:
        if not self.folder.is_dir():
            raise ValueError(self.missing())
        try:
            with quiet():
                from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise ValueError(
                f"text.sentences: {error.name} is not installed here: pip install 't2vgan[sentences]', or bring the "
                "data set's cache/text from where the captions were read"
            ) from None
        try:
            with quiet():
                return SentenceTransformer(str(self.folder), device="cpu", local_files_only=True)
        except Exception as error:  # the library has exceptions of its own for files that are damaged or missing
            told = " ".join(str(error).split())[:200] or type(error).__name__
            raise ValueError(f"text.sentences {self.folder}: not a model for sentence-transformers: {told}") from error

    @cached_property
    def dim(self) -> int:
        """Numbers of a vector."""
        if self.known:
            return next(iter(self.known.values())).numel()
        return int(self.model.get_embedding_dimension())

    def __call__(self, captions: list[str]) -> Tensor:
        """`(n, dim)`, float32; rounded to float16."""
        self.warm(captions)
        return torch.stack([self.known[caption] for caption in captions])

    def warm(self, captions: list[str]) -> None:
        """Read all captions at once that nobody has read before, with a progress bar where it takes a while."""
        new = [caption for caption in dict.fromkeys(captions) if caption not in self.known]
        if not new:
            return
        with quiet():
            read = self.model.encode(new, batch_size=BATCH, show_progress_bar=len(new) > 20 * BATCH)
        read = np.asarray(read, dtype=np.float64)
        read /= np.sqrt(np.square(read).mean(1, keepdims=True)).clip(1e-12)
        for caption, vector in zip(new, read, strict=True):
            self.keep(caption, vector)
        if self.file:
            write_records(self.file, [self.record(caption) for caption in new], version=self.version, key="caption")

    def record(self, caption: str) -> dict[str, str]:
        encoded = base64.b64encode(self.known[caption].numpy().astype("<f2").tobytes()).decode()
        return {"caption": caption, "vector": encoded}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the libraries' advice, and the progress bar of reading a file."""
    from transformers.utils import logging as library

    bar = library.is_progress_bar_enabled()
    library.disable_progress_bar()
    loggers = [logging.getLogger(name) for name in ("sentence_transformers", "transformers")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if bar:
            library.enable_progress_bar()
