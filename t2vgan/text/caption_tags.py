"""Mends spaCy's part-of-speech tags where short captions in the present tense mislead it.

A tagger that has read newspapers takes "A lion stalks its prey" for a headline without a verb. Known animals become
nouns and known verbs become verbs where the grammar of a caption wants one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from t2vgan.text.lexicon import lexicon

if TYPE_CHECKING:
    from spacy.tokens import Doc, Token

MOVERS = ("ANIMAL", "PERSON", "VEHICLE")
SUBJECTS = ("it", "he", "she", "they", "who", "that", "which")
CLAUSE_STARTS = (*SUBJECTS, "and", "but", "while", "as", "when", "where", "then", "before", "after", ",", ";", ".")
FINITE = ("VBZ", "VBP", "VBD", "MD")


def mend_tags(doc: Doc) -> Doc:
    """A spaCy component: to run before the lemmatizer, which reads the tags."""
    known = lexicon()
    for token in doc:
        if is_mover(token) and token.lower_ not in known.only_as_noun:
            mark_noun(token)
    for token in doc:
        if token.lower_ in ("left", "right") and token.pos_ == "VERB" and has_verb(doc, token.i):
            token.tag_, token.pos_ = "RB", "ADV"  # "walks left"
        tag = known.verbs.get(token.lower_)
        if not tag or token.pos_ in ("VERB", "AUX"):
            continue
        subject = find_subject(doc, token, tag)
        if subject is not None and is_mover(subject):
            mark_noun(subject)
        if subject is not None or goes_on(doc, token):
            token.tag_, token.pos_ = tag, "VERB"
    return doc


def find_subject(doc: Doc, token: Token, tag: str) -> Token | None:
    """The word before `token`, adverbs apart, if it can be its subject: "the lion slowly stalks".

    An animal, a person or a vehicle can, another noun can before a verb in -s ("the sun sets"), if the clause has no
    other verb and the number agrees. After an article, a preposition or an adjective the word is a noun.
    """
    index = token.i - 1
    while index >= 0 and (doc[index].pos_ == "ADV" or doc[index].lower_.endswith("ly")) and not is_mover(doc[index]):
        index -= 1
    if index < 0 or has_verb(doc, index):
        return None
    subject = doc[index]
    if subject.lower_ in SUBJECTS:
        return subject
    plural = subject.tag_ in ("NNS", "NNPS") or subject.lower_ in lexicon().plurals or is_joined(doc, index)
    if tag == "VBP" and not plural:  # "lions walk", but not "a lion walk"
        return None
    if is_mover(subject):
        return subject
    return subject if subject.pos_ in ("NOUN", "PROPN") and not verb_follows(doc, token) else None


def goes_on(doc: Doc, token: Token) -> bool:
    """Whether `token` goes on from a verb of the same form: "walks and drinks", "walk, then drink"."""
    before = [other for other in doc[: token.i] if other.pos_ == "VERB"]
    if not before or doc[token.i - 1].lower_ not in ("and", "then", "or"):
        return False
    return before[-1].i >= token.i - 8 and before[-1].lower_.endswith("s") == token.lower_.endswith("s")


def has_verb(doc: Doc, end: int) -> bool:
    """Whether the clause under way before word `end` has its finite verb (in "a running lion" there is none)."""
    for token in reversed(doc[:end]):
        if token.lower_ in CLAUSE_STARTS:
            return False
        attribute = doc[token.i + 1].pos_ in ("NOUN", "PROPN", "ADJ")
        if token.tag_ in FINITE and not attribute:
            return True
    return False


def is_joined(doc: Doc, index: int) -> bool:
    """Whether the noun at `index` ends a list: "a lion and a zebra"."""
    start = index - 1
    while start > 0 and doc[start].pos_ in ("DET", "ADJ", "NUM"):
        start -= 1
    return start > 0 and doc[start].lower_ == "and" and doc[start - 1].pos_ in ("NOUN", "PROPN")


def verb_follows(doc: Doc, token: Token) -> bool:
    """Whether the clause has a finite verb after `token`: "the bus stops are empty"."""
    for other in doc[token.i + 1 :]:
        if other.lower_ in CLAUSE_STARTS:
            return False
        if other.tag_ in FINITE and other.lower_ != "left":
            return True
    return False


def is_mover(token: Token) -> bool:
    return lexicon().entities.get(token.lower_) in MOVERS


def mark_noun(token: Token) -> None:
    if token.pos_ not in ("NOUN", "PROPN"):
        token.tag_ = "NNS" if token.lower_ in lexicon().plurals else "NN"
        token.pos_ = "NOUN"
