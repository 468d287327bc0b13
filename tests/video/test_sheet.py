"""The sheets show the right frames of the right clips, enlarged without blur, and text where the captions belong."""

from __future__ import annotations

import numpy as np
import pytest

from t2vgan.video.sheet import GAP, MARGIN, contact_sheet, video_grid

RED, GREEN = (200, 30, 30), (30, 180, 60)
LONG = "two zebras gallop across the red desert at dawn while a flock of birds takes off behind the acacia trees"


def counting_clip(colour: tuple[int, int, int], *, frames: int = 16, size: int = 32) -> np.ndarray:
    """Frame i has the value 10 * i in its blue channel, so that every frame can be told from a pixel."""
    clip = np.full((frames, size, size, 3), colour, dtype=np.uint8)
    clip[..., 2] = (10 * np.arange(frames))[:, None, None]
    return clip


def places(picture: np.ndarray, red: int) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.nonzero((picture[..., 0] == red) & (picture[..., 1] != red))
    return rows, columns


def dark_pixels(picture: np.ndarray) -> int:
    return int((picture.max(axis=-1) < 80).sum())


def test_frames_are_spread_over_the_clip_and_enlarged_without_blur() -> None:
    sheet = contact_sheet([counting_clip(RED)], ["a lion"], columns=8)
    rows, columns = places(sheet, RED[0])
    assert len(rows) == 8 * 96 * 96, "32 px frames are shown three times as large"
    line = sheet[rows.max()]
    shown = [line[columns.min() + i * (96 + GAP), 2] for i in range(8)]
    assert shown == [0, 20, 40, 60, 80, 100, 120, 140]


def test_scale_and_short_clips() -> None:
    sheet = contact_sheet([counting_clip(RED, frames=3)], ["a lion"], columns=8, scale=1)
    assert len(places(sheet, RED[0])[0]) == 3 * 32 * 32


def test_beside_puts_the_second_clip_to_the_right_in_the_same_row() -> None:
    sheet = contact_sheet([counting_clip(RED)], ["a lion"], beside=[counting_clip(GREEN)], titles=("generated", "real"))
    (red_rows, red_columns), (green_rows, green_columns) = places(sheet, RED[0]), places(sheet, GREEN[0])
    assert red_columns.max() + MARGIN < green_columns.min()
    assert (red_rows.min(), red_rows.max()) == (green_rows.min(), green_rows.max())


def test_captions_stand_above_their_clips_and_long_ones_are_wrapped() -> None:
    clips = [counting_clip(RED, frames=2), counting_clip(GREEN, frames=2)]
    short, long = (contact_sheet(clips, [text, "a bird"], columns=2) for text in ("a lion", LONG))
    assert long.shape[0] > short.shape[0] and long.shape[1] == short.shape[1]
    red_top, green_top = places(short, RED[0])[0].min(), places(short, GREEN[0])[0].min()
    assert dark_pixels(short[:red_top]) > 40, "the caption of the first clip"
    assert dark_pixels(short[red_top + 96 : green_top]) > 40, "the caption of the second clip"
    assert dark_pixels(long[: places(long, RED[0])[0].min()]) > 8 * dark_pixels(short[:red_top])


def test_captions_of_thousands_of_words_are_cut() -> None:
    clips = [counting_clip(RED, frames=2), counting_clip(GREEN, frames=2)]
    heights = [contact_sheet(clips, ["word " * n, "a bird"], columns=2).shape[0] for n in (1_000, 10_000)]
    assert heights[0] == heights[1] < 700


def test_the_grid_moves_holds_the_last_frame_and_keeps_the_captions() -> None:
    clips = [counting_clip(RED), counting_clip(GREEN, frames=4), counting_clip(RED)]
    grid = video_grid(clips, ["a lion", "a bird", LONG], columns=2, scale=2)
    assert grid.shape[0] == 16 and grid.dtype == np.uint8
    for i in (0, 3, 9):
        rows, columns = places(grid[i], RED[0])
        assert grid[i, rows[0], columns[0], 2] == 10 * i
        rows, columns = places(grid[i], GREEN[0])
        assert grid[i, rows[0], columns[0], 2] == 10 * min(i, 3)
    assert dark_pixels(grid[0]) == dark_pixels(grid[15]) > 100


def test_grid_with_pairs_and_fewer_clips_than_columns() -> None:
    grid = video_grid([counting_clip(RED)], ["a lion"], beside=[counting_clip(GREEN)], titles=("generated", "real"))
    assert places(grid[0], RED[0])[1].max() + GAP + 1 == places(grid[0], GREEN[0])[1].min()
    assert grid.shape[2] < 500, "no room is kept for clips that are not there"


def test_counts_that_do_not_match_are_one_clear_error() -> None:
    with pytest.raises(ValueError, match="1 clips, 2 captions"):
        contact_sheet([counting_clip(RED)], ["a", "b"])
    with pytest.raises(ValueError, match="0 clips"):
        video_grid([], [])
    with pytest.raises(ValueError, match="2 beside"):
        contact_sheet([counting_clip(RED)], ["a"], beside=[counting_clip(RED)] * 2)
