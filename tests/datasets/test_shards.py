"""Shards: what is written is what was there, any stop is resumed, and training from them is training from the files."""

from __future__ import annotations

import functools
import http.server
import io
import json
import tarfile
import threading
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from t2vgan.config import Clip, Data
from t2vgan.datamodule import ClipsDataModule
from t2vgan.datasets import sharding
from t2vgan.datasets.importing import Options
from t2vgan.datasets.importing.write import import_clips
from t2vgan.datasets.manifest import Manifest
from t2vgan.datasets.sharding import clips_with_splits, planned, write_shards
from t2vgan.datasets.shards import Shards
from t2vgan.video.sources import VideoError

VIEW = {"size": 16, "frames": 4, "duration_s": 0.5}
COUNT = 7


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, clips: SimpleNamespace) -> Path:
    folder = tmp_path_factory.mktemp("source")
    clips.write(folder / "clips", COUNT, frames=24)
    rows: list[dict[str, Any]] = [
        {
            "video": f"clips/clip{i:02}.mp4", "captions": [f"clip {i}", f"number {i} 🦁"],
            "split": "val" if i == 6 else "train", "attributes": {"n": str(i)}, "named": [["n"], []],
        }
        for i in range(COUNT)
    ]  # fmt: skip
    rows.append({"video": "clips/clip01.mp4", "caption": "a part", "start": 0.5, "end": 1.0, "split": "train"})
    rows.append({"video": "clips/gone.mp4", "caption": "gone", "split": "train"})
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def shards(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    one = (source / "clips" / "clip00.mp4").stat().st_size
    done = write_shards(clips_with_splits(source), folder, shard_bytes=3 * one)
    assert (done.clips, done.shards) == (COUNT + 1, len(list(folder.glob("*.tar")))) and done.shards > 1
    assert [reason for reason in done.left_out.values()] == ["no such file"]
    return folder


def test_samples_are_those_of_the_files(source: Path, shards: Path) -> None:
    packed, files = Shards(root=shards, split="train", **VIEW), Manifest(root=source, split="train", **VIEW)
    place = {files.key(i): i for i in range(len(files))}
    assert len(packed) == COUNT and {packed.key(i) for i in range(COUNT)} == set(place) - {"clips/gone.mp4"}
    for i in range(COUNT):
        one, other = packed[i], files[place[packed.key(i)]]
        assert np.array_equal(one.video, other.video) and one.caption == other.caption
        assert one.attributes == other.attributes and one.named == other.named
        pyav = Shards(root=shards, split="train", decoder="pyav", **VIEW)[i]
        assert np.abs(pyav.video.astype(int) - one.video).mean() < 2
    assert len(Shards(root=shards, split="val", **VIEW)) == 1 and len(Shards(root=shards, split="all", **VIEW)) == 8


def test_the_tars_are_those_of_webdataset(source: Path, shards: Path) -> None:
    seen: dict[str, bytes] = {}
    for path in sorted(shards.glob("*.tar")):
        with tarfile.open(path) as tar:
            names = tar.getnames()
            assert [name.split(".")[1] for name in names] == ["mp4", "json", "txt"] * (len(names) // 3)
            for member in tar:
                file = tar.extractfile(member)
                assert file is not None
                seen[member.name] = file.read()
    assert seen["00000003.mp4"] == (source / "clips" / "clip03.mp4").read_bytes()
    assert seen["00000003.txt"].decode() == "clip 3\nnumber 3 🦁"
    parts = json.loads(seen["00000001.json"])["clips"]
    assert [part.get("start") for part in parts] == [None, 0.5], "stored once, with all its clips"


def test_the_webdataset_library_reads_them(shards: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    read = webdataset.WebDataset([str(path) for path in sorted(shards.glob("*.tar"))], shardshuffle=False)
    assert [sample["__key__"] for sample in read] == [f"{i:08}" for i in range(COUNT)]


def test_a_stop_at_any_shard_is_resumed_to_the_same_bytes(
    source: Path, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs, size = clips_with_splits(source), 3 * (source / "clips" / "clip00.mp4").stat().st_size
    stored: list[int] = []
    real = sharding._store

    def stopping(tar: tarfile.TarFile, entry: sharding.Entry, shard: str) -> list[dict[str, Any]]:
        stored.append(entry.number)
        if stored.count(4) == 1 and entry.number == 4:
            raise KeyboardInterrupt
        return real(tar, entry, shard)

    monkeypatch.setattr(sharding, "_store", stopping)
    with pytest.raises(KeyboardInterrupt):
        write_shards(pairs, tmp_path, shard_bytes=size)
    assert not (tmp_path / "index.jsonl").exists() and not list(tmp_path.glob(".*.part"))
    with pytest.raises(
        ValueError, match=r"no index\.jsonl: shards are written by: python -m t2vgan\.data shard .* goes on"
    ):
        Shards(root=tmp_path, **VIEW)
    write_shards(pairs, tmp_path, shard_bytes=size)
    assert stored.count(0) == 1 and stored.count(4) == 2, "whole tars are not written again"
    for path in [*shards.glob("*.tar"), shards / "index.jsonl"]:
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_shards_are_never_overwritten(source: Path, shards: Path, tmp_path: Path) -> None:
    pairs = clips_with_splits(source)
    size = 3 * (source / "clips" / "clip00.mp4").stat().st_size
    with pytest.raises(ValueError, match="holds these shards, whole"):
        write_shards(pairs, shards, shard_bytes=size)
    with pytest.raises(ValueError, match="holds shards of other clips, or of another size"):
        write_shards(pairs[:3], shards, shard_bytes=size)
    (tmp_path / "mine.tar").touch()
    with pytest.raises(ValueError, match="holds tars that this did not write"):
        write_shards(pairs, tmp_path, shard_bytes=size)
    with pytest.raises(ValueError, match="no clip can be stored"):
        write_shards([pair for pair in pairs if "gone" in pair[0].video], tmp_path / "none", shard_bytes=size)


def test_splits_and_quarantine_are_those_of_training(source: Path, tmp_path: Path) -> None:
    rows = [json.dumps({"video": f"{i}.mp4", "caption": f"caption {i}"}) for i in range(60)]
    (tmp_path / "manifest.jsonl").write_text("\n".join(rows))
    (tmp_path / "quarantine.jsonl").write_text('{"key": "7.mp4", "reason": "by hand"}\n')
    splits = {clip.key: split for clip, split in clips_with_splits(tmp_path)}
    assert len(splits) == 59 and "7.mp4" not in splits
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for split in ("train", "val", "test"):
            assert {clip.key for clip in Manifest(root=tmp_path, split=split).clips} == {
                key for key, its in splits.items() if its == split
            }
    (tmp_path / "folder").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "folder" / f"{name}.mp4").touch()
        (tmp_path / "folder" / f"{name}.txt").write_text(name)
    (tmp_path / "folder" / "quarantine.jsonl").write_text('{"key": "b.mp4"}\n')
    assert [clip.key for clip, _ in clips_with_splits(tmp_path / "folder")] == ["a.mp4", "c.mp4"]
    assert planned(clips_with_splits(source), 10**9)[0][0][0].clips[0][1] == "train"


def test_a_damaged_tar_costs_its_own_clips_only(shards: Path, tmp_path: Path) -> None:
    for path in shards.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "00001.tar").write_bytes((shards / "00001.tar").read_bytes()[:700])
    data = Shards(root=tmp_path, split="all", **VIEW)
    told = []
    for index in range(len(data)):
        try:
            data[index]
        except ValueError as error:
            told.append(str(error))
    assert 0 < len(told) < len(data) and all("00001.tar" in reason and "truncated" in reason for reason in told)


def test_videos_of_one_name_in_a_tar_stay_apart(tmp_path: Path, clips: SimpleNamespace) -> None:
    videos = clips.write(tmp_path / "made", 2, frames=24)
    with tarfile.open(tmp_path / "00000.tar", "w") as tar:
        for place, video in zip(("dogs", "cats"), videos, strict=True):
            for ending, data in ((".mp4", video.read_bytes()), (".txt", f"one of the {place}".encode())):
                member = tarfile.TarInfo(f"{place}/001{ending}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    import_clips(tmp_path / "00000.tar", tmp_path / "mine", layout="tars", options=Options(tmp_path))
    pairs = clips_with_splits(tmp_path / "mine")
    assert [clip.place for clip, _ in pairs] == ["00000.tar/dogs/001.mp4", "00000.tar/cats/001.mp4"]
    before = [replace(clip, part=(*clip.part[:2], "001.mp4")) for clip, _ in pairs if clip.part]  # of older imports
    for name, kept in (("new", pairs), ("old", [(clip, "train") for clip in before])):
        write_shards(kept, tmp_path / name, shard_bytes=10**9)
        data = Shards(root=tmp_path / name, split="all", **VIEW)
        told = {data[i].caption: clips.clip_of(data[i].video[0]) for i in range(2)}
        assert told == {"one of the dogs": 0, "one of the cats": 1}


def test_the_index_says_where_tarfile_finds_them(shards: Path) -> None:
    lines = [json.loads(line) for line in (shards / "index.jsonl").read_text().splitlines()[1:]]
    for path in shards.glob("*.tar"):
        with tarfile.open(path) as tar:
            there = {member.name: [member.offset_data, member.size, member.name] for member in tar}
        parts = [line["part"] for line in lines if line["video"] == path.name]
        assert parts and all(part == there[part[2]] for part in parts)
    head = sharding._member("00000000.mp4", 9 << 30).tobuf(sharding.FORMAT)
    assert len(head) == sharding.BLOCK, "of a video of 9 GiB, too, the bytes begin one block later"
    assert tarfile.TarInfo.frombuf(head, "utf-8", "strict").size == 9 << 30


def test_what_cannot_be_read_is_left_out_and_tried_again(
    source: Path, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs, size = clips_with_splits(source), 3 * (source / "clips" / "clip00.mp4").stat().st_size
    real = sharding.opened

    def denied(source: Path) -> io.BufferedIOBase:
        if source.name in ("clip01.mp4", *more):
            raise VideoError(f"{source}: it cannot be opened (Permission denied)")
        return real(source)

    monkeypatch.setattr(sharding, "opened", denied)
    monkeypatch.setattr(sharding, "INDEX", "nowhere/index.jsonl")  # a stop after the last tar
    (tmp_path / "out" / "nowhere").parent.mkdir()
    (tmp_path / "out" / "nowhere").touch()
    more: list[str] = []
    with pytest.raises(OSError, match="nowhere"):
        write_shards(pairs, tmp_path / "out", shard_bytes=size)
    monkeypatch.setattr(sharding, "INDEX", "index.jsonl")
    done = write_shards(pairs, tmp_path / "out", shard_bytes=size)
    assert done.left_out[str(source / "clips" / "clip01.mp4")] == "it cannot be opened (Permission denied)"
    assert done.clips == COUNT - 1, "two clips were of that video"
    data = Shards(root=tmp_path / "out", split="all", **VIEW)
    assert len([data[i] for i in range(len(data))]) == COUNT - 1
    assert "Permission denied" in (tmp_path / "out" / "left_out.jsonl").read_text()
    more = [f"clip0{i}.mp4" for i in range(COUNT)]
    with pytest.raises(ValueError, match=r"no clip can be stored; .*gone\.mp4: no such file"):
        write_shards(pairs, tmp_path / "mended", shard_bytes=size)
    monkeypatch.setattr(sharding, "opened", real)
    write_shards(pairs, tmp_path / "mended", shard_bytes=size)
    for path in shards.glob("*.tar"):
        assert (tmp_path / "mended" / path.name).read_bytes() == path.read_bytes()


class Server(http.server.SimpleHTTPRequestHandler):
    """Answers ranges, as web servers and object stores do."""

    asked: list[tuple[str, str | None]] = []  # noqa: RUF012

    def do_GET(self) -> None:
        path, span = Path(self.translate_path(self.path)), self.headers.get("Range")
        self.asked.append((path.name, span))
        if not path.is_file():
            return self.send_error(404)
        data, status = path.read_bytes(), 200
        if span:
            begin, _, end = span.removeprefix("bytes=").partition("-")
            total, status = len(data), 206
            data = data[int(begin) : int(end) + 1 if end else None]
            self.send_response(status)
            self.send_header("Content-Range", f"bytes {begin}-{int(begin) + len(data) - 1}/{total}")
        else:
            self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def address(shards: Path) -> Iterator[str]:
    Server.asked.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Server, directory=str(shards)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def test_shards_are_read_from_far_away_clip_by_clip(shards: Path, address: str) -> None:
    pytest.importorskip("aiohttp")
    far, near = Shards(root=address, split="train", **VIEW), Shards(root=shards, split="train", **VIEW)
    for index in (3, 0):
        assert np.array_equal(far[index].video, near[index].video)
    spans = [span for name, span in Server.asked if name.endswith(".tar")]
    assert len(spans) == 2 and all(spans), "one range for each clip, never a whole tar"
    assert far.fingerprint == near.fingerprint, "the same frames: the same cache"
    with pytest.raises(ValueError, match=r"/none/index\.jsonl: cannot be fetched"):
        Shards(root=f"{address}/none", **VIEW)


def test_shards_in_memory_of_fsspec(shards: Path) -> None:
    import fsspec

    system = fsspec.filesystem("memory")
    for path in shards.iterdir():
        if path.is_file():
            system.pipe(f"/bucket/lions/{path.name}", path.read_bytes())
    data = Shards(root="memory://bucket/lions", split="val", **VIEW)
    assert data[0].caption == "clip 6"
    system.pipe("/bucket/lions/00000.tar", b"short")
    broken = Shards(root="memory://bucket/lions", split="train", **VIEW)
    with pytest.raises(ValueError, match=r"memory://bucket/lions/00000\.tar:0000000\d\.mp4: "):
        for index in range(len(broken)):
            broken[index]


def module(root: str, *, rank: int = 0, ranks: int = 1, workers: int = 0) -> ClipsDataModule:
    def make(split: str, limit: int | None) -> Shards:
        return Shards(root=root, split="all", limit=limit, **VIEW)

    clip = Clip(size=16, frames=4, duration_s=0.5)
    data = ClipsDataModule(make=make, data=Data(batch=2, workers=workers), clip=clip, seed=1)
    data.trainer = SimpleNamespace(global_rank=rank, world_size=ranks)  # type: ignore[assignment]
    return data


def test_ranks_workers_and_resuming_are_those_of_every_data_set(shards: Path, address: str) -> None:
    """An epoch of all clips: shared by two ranks, by workers that fetch from far away, taken up in the middle."""

    def epoch(data: ClipsDataModule, resumed_at: int = 0) -> list[list[tuple[str, bytes]]]:
        loader = data.train_dataloader()
        loader.load_state_dict({"batches": resumed_at})
        return [[(key, video.numpy().tobytes()) for key, video in zip(c.keys, c.video, strict=True)] for c in loader]

    whole = epoch(module(str(shards)))
    assert len({key for batch in whole for key, _ in batch}) == COUNT + 1, "nothing twice, nothing left out"
    shares = [epoch(module(str(shards), rank=rank, ranks=2)) for rank in range(2)]
    assert [one + two for one, two in zip(*shares, strict=True)] == whole
    assert epoch(module(address, workers=2)) == whole
    assert epoch(module(str(shards)), resumed_at=2) == whole[2:]


@pytest.mark.slow
def test_shards_in_a_bucket(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """s3:// against a server of the same protocol on this machine (pip install 'moto[server]' s3fs)."""
    moto, s3fs = pytest.importorskip("moto.server"), pytest.importorskip("s3fs")
    server = moto.ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    names = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**names, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
        monkeypatch.setenv(name, value)
    try:
        s3fs.S3FileSystem.clear_instance_cache()
        system = s3fs.S3FileSystem()
        system.mkdir("lions")
        for path in shards.iterdir():
            if path.is_file():
                system.put_file(str(path), f"lions/train/{path.name}")
        far, near = Shards(root="s3://lions/train", split="all", **VIEW), Shards(root=shards, split="all", **VIEW)
        for index in range(len(near)):
            assert np.array_equal(far[index].video, near[index].video)
        with pytest.raises(ValueError, match=r"s3://lions/none/index\.jsonl: cannot be fetched"):
            Shards(root="s3://lions/none", **VIEW)
    finally:
        server.stop()


def test_manifests_of_two_splits_may_number_their_lines_alike(source: Path, tmp_path: Path) -> None:
    for split, number in (("train", 0), ("val", 1)):
        row = {"video": str(source / "clips" / f"clip{number:02}.mp4"), "caption": f"clip {number}", "key": "0"}
        (tmp_path / f"{split}.jsonl").write_text(json.dumps({**row, "video": f"clip{number:02}.mp4"}) + "\n")
        (tmp_path / f"clip{number:02}.mp4").symlink_to(row["video"])
    write_shards(clips_with_splits(tmp_path), tmp_path / "shards", shard_bytes=10**6)
    for split, caption in (("train", "clip 0"), ("val", "clip 1")):
        packed = Shards(root=tmp_path / "shards", split=split, **VIEW)
        assert [(packed[i].key, packed[i].caption) for i in range(len(packed))] == [(f"{split}/0", caption)]
