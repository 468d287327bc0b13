"""Words -> vectors V: whitened for learning, with a substitute for words that the file lacks.

Persisted are the vectors of the words in use only, so that a machine without the vector file, torchtext or GloVe can
train from the cache.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from t2vgan.text.jsonlines import read_records, write_records
from t2vgan.text.substitutes import NOTHING, Substitute, substitute
from t2vgan.text.torchtext_vectors import GLOVE, Vectors, file_digest, load_vectors

VERSION = 1  # of whitening and substitution: raise it when a word's vector changes
FREQUENT = 5000  # words whose statistics whiten
NOISE = 0.1  # standard deviation of the vector of a word that nothing is known about


@dataclass(frozen=True)
class WordVector:
    word: str
    vector: np.ndarray  # float32 (v,)
    source: str  # "" when the word itself is in the file; else what stands for it, such as "lion (spelling)"

    @property
    def known(self) -> bool:
        """Whether the vector means anything."""
        return self.source != NOTHING


class WordVectors:
    """Looks words up in the vectors `name` ("glove" or a path); remembers them in the folder `cache`.

    standardise: whiten with the mean and covariance of the most frequent words. Raw GloVe vectors share large common
    components and crowd together ("left" and "right" have cosine 0.78, whitened 0.43).
    """

    def __init__(self, name: str = GLOVE, *, cache: Path | None = None, standardise: bool = True):
        self.name = name
        self.folder = cache
        self.standardise = standardise
        self.known: dict[str, WordVector] = {}
        digest = file_digest(Path(name).expanduser()) if name != GLOVE and Path(name).expanduser().is_file() else ""
        slug = GLOVE if name == GLOVE else Path(name).name
        self.file = cache / f"vectors-{slug}{'' if standardise else '-raw'}.jsonl" if cache else None
        self.version = f"{VERSION}-{digest}" if digest or name == GLOVE else self.version_on_disk()
        self.read()

    def version_on_disk(self) -> str:
        """Of the cache, when the vector file itself is elsewhere."""
        versions = [record["version"] for record in read_records(self.file, version=None)] if self.file else []
        current = [version for version in versions if str(version).startswith(f"{VERSION}-")]
        if not current:
            load_vectors(self.name)  # raises the error that says what is missing
        return current[-1]

    def read(self) -> None:
        for record in read_records(self.file, version=self.version) if self.file else ():
            try:
                vector = np.frombuffer(base64.b64decode(record["vector"]), dtype="<f4").astype(np.float32)
                found = WordVector(str(record["word"]), vector, str(record["source"]))
            except (KeyError, TypeError, ValueError):
                continue
            if np.isfinite(vector).all() and vector.size == (self.dim if self.known else vector.size) > 0:
                self.known[found.word] = found

    @cached_property
    def table(self) -> Vectors:
        """The whole file, as torchtext reads it."""
        return load_vectors(self.name, cache=self.folder)

    @cached_property
    def dim(self) -> int:
        return next((found.vector.size for found in self.known.values()), None) or int(self.table.dim)

    @cached_property
    def whitening(self) -> tuple[np.ndarray, np.ndarray]:
        """(mean (v,), matrix (v, v)): vectors become (x - mean) @ matrix.

        ZCA whitening over the most frequent words; a file of too few words for a covariance is scaled only.
        """
        frequent = self.table.vectors[: max(FREQUENT, 20 * self.table.dim)].numpy().astype(np.float64)
        identity = np.eye(self.table.dim)
        if not self.standardise:
            return np.zeros(self.table.dim), identity
        if len(frequent) < 10 * self.table.dim:
            return np.zeros(self.table.dim), identity / max(float(frequent.std()), 1e-6)
        mean = frequent.mean(axis=0)
        values, basis = np.linalg.eigh(np.cov(frequent - mean, rowvar=False))
        scale = 1 / np.sqrt(np.maximum(values, 1e-3 * values.max()))
        return mean, basis * scale @ basis.T

    def __call__(self, words: list[str], *, lemmas: list[str] | None = None) -> list[WordVector]:
        """Vectors of words; `lemmas` are their dictionary forms where known, first choice for an unknown word."""
        forms = dict(zip(words, lemmas or words, strict=True))
        new = [self.look_up(word, lemma) for word, lemma in forms.items() if word not in self.known]
        self.known.update({found.word: found for found in new})
        if new and self.file:
            write_records(self.file, [to_record(found) for found in new], version=self.version, key="word")
        return [self.known[word] for word in words]

    def look_up(self, word: str, lemma: str) -> WordVector:
        found: Substitute = substitute(word, lemma=lemma, stoi=self.table.stoi, itos=self.table.itos)
        if not found.words:
            return WordVector(word, hashed_noise(word, self.table.dim), found.source)
        rows = self.table.vectors[[self.table.stoi[each] for each in found.words]].numpy().astype(np.float64)
        return WordVector(word, self.whiten(rows).mean(axis=0).astype(np.float32), found.source)

    def whiten(self, rows: np.ndarray) -> np.ndarray:
        mean, matrix = self.whitening
        return (rows - mean) @ matrix

    def neighbours(self, word: str, *, count: int = 5, among: int = 50_000) -> list[tuple[str, float]]:
        """The words nearest to `word` by cosine, of the `among` most frequent ones; reads the whole file."""
        vector = self([word])[0].vector
        rows = self.frequent_rows(among)
        cosines = rows @ (vector / max(float(np.linalg.norm(vector)), 1e-9))
        same = {word, word.lower()}
        best = [int(row) for row in np.argsort(-cosines)[: count + 2]]
        return [(self.table.itos[row], float(cosines[row])) for row in best if self.table.itos[row] not in same][:count]

    def frequent_rows(self, among: int) -> np.ndarray:
        """(n, v), of length 1 each."""
        if not hasattr(self, "_rows") or len(self._rows) != min(among, len(self.table.itos)):
            rows = self.whiten(self.table.vectors[: min(among, len(self.table.itos))].numpy())
            self._rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        return self._rows


def to_record(found: WordVector) -> dict[str, Any]:
    encoded = base64.b64encode(found.vector.astype("<f4").tobytes()).decode()
    return {"word": found.word, "source": found.source, "vector": encoded}


def hashed_noise(word: str, dim: int) -> np.ndarray:
    """Small, but the same for the same word everywhere, so that two unknown words can be told apart."""
    seed = int.from_bytes(hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest(), "little")
    return (NOISE * np.random.default_rng(seed).standard_normal(dim)).astype(np.float32)
