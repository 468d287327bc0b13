"""Words that the analysis knows beforehand: animals, places and other entities, and verbs of motion.

Read from `entities.json` ({type: [singular, ...]}) and `verbs.txt`. Irregular forms follow after a slash:
"wolf/wolves", "run/ran"; everything else is inflected by rule. Entities written with a space match as phrases.
Spellings under "ONLY_AS_NOUN" are also something else ("a cat flies past", "a plain wall"): an entity only as nouns.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
VOWELS = "aeiou"
DOUBLED = ("t", "p", "g", "n", "m", "b", "d")  # run -> running, trot -> trotting


@dataclass(frozen=True)
class Lexicon:
    """`entities`: spelling (lower case, may hold spaces) -> type. `verbs`: inflected form -> Penn Treebank tag."""

    entities: dict[str, str]
    plurals: frozenset[str]  # of the entities, with those that do not change ("sheep")
    only_as_noun: frozenset[str]
    verbs: dict[str, str]
    digest: str  # changes when a file of the lexicon does


@cache
def lexicon() -> Lexicon:
    entity_file = (FOLDER / "entities.json").read_bytes()
    verb_file = (FOLDER / "verbs.txt").read_bytes()
    entities: dict[str, str] = {}
    plurals: set[str] = set()
    listed = json.loads(entity_file)
    only_as_noun = frozenset(listed.pop("ONLY_AS_NOUN"))
    for kind, words in listed.items():
        for word in words:
            forms = noun_forms(word)
            plurals.update(forms[1:] or forms)
            for form in forms:
                entities.setdefault(form, kind)
    verbs: dict[str, str] = {}
    for line in verb_file.decode().splitlines():
        if line and not line.startswith("#"):
            for form, tag in verb_forms(line).items():
                verbs.setdefault(form, tag)
    digest = hashlib.blake2b(entity_file + verb_file, digest_size=6).hexdigest()
    return Lexicon(entities, frozenset(plurals), only_as_noun, verbs, digest)


def noun_forms(entry: str) -> list[str]:
    """ "lion" -> lion, lions; "wolf/wolves" -> wolf, wolves; "sheep/" -> sheep alone."""
    if "/" in entry:
        return [form for form in entry.split("/") if form]
    return [entry, add_s(entry)]


def verb_forms(entry: str) -> dict[str, str]:
    """ "run/ran" -> {run VBP, runs VBZ, running VBG, ran VBD}. Forms after slashes (past, -ing) replace the rule's."""
    base, *past = entry.split("/")
    stem = base + base[-1] if doubles(base) else base
    ing = base[:-2] + "ying" if base.endswith("ie") else (stem[:-1] if silent_e(stem) else stem) + "ing"
    if not past:
        past = [stem + "d" if stem.endswith("e") else base[:-1] + "ied" if consonant_y(base) else stem + "ed"]
    forms = {base: "VBP", add_s(base): "VBZ", ing: "VBG"}
    if past[-1].endswith("ing"):
        del forms[ing]
        forms[past.pop()] = "VBG"
    return forms | {form: "VBD" for form in past if form not in forms}


def add_s(word: str) -> str:
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    return word[:-1] + "ies" if consonant_y(word) else word + "s"


def consonant_y(word: str) -> bool:
    return len(word) > 1 and word[-1] == "y" and word[-2] not in VOWELS


def silent_e(word: str) -> bool:
    return word.endswith("e") and not word.endswith(("ee", "oe", "ye"))


def doubles(word: str) -> bool:
    """One short vowel between consonants at the end of a verb of one syllable: trot, run, hop, but not roam."""
    if len(word) < 3 or word[-1] not in DOUBLED or word[-2] not in VOWELS or word[-3] in VOWELS:
        return False
    return sum(letter in VOWELS for letter in word) == 1
