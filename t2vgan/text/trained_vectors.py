"""Word vectors made from one's own captions, as a file that `text.vectors` takes (GloVe's format: a word, its numbers).

Words are runs of letters and digits, in lower case: of what the analysis looks up, clitics such as 's are not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from t2vgan.system import written_whole

DIM = 50
EPOCHS = 30


def words_of(captions: Iterable[str]) -> Iterator[list[str]]:
    for caption in captions:
        yield re.findall(r"[^\W_]+", caption.lower())


def word2vec(captions: Iterable[str], path: Path, *, dim: int = DIM, seed: int = 0) -> None:
    """Skip-gram with negative sampling (Mikolov et al. 2013), trained on these captions alone. Needs gensim.

    Raises ValueError where gensim is not installed.
    """
    try:
        from gensim.models import Word2Vec
    except ImportError:
        raise ValueError("word2vec vectors are trained by gensim: pip install 't2vgan[word2vec]'") from None
    sentences = list(words_of(captions))
    model = Word2Vec(sentences, vector_size=dim, window=5, min_count=1, sg=1, epochs=EPOCHS, seed=seed, workers=1)
    write(path, {str(word): np.asarray(model.wv[word]) for word in model.wv.index_to_key})


def random(captions: Iterable[str], path: Path, *, dim: int | None = None, seed: int = 0) -> None:
    """Noise, as many numbers as there are words: linear layers on it learn a vector for each word from nothing.

    With as many dimensions as words the vectors are linearly independent, so that a trained linear layer can give each
    word whatever vector it likes: what is called a learned embedding.
    """
    vocabulary = sorted({word for sentence in words_of(captions) for word in sentence})
    rng = np.random.default_rng(seed)
    write(path, {word: rng.standard_normal(dim or len(vocabulary)) for word in vocabulary})


def write(path: Path, vectors: dict[str, np.ndarray]) -> None:
    with written_whole(path) as part:
        part.write_text("".join(f"{word} {' '.join(f'{x:.5f}' for x in v)}\n" for word, v in vectors.items()))


MAKERS = {"word2vec": word2vec, "random": random}
