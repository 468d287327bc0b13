"""What the captions of a data set are like: lengths, vocabulary, words without vectors, tags, entities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from t2vgan.text.analysis import Analyser, Analysis
from t2vgan.text.vectors import WordVectors

MOST = 40  # entries of each list
READ_WORDS = 40  # of a caption by default (`TextPipeline.max_words`)
LONGEST = 2_000  # characters of a caption that are looked at


def statistics(captions: Iterable[str], *, vectors: str = "glove", cache: Path | None = None) -> dict[str, Any]:
    """Counts over all captions; the analysis and the vectors of distinct ones are made once, and kept in `cache`."""
    every = [caption[:LONGEST] for caption in captions if caption.strip()]
    distinct = list(dict.fromkeys(every))
    if not distinct:
        return {"captions": 0, "distinct": 0}
    known = Analyser(cache=cache / "analysis.jsonl" if cache else None)
    analyses = {analysis.caption: analysis for analysis in known(distinct)}
    told = [analyses[caption] for caption in every]
    return {
        "captions": len(every),
        "distinct": len(distinct),
        **_lengths(told),
        **_words(told, vectors, cache),
        "tags": dict(Counter(tag for each in told for tag in each.tags).most_common()),
        "entities": dict(Counter(kind for each in told for _, kind in each.named).most_common()),
        "named": dict(Counter(f"{name.lower()} ({kind})" for a in told for name, kind in a.named).most_common(MOST)),
        "verbs": _most(told, "VERB"),
        "most_frequent": dict(Counter(every).most_common(5)),
    }


def _lengths(told: Sequence[Analysis]) -> dict[str, Any]:
    lengths = np.array([len(each.words) for each in told])
    low, middle, high = np.percentile(lengths, [5, 50, 95]).round().astype(int).tolist()
    return {
        "words": {
            "shortest": int(lengths.min()), "5 %": low, "median": middle, "95 %": high, "longest": int(lengths.max()),
        },
        "longer_than_read": int((lengths > READ_WORDS).sum()),
        "lengths": {str(n): count for n, count in sorted(Counter(lengths.tolist()).items())},
    }  # fmt: skip


def _words(told: Sequence[Analysis], vectors: str, cache: Path | None) -> dict[str, Any]:
    counts = Counter(word.lower() for each in told for word in each.words)
    lemma = {w.lower(): m for each in told for w, m in zip(each.words, each.lemmas, strict=True)}
    found = WordVectors(vectors, cache=cache)(list(counts), lemmas=[lemma[word] for word in counts])
    without = Counter({vector.word: counts[vector.word] for vector in found if not vector.known})
    stood_for = {vector.word: vector.source for vector in found if vector.known and vector.source}
    return {
        "vocabulary": len(counts),
        "once": sum(count == 1 for count in counts.values()),
        "without_vector": {
            "words": len(without),
            "occurrences": sum(without.values()),
            "most": dict(without.most_common(MOST)),
        },
        "with_substitute": {"words": len(stood_for), "some": dict(list(stood_for.items())[:MOST])},
    }  # fmt: skip


def _most(told: Sequence[Analysis], tag: str) -> dict[str, int]:
    pairs = ((m, t) for each in told for m, t in zip(each.lemmas, each.tags, strict=True))
    return dict(Counter(lemma for lemma, its in pairs if its == tag).most_common(MOST))
