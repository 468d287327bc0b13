"""UCF-101 (Soomro et al. 2012): `UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi`, and the official splits in
`ucfTrainTestlist/trainlist01.txt` and `testlist01.txt`, where they are there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from t2vgan.datasets.importing.rows import Options, Row, label_words, walk

NAME = re.compile(r"v_(?P<label>[A-Za-z]+)_g(?P<group>\d\d)_c\d\d")


def read(source: Path, options: Options) -> Iterator[Row]:
    """The class is the caption. Where there are lists, clips in neither have no split of their own and are left out."""
    splits = official_splits(source)
    for path in walk(source):
        found = NAME.fullmatch(path.stem)
        if not found or path.suffix.lower() == ".txt":
            continue
        words = label_words(found["label"])
        yield Row(
            str(path),
            video=os.path.abspath(path),
            captions=[options.template.format(label=words)],
            split=splits.get(path.stem),
            key=path.stem,
            group=f"{found['label']}_g{found['group']}",
            attributes={"class": words},
            problem="in neither list of the first split" if splits and path.stem not in splits else "",
        )


def official_splits(source: Path) -> dict[str, str]:
    """Clip -> train or test, by the first of the three splits."""
    found: dict[str, str] = {}
    for folder in (source, source.parent):
        for split in ("train", "test"):
            for file in [*folder.glob(f"{split}list01.txt"), *folder.glob(f"*/{split}list01.txt")][:1]:
                for line in file.read_text(encoding="utf-8").splitlines():
                    if line.strip():
                        found[Path(line.split()[0]).stem] = split
        if found:
            break
    return found


def recognised(source: Path) -> bool:
    return any(NAME.fullmatch(path.stem) for _, path in zip(range(500), walk(source), strict=False))
