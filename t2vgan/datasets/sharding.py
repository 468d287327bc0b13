"""Writing shards: the videos' own bytes into tars of WebDataset's layout, and an index of where each lies.

    <output>/00000.tar ...  NNNNNNNN.mp4, .json (its clips, all that the manifest says of them), .txt (their captions)
    <output>/index.jsonl    a manifest (`manifest.py`) of all clips, written last
    <output>/parts/         the plan and the index of each whole tar, for going on after a stop; gone at the end
    <output>/left_out.jsonl videos that are not there or cannot be read, and why

A video that several clips are parts of is stored once. Nothing is encoded anew.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import shutil
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2vgan.datasets import quarantine
from t2vgan.datasets.captioned_folder import captioned
from t2vgan.datasets.manifest import manifests_in, read_manifest
from t2vgan.datasets.progress import with_progress
from t2vgan.datasets.sampling import CaptionedClip, byte_count, hashed_splits
from t2vgan.datasets.shards import INDEX
from t2vgan.system import as_json, written_whole
from t2vgan.video.sources import Member, Pictures, VideoError, content_digest, opened, reason_of, stamp

BLOCK = tarfile.BLOCKSIZE
FORMAT = tarfile.GNU_FORMAT  # USTAR has no room for the size of a video of 8 GiB


@dataclass
class Entry:
    """A video and its clips, each with its split."""

    number: int
    byte_count: int
    clips: list[tuple[CaptionedClip, str]]

    @property
    def source(self) -> Path | Member:
        source = self.clips[0][0].file
        assert not isinstance(source, Pictures)
        return source

    @property
    def name(self) -> str:
        return str(self.source)


@dataclass
class Sharded:
    shards: int
    clips: int
    byte_count: int
    left_out: dict[str, str]


def clips_with_splits(path: Path) -> list[tuple[CaptionedClip, str]]:
    """The clips of a data set that are not in quarantine, each with the split that training would give it."""
    if path.is_dir() and not manifests_in(path):
        clips, _ = captioned(path)
        splits = hashed_splits(clip.place for clip in clips)
        pairs = [(clip, splits[clip.place]) for clip in clips]
        return _usable(path, pairs)
    whole = path / "manifest.jsonl" if path.is_dir() else path
    if whole.is_file():
        listed = read_manifest(whole)
        splits = hashed_splits(clip.place for clip in listed.clips)
        named = zip(listed.clips, listed.splits, strict=True)
        return _usable(whole.parent, [(clip, split or splits[clip.place]) for clip, split in named])
    pairs = []
    for file in manifests_in(path):
        pairs += [(clip, file.stem) for clip in read_manifest(file).clips]
    if not pairs:
        raise ValueError(f"{path}: no such data set: neither a folder of captioned videos nor a manifest")
    pairs = _usable(path, pairs)
    counts = Counter(clip.key for clip, _ in pairs)  # an index has one list of keys, manifests one each
    return [
        (dataclasses.replace(clip, key=f"{split}/{clip.key}") if counts[clip.key] > 1 else clip, split)
        for clip, split in pairs
    ]


def _usable(home: Path, pairs: list[tuple[CaptionedClip, str]]) -> list[tuple[CaptionedClip, str]]:
    kept, out = quarantine.usable([clip for clip, _ in pairs], quarantine.entries(home))
    quarantine.tell(home, out)
    keys = {id(clip) for clip in kept}
    return [pair for pair in pairs if id(pair[0]) in keys]


def write_shards(pairs: Sequence[tuple[CaptionedClip, str]], output: Path, *, shard_bytes: int) -> Sharded:
    """Writes what is not there yet. ValueError when `output` holds shards of other clips."""
    shards, left_out = planned(pairs, shard_bytes)
    if not shards:
        raise ValueError(f"no clip can be stored; {next(iter(left_out.items()), ('', 'there is none'))}")
    digest = _digest(shards)
    _claim(output, digest)
    total = sum(len(shard) for shard in shards)
    unread: dict[int, str] = {}
    for _ in with_progress(_written(shards, output, unread), "writing shards", total, unit="videos"):
        pass
    stored = [entry for shard in shards for entry in shard if entry.number not in unread]
    left_out |= {entry.name: unread[entry.number] for shard in shards for entry in shard if entry.number in unread}
    if not stored:
        name, reason = next(iter(left_out.items()))
        raise ValueError(f"no clip can be stored; {name}: {reason}")
    parts = [output / "parts" / f"{number:05}.jsonl" for number in range(len(shards))]
    with written_whole(output / INDEX) as part, part.open("wb") as index:
        index.write(json.dumps({"root": ".", "plan": digest}).encode() + b"\n")
        for file in parts:
            index.write(file.read_bytes())
    if left_out:
        with written_whole(output / "left_out.jsonl") as part:
            lines = (as_json({"video": k, "reason": v}) + "\n" for k, v in left_out.items())
            part.write_text("".join(lines), encoding="utf-8")
    shutil.rmtree(output / "parts", ignore_errors=True)
    clips = sum(len(entry.clips) for entry in stored)
    return Sharded(len(shards), clips, sum(entry.byte_count for entry in stored), left_out)


def planned(pairs: Sequence[tuple[CaptionedClip, str]], shard_bytes: int) -> tuple[list[list[Entry]], dict[str, str]]:
    """Which video goes into which tar, decided by order and size alone; and what cannot be stored."""
    by_video: dict[str, list[tuple[CaptionedClip, str]]] = defaultdict(list)
    for clip, split in pairs:
        by_video[f"{clip.root}/{clip.video}:{clip.part}"].append((clip, split))
    shards: list[list[Entry]] = [[]]
    left_out: dict[str, str] = {}
    filled = number = 0
    for group in by_video.values():
        clip, size = group[0][0], byte_count(group[0][0])
        if isinstance(clip.file, Pictures) or size <= 0:
            empty = "the file is empty (0 bytes)" if size == 0 else "no such file"
            left_out[str(clip.file)] = "a folder of pictures: make a video of it" if size > 0 else empty
            continue
        if filled and filled + size > shard_bytes:
            shards.append([])
            filled = 0
        shards[-1].append(Entry(number, size, group))
        filled, number = filled + size, number + 1
    return [shard for shard in shards if shard], left_out


def _digest(shards: list[list[Entry]]) -> str:
    digest = hashlib.blake2b(digest_size=10)
    for number, shard in enumerate(shards):
        for entry in shard:
            lines = [_line(clip, split) for clip, split in entry.clips]
            digest.update(json.dumps([number, entry.byte_count, lines], sort_keys=True).encode())
    return digest.hexdigest()


def _claim(output: Path, digest: str) -> None:
    """Goes on only with what the same plan began."""
    plan, index = output / "parts" / "plan", output / INDEX
    if index.is_file():
        with index.open("rb") as lines:
            whole = json.loads(lines.readline() or b"{}").get("plan") == digest
        told = "these shards, whole" if whole else "shards of other clips, or of another size"
        raise ValueError(f"{output}: holds {told}; take another folder, or delete this one")
    if not plan.is_file() and any(output.glob("*.tar")):
        raise ValueError(f"{output}: holds tars that this did not write; take another folder")
    if plan.is_file() and plan.read_text() != digest:
        raise ValueError(f"{output}: holds a part of other shards; take another folder, or delete this one")
    with written_whole(plan) as part:
        part.write_text(digest)


def _written(shards: list[list[Entry]], output: Path, unread: dict[int, str]) -> Iterator[int]:
    """One step for each video that is safe in a whole tar, or was before, or is `unread`: its number and why."""
    for number, shard in enumerate(shards):
        tar, part_index = output / f"{number:05}.tar", output / "parts" / f"{number:05}.jsonl"
        if not _is_whole(tar, part_index, shard):
            lines: list[dict[str, Any]] = []
            with written_whole(tar) as part, tarfile.open(part, "w", format=FORMAT) as file:
                for entry in shard:
                    try:
                        lines += _store(file, entry, tar.name)
                    except VideoError as error:
                        if error.passing:
                            raise
                        unread[entry.number] = str(error).removeprefix(f"{entry.name}: ")
                    yield entry.number
            with written_whole(part_index) as part:
                text = "".join(as_json(line) + "\n" for line in lines)
                part.write_text(text, encoding="utf-8", errors="backslashreplace")
        else:
            yield from (entry.number for entry in shard)


def _is_whole(tar: Path, part_index: Path, shard: list[Entry]) -> bool:
    """One that was written without some videos is not: they may have been mended."""
    clips = sum(len(entry.clips) for entry in shard)
    return tar.is_file() and part_index.is_file() and part_index.read_bytes().count(b"\n") == clips


def _store(tar: tarfile.TarFile, entry: Entry, shard: str) -> list[dict[str, Any]]:
    """Adds a video with its captions; the lines of the index. Adds nothing and raises `VideoError` where the video
    cannot be read."""
    source = entry.source
    suffix = Path(source.name).suffix.lower()
    name = f"{entry.number:08}"
    stamp(source)
    with opened(source) as video:
        try:
            digest = content_digest(video, entry.byte_count)
            video.seek(0)
        except OSError as error:
            raise VideoError(f"{source}: it cannot be read ({reason_of(error)})") from None
        offset = tar.offset + BLOCK  # type: ignore[attr-defined]
        try:
            tar.addfile(_member(f"{name}{suffix}", entry.byte_count), video)
        except OSError as error:
            raise ValueError(f"{source}: changes while it is stored ({error}); start again") from None
    told = [_line(clip, split) for clip, split in entry.clips]
    captions = list(dict.fromkeys(caption for clip, _ in entry.clips for caption in clip.captions))
    for ending, data in ((".json", json.dumps({"clips": told})), (".txt", "\n".join(captions))):
        raw = data.encode("utf-8", "replace")
        tar.addfile(_member(name + ending, len(raw)), io.BytesIO(raw))
    part = [offset, entry.byte_count, f"{name}{suffix}"]
    return [{"video": shard, "part": part, "digest": digest, **line} for line in told]


def _line(clip: CaptionedClip, split: str) -> dict[str, Any]:
    """What a manifest says of a clip, without where its video is."""
    line: dict[str, Any] = {"key": clip.key, "captions": list(clip.captions), "split": split}
    if clip.start_s or clip.end_s is not None:
        line |= {"start": clip.start_s} | ({"end": clip.end_s} if clip.end_s is not None else {})
    if clip.attributes:
        line["attributes"] = dict(clip.attributes)
    if clip.named:
        line["named"] = [list(names) for names in clip.named]
    return line


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    return member
