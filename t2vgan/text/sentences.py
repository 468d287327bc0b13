"""Captions -> sentence vectors of a frozen language model, such as MiniLM (Reimers & Gurevych 2019, Wang et al. 2020).

Vectors are kept beside the analyses, so that a machine without the model or its library can train from the cache. A
caption is read alone and its vector rounded to float16: from the cache or not, whatever was read beside it, it has the
same vector.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from t2vgan.system import unsaid
from t2vgan.text.jsonlines import read_records, write_records

VERSION = 1  # raise it when a caption's vector changes
MODELS = Path("data") / "models"  # where a model is looked for that is not where it was
MODULES = "modules.json"  # of sentence-transformers: which folders are read, one after the other
SETTINGS = ("config.json", "config_sentence_transformers.json", "sentence_*_config.json", "tokenizer*.json")
SETTINGS += ("special_tokens_map.json", "added_tokens.json", "vocab.txt", "merges.txt", "*.model")
MANY = 500  # captions whose reading shows a progress bar, and after which the model is let go


class SentenceVectors:
    """Looks captions up in `folder`, a model that sentence-transformers reads; remembers them in the folder `cache`.

    A model that is not in `folder` is looked for in data/models/ by the folder's name. A vector has a mean square of 1.
    ValueError, one line, for a folder that is none, unless the cache knows all captions that are asked for.
    """

    def __init__(self, folder: str, *, cache: Path | None = None):
        self.named = Path(folder).expanduser()
        self.cache = cache
        self.known: dict[str, Tensor] = {}
        self.version = version_of(self.folder) if self.folder.is_dir() else self.version_on_disk()
        for record in read_records(self.file, version=self.version) if self.file else ():
            with contextlib.suppress(KeyError, TypeError, ValueError):
                self.keep(str(record["caption"]), np.frombuffer(base64.b64decode(record["vector"]), dtype="<f2"))

    @property
    def folder(self) -> Path:
        elsewhere = MODELS / self.named.name
        return elsewhere if not self.named.is_dir() and elsewhere.is_dir() else self.named

    @property
    def file(self) -> Path | None:
        """Each model has its own, also where two are in folders of one name."""
        return self.cache / f"sentences-{self.named.name}-{self.version}.jsonl" if self.cache else None

    def version_on_disk(self) -> str:
        """Of the cache, when the model itself is elsewhere."""
        start = f"sentences-{self.named.name}-{VERSION}-"
        found = sorted(file.stem for file in self.cache.glob(f"{start}*.jsonl")) if self.cache else []
        if not found:
            raise ValueError(self.missing())
        if len(found) > 1:
            raise ValueError(f"{self.missing()} (and {self.cache} has captions that {len(found)} models have read)")
        return found[0].removeprefix(f"sentences-{self.named.name}-")

    def missing(self) -> str:
        there = MODELS / self.named.name
        hint = f"'hf download sentence-transformers/all-MiniLM-L6-v2 --local-dir {MODELS / 'all-MiniLM-L6-v2'}'"
        return (
            f"text.sentences {self.named}: no such folder, nor {there}; it is that of a model for "
            f"sentence-transformers, as {hint} brings"
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
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise ValueError(
                f"text.sentences: {error.name} is not installed here: pip install 't2vgan[sentences]', or bring the "
                "data set's cache/text from where the captions were read"
            ) from None
        try:
            with quiet(), torch.random.fork_rng(devices=[]):  # the layers of some are drawn before they are read
                return SentenceTransformer(str(self.folder), device="cpu", local_files_only=True).float().eval()
        except Exception as error:  # the library has exceptions of its own for files that are damaged or missing
            told = " ".join(str(error).split())[:200] or type(error).__name__
            raise ValueError(f"text.sentences {self.folder}: not a model for sentence-transformers: {told}") from error

    @property
    def dim(self) -> int:
        """Numbers of a vector."""
        if not self.known:
            self.warm(["a"])
        return next(iter(self.known.values())).numel()

    def __call__(self, captions: list[str]) -> Tensor:
        """`(n, dim)`, float32; rounded to float16."""
        self.warm(captions)
        return torch.stack([self.known[caption] for caption in captions])

    def warm(self, captions: list[str]) -> None:
        """Read all captions at once that nobody has read before, with a progress bar where it takes a while."""
        new = [caption for caption in dict.fromkeys(captions) if caption not in self.known]
        if not new:
            return
        model = self.model
        try:
            for caption in told(new):
                self.keep(caption, self.read(model, caption))
        finally:  # what was read before somebody lost patience is kept
            if self.file and (read := [caption for caption in new if caption in self.known]):
                write_records(self.file, [self.record(each) for each in read], version=self.version, key="caption")
        if len(new) > MANY:
            vars(self).pop("model", None)  # what is left to be read are prompts

    def read(self, model: Any, caption: str) -> np.ndarray:
        """One by one: the numbers of a batch depend a little on what else is in it."""
        with quiet():
            found = model.encode([caption.encode("utf-8", "replace").decode()], show_progress_bar=False)[0]
        vector = np.asarray(found, dtype=np.float64)
        return vector / max(float(np.sqrt(np.square(vector).mean())), 1e-12)

    def record(self, caption: str) -> dict[str, str]:
        encoded = base64.b64encode(self.known[caption].numpy().astype("<f2").tobytes()).decode()
        return {"caption": caption, "vector": encoded}


def told(captions: list[str]) -> Iterator[str]:
    """The captions, with a progress bar where there are many."""
    if len(captions) <= MANY:
        yield from captions
        return
    from rich.progress import track

    yield from track(captions, description="reading captions by the language model")


def version_of(folder: Path) -> str:
    """Changes with what the library reads of a model, and with nothing else in its folder."""
    try:
        parts = [str(part["path"]) for part in json.loads((folder / MODULES).read_text())]
    except OSError:
        parts = [""]
    except (ValueError, LookupError, TypeError):
        raise ValueError(f"text.sentences {folder}: its {MODULES} cannot be read") from None
    files = {folder / MODULES} if (folder / MODULES).is_file() else set()
    for part in {"", *parts}:
        files |= {file for pattern in SETTINGS for file in (folder / part).glob(pattern)}
        files |= set(weights_of(folder / part))
    if not any(file.name in (MODULES, "config.json") for file in files):
        raise ValueError(f"text.sentences {folder}: no language model in it (no {MODULES}, no config.json)")
    digest = hashlib.blake2b(digest_size=6)
    for file in sorted(files):
        digest.update(f"{file.relative_to(folder).as_posix()} {file.stat().st_size}\n".encode())
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return f"{VERSION}-{digest.hexdigest()}"


def weights_of(folder: Path) -> list[Path]:
    """Where both kinds are there the library takes the first."""
    return sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the libraries' advice, and the progress bar of reading a file."""
    from transformers.utils import logging as library

    bar = library.is_progress_bar_enabled()
    library.disable_progress_bar()
    try:
        with unsaid("sentence_transformers", "transformers"):
            yield
    finally:
        if bar:
            library.enable_progress_bar()
