"""Many captioned clips in one picture, to look at: a contact sheet (frames side by side) or an animated grid."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PAPER, INK, FAINT = (255, 255, 255), (32, 32, 36), (118, 118, 126)
GAP = 2  # pixels between frames
MARGIN = 12  # pixels around the whole, and between the two groups
TEXT_PX = 15  # height of the letters
MOST_LINES = 12  # of a caption: pictures as high as thousands of words could not be encoded
LEAST_TEXT_WIDTH = 200  # a caption narrower than this would be a column of single words
SHEET_FRAME_PX, GRID_FRAME_PX = 96, 192  # frames smaller than this are enlarged by a whole factor


def contact_sheet(
    rows: Sequence[np.ndarray],
    captions: Sequence[str],
    *,
    columns: int = 8,
    scale: int | None = None,
    beside: Sequence[np.ndarray] | None = None,
    titles: tuple[str, str] | None = None,
) -> np.ndarray:
    """One row per clip: its caption, below it `columns` of its frames, evenly spaced in time.

    Args:
        rows: clips, uint8 `(t, h, w, 3)` each.
        captions: one per clip; long ones are wrapped.
        columns: frames shown per clip; a clip with fewer frames shows all that it has.
        scale: whole factor of enlargement, pixels stay pixels; by default so that frames are at least 96 high.
        beside: a second clip per row, shown to the right of the first: real beside generated.
        titles: headings of the two groups, e.g. `("generated", "real")`.

    Returns uint8 `(H, W, 3)`.
    """
    pairs = _pairs(rows, captions, beside)
    factor = scale or _factor(rows, SHEET_FRAME_PX)
    strips = [[_strip(_enlarged(clip[_spread(len(clip), columns)], factor)) for clip in pair] for pair in pairs]
    widths = [max(LEAST_TEXT_WIDTH, *(strip[k].shape[1] for strip in strips)) for k in range(len(strips[0]))]
    width = sum(widths) + MARGIN * (len(widths) - 1)
    parts = [_beside([_text(title, w, FAINT) for title, w in zip(titles, widths, strict=False)])] if titles else []
    for strip, caption in zip(strips, captions, strict=True):
        parts += [_text(caption, width), _beside([_wide(part, w) for part, w in zip(strip, widths, strict=True)])]
        parts.append(_blank(MARGIN, width))
    return _framed(np.concatenate([_wide(part, width) for part in parts[:-1]]))


def video_grid(
    rows: Sequence[np.ndarray],
    captions: Sequence[str],
    *,
    columns: int = 4,
    scale: int | None = None,
    beside: Sequence[np.ndarray] | None = None,
    titles: tuple[str, str] | None = None,
) -> np.ndarray:
    """The animated sheet: all clips play at once in a grid of `columns`, each above its caption.

    Arguments as for `contact_sheet`; with `beside` each place in the grid shows two clips. A clip that is shorter
    than the longest one holds its last frame. Returns uint8 `(t, H, W, 3)`, for `write_mp4` or `write_gif`.
    """
    pairs = _pairs(rows, captions, beside)
    factor = scale or _factor(rows, GRID_FRAME_PX)
    length = max(len(clip) for pair in pairs for clip in pair)
    cells = [[_enlarged(clip[_held(len(clip), length)], factor) for clip in pair] for pair in pairs]
    width = max(LEAST_TEXT_WIDTH, *(sum(c.shape[2] for c in cell) + GAP * (len(cell) - 1) for cell in cells))
    notes = [_text(caption, width) for caption in captions]
    heads = _text("  |  ".join(titles[: len(pairs[0])]), width, FAINT) if titles else None
    lines, columns = [], min(columns, len(cells))
    for start in range(0, len(cells), columns):
        lines.append(_grid_line(cells[start : start + columns], notes[start : start + columns], heads, columns, width))
    return np.stack([_framed(np.concatenate([line[i] for line in lines])) for i in range(length)])


def _grid_line(
    cells: list[list[np.ndarray]], notes: list[np.ndarray], heads: np.ndarray | None, columns: int, width: int
) -> np.ndarray:
    """One line of the grid: `(t, height of its tallest place, columns * width, 3)`; missing places stay empty."""
    tallest = max(clip.shape[1] for cell in cells for clip in cell)
    note_height = max(note.shape[0] for note in notes)
    frames = []
    for i in range(len(cells[0][0])):
        places = []
        for cell, note in zip(cells, notes, strict=True):
            picture = _wide(_beside([_tall(clip[i], tallest) for clip in cell], GAP), width)
            parts = [heads] if heads is not None else []
            parts += [picture, _blank(GAP, width), _tall(note, note_height), _blank(MARGIN, width)]
            places.append(np.concatenate(parts))
        places += [np.full_like(places[0], 255)] * (columns - len(places))
        frames.append(_beside(places))
    return np.stack(frames)


def _pairs(
    rows: Sequence[np.ndarray], captions: Sequence[str], beside: Sequence[np.ndarray] | None
) -> list[list[np.ndarray]]:
    if not len(rows) or len(rows) != len(captions) or (beside is not None and len(beside) != len(rows)):
        counts = f"{len(rows)} clips, {len(captions)} captions" + (f", {len(beside)} beside" if beside else "")
        raise ValueError(f"a sheet needs at least one clip and as many captions as clips, not {counts}")
    return [[row] if beside is None else [row, beside[i]] for i, row in enumerate(rows)]


def _factor(rows: Sequence[np.ndarray], least_px: int) -> int:
    return max(1, -(-least_px // max(clip.shape[1] for clip in rows)))


def _spread(length: int, count: int) -> np.ndarray:
    """Indices of `count` frames that stand for equal shares of the clip; all of them when there are not so many."""
    return np.arange(length) if length <= count else (np.arange(count) * length) // count


def _held(length: int, wanted: int) -> np.ndarray:
    return np.minimum(np.arange(wanted), length - 1)


def _enlarged(clip: np.ndarray, factor: int) -> np.ndarray:
    return clip.repeat(factor, axis=1).repeat(factor, axis=2)


def _strip(clip: np.ndarray) -> np.ndarray:
    return _beside(list(clip), GAP)


def _blank(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), PAPER, dtype=np.uint8)


def _wide(picture: np.ndarray, width: int) -> np.ndarray:
    return np.concatenate([picture, _blank(picture.shape[0], width - picture.shape[1])], axis=1)


def _tall(picture: np.ndarray, height: int) -> np.ndarray:
    return np.concatenate([picture, _blank(height - picture.shape[0], picture.shape[1])])


def _beside(pictures: list[np.ndarray], gap: int = MARGIN) -> np.ndarray:
    height = max(picture.shape[0] for picture in pictures)
    parts = [part for picture in pictures for part in (_tall(picture, height), _blank(height, gap))]
    return np.concatenate(parts[:-1], axis=1)


def _framed(picture: np.ndarray) -> np.ndarray:
    pad = ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0))
    return np.pad(picture, pad, constant_values=PAPER[0])


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=TEXT_PX)


def _text(caption: str, width: int, colour: tuple[int, int, int] = INK) -> np.ndarray:
    """The caption in lines no wider than `width` pixels: uint8 `(height, width, 3)`."""
    font, lines = _font(), [""]
    for word in caption.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], "..."]
    step = round(TEXT_PX * 1.3)
    image = Image.new("RGB", (width, step * len(lines) + 3), PAPER)
    draw = ImageDraw.Draw(image)
    for i, line in enumerate(lines):
        draw.text((0, i * step), line, fill=colour, font=font)
    return np.asarray(image)
