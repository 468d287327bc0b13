"""TGIF (Li et al. 2016): `tgif-v1.0.tsv`, a web address and a sentence a line; gifs under their own names; splits in
`splits/train.txt`, `val.txt` and `test.txt`, where they are there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse

from t2vgan.datasets.importing.rows import Options, Row


def read(source: Path, options: Options) -> Iterator[Row]:
    splits = _splits(source.parent)
    captions: dict[str, list[str]] = defaultdict(list)
    with source.open("rb") as file:
        for number, line in enumerate(file, start=1):
            address, tab, sentence = line.decode("utf-8", "replace").strip("\ufeff\r\n").partition("\t")
            if not tab or "\ufffd" in sentence:
                if line.strip():
                    yield Row(f"{source}:{number}", problem="not UTF-8 text" if tab else "no tab between two cells")
                continue
            captions[address].append(sentence.strip())
    for address, told in captions.items():
        name = PurePosixPath(urlparse(address).path).stem
        yield Row(f"{source}: {name}", video=options.located(name), captions=told, split=splits.get(name), key=name)


def _splits(folder: Path) -> dict[str, str]:
    found = {}
    for split in ("train", "val", "test"):
        for file in [*folder.glob(f"splits/{split}.txt"), *folder.glob(f"{split}.txt")][:1]:
            for address in file.read_text(encoding="utf-8").split():
                found[PurePosixPath(urlparse(address).path).stem] = split
    return found


def recognised(file: Path) -> bool:
    """No header: the first cell is the address of a gif."""
    with file.open("rb") as lines:
        address = lines.readline().split(b"\t")[0].strip()
    return address.startswith((b"http://", b"https://")) and address.endswith(b".gif")
