"""Left and right in captions: what a caption says of the clip when the picture is mirrored, where that can be told.

Words of direction are swapped. A caption in which "left" or "right" means something else ("has left the room", "right
away"), or that speaks of something that a mirror spoils (writing, clocks, east and west), has no mirrored form.
"""

from __future__ import annotations

import re
from functools import lru_cache

SWAPPED = {
    "left": "right",
    "leftward": "rightward",
    "leftwards": "rightwards",
    "leftmost": "rightmost",
    "lefthand": "righthand",
    "lefty": "righty",
    "lefties": "righties",
    "leftie": "rightie",
    "clockwise": "counterclockwise",
    "anticlockwise": "clockwise",
    "counter-clockwise": "clockwise",
    "anti-clockwise": "clockwise",
}
SWAPPED |= {other: word for word, other in SWAPPED.items() if other not in SWAPPED}
DIRECTION = re.compile(r"(?<!\w)(" + "|".join(sorted(SWAPPED, key=len, reverse=True)) + r")(?!\w)", re.IGNORECASE)
SPOILT = re.compile(
    r"\b(texts?|words?|letters?|logos?|subtitles?|captions?|titles?|signs?|signposts?|writ(?:es?|ing|ten)|wrote|reads?"
    r"|clocks?|watch face|maps?|numbers?|digits?|scoreboards?|license plates?|screens?|east(?:ern|wards?)?"
    r"|west(?:ern|wards?)?|(?:north|south)(?:east|west)\w*|(?:counter|anti) clockwise)\b",
    re.IGNORECASE,
)
# Before and after a "left" or "right" that is a direction.
BEFORE = re.compile(
    r"(?:\b(?:to|on|at|from|toward|towards|into|of|in|off|along|past|over|far|upper|lower|top|bottom|front|rear"
    r"|back|down|up|(?:left|right|forwards?|backwards?|straight) (?:and|or))"
    r"(?: (?:the|its|his|her|their|your|our|my|a|far|upper|lower))*"
    r"|\b(?:the|its|his|her|their|your|my|an?)"
    r"|\b(?:turn|face|look|move|go|walk|run|swim|fly|slide|pan|drift|roll|hop|crawl|drive|ride|gallop|glance|lean|tilt"
    r"|point|veer|swerve|swing|step|jump|head|travel|scroll|sweep)(?:s|es|ed|ing|ning|ping|ming|ting|ling)?"
    r"|\b(?:going|moving|riding|driving|sliding|diving|gliding|ran|flew|swam|drove|went))$",
    re.IGNORECASE,
)
PARTS = r"side|hand|arm|leg|foot|paw|eye|ear|wing|edge|corner|half|lane|turn|shoulder|knee|door|bank|end|border|frame"
AFTER = re.compile(
    rf"^(?:-(?:hand|to|handed|most)\b|,? *$| *[,.;:!?]|(?: \w+)? (?:{PARTS})s?\b"
    r"| (?:of|to|and|or|across|along|through|over|under|past|in|on|at|by|with|while|as|then|toward|towards|from|into"
    r"|onto|around|near|behind|before|for|up|down|slowly|quickly|again)\b)",
    re.IGNORECASE,
)
NOT_A_PLACE = re.compile(
    r"^ (?:away|now|after|there|here|before|behind|next|beside|at once|of way|angles?)\b", re.IGNORECASE
)
# "looks right at you", "runs right into it": unless what stands before makes a direction of it.
STRESS = re.compile(r"^ (?:at|into|in|through|over|under|past|on|up|down|by|to|along|across|from)\b", re.IGNORECASE)
SURE = re.compile(
    r"\b(?:from|to|the|its|his|her|their|your|my|left (?:to|and|or)"
    r"|(?:turn|veer|swerve|pan|tilt|lean|bend)\w*)$",
    re.IGNORECASE,
)
LEAVING = re.compile(
    r"\b(?:has|have|had|is|are|was|were|being|be|been|just|he|she|they|it|who|all|that|s)$", re.IGNORECASE
)


@lru_cache(maxsize=200_000)
def mirrored(caption: str) -> str | None:
    """The caption of the mirrored clip: the same where nothing has a side; None where it cannot be told."""
    if SPOILT.search(caption):
        return None
    for found in DIRECTION.finditer(caption):
        if found.group().lower() in ("left", "right") and not _is_direction(caption, found):
            return None
    return DIRECTION.sub(lambda found: _in_case_of(found.group(), SWAPPED[found.group().lower()]), caption)


def has_side(caption: str) -> bool:
    """Whether left, right or a sense of turning is spoken of."""
    return DIRECTION.search(caption) is not None


def _is_direction(caption: str, found: re.Match[str]) -> bool:
    before, after = caption[: found.start()].rstrip(), caption[found.end() :]
    if LEAVING.search(before) or NOT_A_PLACE.match(after):
        return False
    if found.group().lower() == "right" and before and STRESS.match(after) and not SURE.search(before):
        return False
    if not before:  # "Left of the tree ...", "Right to left, ..."
        return re.match(r"[ -](?:of|to|hand|side)\b", after, re.IGNORECASE) is not None
    return BEFORE.search(before) is not None and AFTER.match(after) is not None


def _in_case_of(word: str, other: str) -> str:
    if word.isupper():
        return other.upper()
    return other.capitalize() if word[0].isupper() else other
