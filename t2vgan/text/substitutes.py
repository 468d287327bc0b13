"""What stands for a word that the vector file lacks: another form, a near spelling, its parts, or nothing."""

from __future__ import annotations

import difflib
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

FREQUENT = 50_000  # words that may be part of a compound, or stand for a word that is merely similar
CORRECT = 200_000  # words that may be what a misspelt one was meant to be
NOTHING = "noise (unknown)"  # the source of a word that nothing stands for
SHORTEST = 4  # letters: shorter words are too near to too many others


@dataclass(frozen=True)
class Substitute:
    words: tuple[str, ...]  # their mean stands for the word; empty: nothing does
    source: str  # for people; "" when the word is itself


def substitute(word: str, *, lemma: str, stoi: Mapping[str, int], itos: Sequence[str]) -> Substitute:
    """Find words of the file for `word`; the file is sorted by frequency, as GloVe's and word2vec's are."""
    for form in (word, word.lower(), word.capitalize()):
        if form in stoi:
            return Substitute((form,), "")
    lower = word.lower()
    for form in (lemma, *word_forms(lower)):
        if form in stoi:
            return Substitute((form,), f"{form} (form)")
    parts = tuple(part for part in lower.replace("_", "-").replace("'", "-").split("-") if part in stoi)
    if parts:
        return Substitute(parts, f"{' + '.join(parts)} (parts)")
    if len(lower) < SHORTEST or not lower.isascii() or not lower.isalpha():
        return Substitute((), NOTHING)
    near = min((form for form in edits(lower) if stoi.get(form, CORRECT) < CORRECT), key=stoi.__getitem__, default="")
    if near:
        return Substitute((near,), f"{near} (spelling)")
    parts = compound(lower, stoi)
    if parts:
        return Substitute(parts, f"{' + '.join(parts)} (parts)")
    similar = tuple(difflib.get_close_matches(lower, same_start(lower, itos), n=2, cutoff=0.78))
    if similar:
        return Substitute(similar, f"{', '.join(similar)} (similar spelling)")
    return Substitute((), NOTHING)


def word_forms(word: str) -> Iterator[str]:
    """Dictionary forms that the word may come from: lions -> lion, galloping -> gallop, hyenas' -> hyena."""
    endings = (
        ("'s", ""),
        ("\u2019s", ""),
        ("ies", "y"),
        ("ves", "f"),
        ("es", ""),
        ("s", ""),
        ("ing", ""),
        ("ing", "e"),
    )
    for ending, instead in (*endings, ("ied", "y"), ("ed", ""), ("ed", "e"), ("er", ""), ("est", ""), ("ly", "")):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= 3:
            yield stem + instead
            if not instead and stem[-1] == stem[-2]:
                yield stem[:-1]


def edits(word: str) -> Iterator[str]:
    """All spellings at one deletion, swap, replacement or insertion (Damerau 1964)."""
    for at in range(len(word) + 1):
        before, after = word[:at], word[at:]
        if after:
            yield before + after[1:]
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:]
        for letter in string.ascii_lowercase:
            if after:
                yield before + letter + after[1:]
            yield before + letter + after


def compound(word: str, stoi: Mapping[str, int]) -> tuple[str, ...]:
    """The two most frequent words that make up `word`, or none: timelapse -> time, lapse."""
    splits = [(word[:at], word[at:]) for at in range(3, len(word) - 2)]
    ranks = [(max(stoi.get(part, FREQUENT) for part in split), split) for split in splits]
    rank, split = min(ranks, default=(FREQUENT, ()))
    return split if rank < FREQUENT else ()


def same_start(word: str, itos: Sequence[str]) -> list[str]:
    """Frequent words with the same first letter and about the same length."""
    return [each for each in itos[:FREQUENT] if each[:1] == word[0] and abs(len(each) - len(word)) <= 2]
