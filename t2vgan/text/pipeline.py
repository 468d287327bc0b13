"""Captions -> `TextInputs`: analysis, vectors, padding; each caption's row is made once and then looked up."""

from __future__ import annotations

import time
import warnings
from collections.abc import Collection
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from t2vgan.shapes import TextInputs
from t2vgan.text.analysis import ENTITIES, TAGS, Analyser, Analysis
from t2vgan.text.sentences import SentenceVectors
from t2vgan.text.vectors import WordVectors
from t2vgan.text.vocabulary import content_words, remarks

TAG_INDEX = {tag: index for index, tag in enumerate(TAGS)}
ENTITY_INDEX = {kind: index for index, kind in enumerate(ENTITIES)}
QUIET_S = 2.0  # work that takes longer shows a progress bar


class TextPipeline:
    """What stands between captions and a text encoder.

    vectors: "glove", or the path of a GloVe or word2vec file. sentences: the folder of a language model whose vectors
    of whole captions encoders get as well, or None. cache: a folder (made when needed) that keeps analyses and the
    vectors of the words and captions in use; with all captions in it neither spaCy, torchtext nor the language model is
    needed.
    max_words: what a caption says after so many words is left out, with one warning.
    """

    sentences: SentenceVectors | None = None
    vocabulary: Collection[str] = ()  # content words that training showed, as `learn` notes them; () where nobody did

    def __init__(
        self, *, vectors: str = "glove", sentences: str | None = None, cache: Path | None = None, max_words: int = 40
    ):
        if max_words < 1:
            raise ValueError(f"max_words {max_words}: must be at least 1")
        self.max_words = max_words
        self.analyser = Analyser(cache=cache / "analysis.jsonl" if cache else None)
        self.vectors = WordVectors(vectors, cache=cache)
        if sentences:
            self.sentences = SentenceVectors(sentences, cache=cache)
        self.rows: dict[str, Tensor] = {}  # caption -> int64 (l, 4): row of the table, tag, entity, content
        self.row_of: dict[str, int] = {}  # word -> row of the table
        self.table = torch.zeros(1, 0)  # (words + 1, v); row 0 is padding
        self.shown = torch.zeros(0, 0)  # (n, v), vectors of the distinct words that training showed
        self.warned = False

    @property
    def vector_dim(self) -> int:
        return self.vectors.dim

    @property
    def sentence_dim(self) -> int:
        """Numbers that a language model tells of a caption; 0 where none is asked."""
        return self.sentences.dim if self.sentences else 0

    @property
    def version(self) -> str:
        """Of the vectors: another one where a word's or a caption's vector is another."""
        return self.vectors.version + (f" {self.sentences.version}" if self.sentences else "")

    @property
    def longest(self) -> int:
        """Words of the longest caption that is prepared."""
        return max(map(len, self.rows.values()), default=0)

    def __call__(self, captions: list[str]) -> TextInputs:
        """One row a caption, padded to the longest of them. ValueError for an empty caption."""
        if any(caption not in self.rows for caption in captions):
            self.warm(captions)
        indices = pad_sequence([self.rows[caption] for caption in captions], batch_first=True)
        words = indices[..., 0]
        return TextInputs(
            vectors=self.table[words],
            tags=indices[..., 1],
            entities=indices[..., 2],
            mask=words > 0,
            content=indices[..., 3] > 0,
            sentences=self.sentences(captions) if self.sentences else None,
        )

    def warm(self, captions: list[str]) -> None:
        """Prepare all distinct captions at once: much quicker than one batch after the other."""
        new = [caption for caption in dict.fromkeys(captions) if caption not in self.rows]
        if not new:
            return
        self.analyse(self.analyser.missing(new))
        analyses = self.analyser(new)
        self.add_words(analyses)
        if self.sentences:
            self.sentences.warm(new)
        for analysis in analyses:
            self.rows[analysis.caption] = self.assemble(analysis)

    def learn(self, captions: list[str], shown: list[str] | None = None) -> None:
        """Prepare the captions of training, and note the words of those that clips are shown with (else of all) as
        those that a model has seen.
        """
        shown = captions if shown is None else shown
        self.warm([*captions, *shown])
        self.vocabulary = content_words(self.analyser(shown))
        self.shown = self.table[sorted({row for caption in shown for row in self.rows[caption][:, 0].tolist()})]

    def remarks(self, caption: str) -> list[str]:
        """What a person should know of a prompt: words never seen and words left out; see `text.vocabulary`."""
        self.analyse(self.analyser.missing([caption]))
        [analysis] = self.analyser([caption])
        return remarks(analysis, self.vocabulary, self.vectors, max_words=self.max_words)

    def analyse(self, captions: list[str]) -> None:
        """Run the analysis with a progress bar that appears when it takes a while. ValueError without spaCy."""
        if not captions:
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        progress = Progress(TextColumn("analysing captions"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        task = progress.add_task("", total=len(captions))
        start, done = time.monotonic(), []
        try:
            for analysis in self.analyser.iterate(captions):
                done.append(analysis)
                progress.advance(task)
                if not progress.live.is_started and time.monotonic() - start > QUIET_S:
                    progress.start()
        except ImportError as error:
            raise ValueError(
                f"{len(captions):,} captions are not analysed yet, as {captions[0][:60]!r}, and {error.name} is not "
                "installed here: install it, or bring the data set's cache/text from where they were analysed"
            ) from error
        finally:
            if progress.live.is_started:
                progress.stop()
            if done:
                self.analyser.save(done)

    def add_words(self, analyses: list[Analysis]) -> None:
        """Append the vectors of words that are met for the first time to the table."""
        pairs = (pair for each in analyses for pair in zip(each.words, each.lemmas, strict=True))
        new = {word: lemma for word, lemma in pairs if word not in self.row_of}
        if not new:
            return
        found = self.vectors(list(new), lemmas=list(new.values()))
        if len(self.table) == 1:
            self.table = torch.zeros(1, self.vector_dim)
        self.row_of.update({word: len(self.table) + index for index, word in enumerate(new)})
        self.table = torch.cat([self.table, torch.stack([torch.from_numpy(each.vector) for each in found])])

    def assemble(self, analysis: Analysis) -> Tensor:
        parts = zip(analysis.words, analysis.tags, analysis.entities, analysis.content, strict=True)
        columns = [
            (self.row_of[word], TAG_INDEX[tag], ENTITY_INDEX[kind], int(says)) for word, tag, kind, says in parts
        ]
        if len(columns) > self.max_words and not self.warned:
            self.warned = True
            warnings.warn(
                f"a caption has {len(columns)} words; only the first {self.max_words} (max_words) of any are read: "
                f"{analysis.caption[:60]!r}...",
                stacklevel=2,
            )
        return torch.tensor(columns[: self.max_words], dtype=torch.int64)
