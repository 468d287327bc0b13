"""What can be said of a prompt before its clip is made: words that the model never saw, and the nearest that it did."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

import numpy as np

from t2vgan.text.analysis import Analysis
from t2vgan.text.vectors import WordVectors

NEAREST = 3  # known words that are named for one that is not
MOST_NAMED = 5  # words that are named in one line
SHOWN = 40  # characters of a prompt that is spoken of


def content_words(analyses: Iterable[Analysis]) -> list[str]:
    """The content words of captions as written and in their dictionary form, lower case, distinct and sorted."""
    pairs = (pair for each in analyses for pair in zip(each.words, each.lemmas, each.content, strict=True))
    return sorted({form for word, lemma, content in pairs if content for form in (word.lower(), lemma)})


def unseen(analysis: Analysis, vocabulary: Collection[str]) -> list[str]:
    """The content words that are in the vocabulary in no form, lower case, in order."""
    rows = zip(analysis.words, analysis.lemmas, analysis.content, strict=True)
    new = (word.lower() for word, lemma, content in rows if content and not {word.lower(), lemma} & set(vocabulary))
    return list(dict.fromkeys(new))


def nearest(words: list[str], vocabulary: Collection[str], vectors: WordVectors) -> dict[str, list[str]]:
    """For each word those of the vocabulary that are nearest: by the cosine of their vectors, else by spelling."""
    known = [each for each in vectors(sorted(vocabulary)) if each.known]
    table = np.stack([each.vector for each in known]) if known else np.zeros((0, vectors.dim), dtype=np.float32)
    table = table / np.linalg.norm(table, axis=1, keepdims=True).clip(1e-9)
    found: dict[str, list[str]] = {}
    for word, vector in zip(words, vectors(words), strict=True):
        if vector.known:
            best = np.argsort(-(table @ vector.vector), kind="stable")[:NEAREST]
            found[word] = [known[row].word for row in best]
        else:
            found[word] = difflib.get_close_matches(word, sorted(vocabulary), n=NEAREST)
    return found


def remarks(analysis: Analysis, vocabulary: Collection[str], vectors: WordVectors, *, max_words: int) -> list[str]:
    """Lines for people, none when all is well. An empty vocabulary is one that nobody wrote down: nothing is unseen."""
    caption = " ".join(analysis.caption.split())
    of = f"'{caption[:SHOWN]}{'...' if len(caption) > SHOWN else ''}'"
    lines = [f"{of}: only its first {max_words} words are read"] if len(analysis.words) > max_words else []
    words = {word.lower() for word in analysis.tokens}
    if not words:
        return [*lines, f"{of} names nothing to show: say who does what, and where"]
    new = unseen(analysis, vocabulary) if vocabulary else []
    if not new:
        return lines
    near = nearest(new[:MOST_NAMED], vocabulary, vectors)
    told = [f"{word} (nearest known: {', '.join(known)})" if known else word for word, known in near.items()]
    rest = f" and {len(new) - MOST_NAMED} more" if len(new) > MOST_NAMED else ""
    if set(new) == words:
        none = f"{of}: no word of it was seen in training, the clip will not show it (captions are English sentences): "
        return [*lines, f"{none}{', '.join(told)}{rest}"]
    return [*lines, f"{of}: never seen in training: {', '.join(told)}{rest}"]
