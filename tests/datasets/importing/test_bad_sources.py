"""Published data sets with something wrong in them: each mistake is told with its place, what is whole is imported."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from t2vgan.datasets.importing import LAYOUTS, Options
from t2vgan.datasets.importing.write import Imported, collected, share_splits


def found_in(source: Path, layout: str) -> Imported:
    (source.parent / "a.mp4").touch()
    return collected(LAYOUTS[layout].read(source, Options(source.parent)), source.parent)


@pytest.mark.parametrize("layout", ["kinetics", "webvid", "panda70m", "msvd"])
def test_tables_without_their_columns(tmp_path: Path, layout: str) -> None:
    (tmp_path / "list.csv").write_text("file,text\na.mp4,x\n")
    with pytest.raises(ValueError, match=r"list\.csv: there is no column '\w+'; columns: file, text"):
        found_in(tmp_path / "list.csv", layout)
    (tmp_path / "list.csv").write_text("")
    with pytest.raises(ValueError, match=r"list\.csv: there is no column '\w+'; columns: none"):
        found_in(tmp_path / "list.csv", layout)


@pytest.mark.parametrize(
    ("layout", "head", "good", "bad"),
    [
        ("kinetics", "label,youtube_id,time_start,time_end,split", "x,a,1,2,train", "x,a,soon,2,train"),
        ("webvid", "videoid,name,page_dir", "a,x,p", "a,x"),
        ("panda70m", "videoID,timestamp,caption", "a,\"[['0:01', '0:02']]\",['x']", "a,[[,['x']"),
        ("msvd", "VideoID,Start,End,Language,Description", "a,1,2,English,x", "a,1,2,English,caf\xe9"),
    ],
)
def test_a_broken_line_is_told_and_the_others_are_read(
    tmp_path: Path, layout: str, head: str, good: str, bad: str
) -> None:
    (tmp_path / "a_1_2.mp4").touch()
    (tmp_path / "list.csv").write_bytes(f"{head}\n{bad}\n{good}\n".encode("latin-1"))
    found = found_in(tmp_path / "list.csv", layout)
    assert [line["captions"] for line in found.lines] == [["x"]]
    assert [entry["where"] for entry in found.left_out] == [f"{tmp_path}/list.csv:2"]


def test_lines_of_msvd_that_are_not_text(tmp_path: Path) -> None:
    (tmp_path / "AllVideoDescriptions.txt").write_bytes(b"a a bird\na caf\xe9\n")
    found = found_in(tmp_path / "AllVideoDescriptions.txt", "msvd")
    assert [line["captions"] for line in found.lines] == [["a bird"]]
    assert found.left_out[0]["reason"] == "not UTF-8 text"


def test_entries_of_msrvtt_that_are_none(tmp_path: Path) -> None:
    info = {"videos": [{"video_id": "a"}, 3], "sentences": ["x", {"video_id": "a", "caption": "a bird"}, None]}
    (tmp_path / "videodatainfo.json").write_text(json.dumps(info))
    found = found_in(tmp_path / "videodatainfo.json", "msrvtt")
    assert [line["captions"] for line in found.lines] == [["a bird"]]
    assert found.left_out[0]["reason"] == "3 of its videos and sentences are no JSON objects"


@pytest.mark.parametrize(
    ("told", "captions", "reason"),
    [
        (b'{"caption": "x", "attributes": [1]}', [["x"]], ""),
        (b'{"clips": ["x", {"caption": "y"}]}', [["y"]], "entry 0 of 'clips' is no JSON object"),
        (b'{"caption": "x"', [], "a.json cannot be read"),
        (b"[" * 100_000, [], "a.json cannot be read"),
        (b'["x"]', [], "no caption"),
        (b'{"caption": "x", "start": "soon"}', [], "is no time"),
        (b'{"caption": "x", "start": 1' + b"0" * 5000 + b"}", [], "is no time"),
    ],
)
def test_what_a_tar_may_tell(tmp_path: Path, told: bytes, captions: list[list[str]], reason: str) -> None:
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        for name, data in (("a.mp4", b"video"), ("a.json", told)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    found = found_in(tmp_path / "0.tar", "tars")
    assert [line["captions"] for line in found.lines] == captions
    assert reason in "; ".join(entry["reason"] for entry in found.left_out)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_csv_of_any_delimiter(tmp_path: Path, delimiter: str) -> None:
    rows = ["video", "caption"], ["a.mp4", "a lion"]
    (tmp_path / "list.csv").write_text("".join(delimiter.join(row) + "\n" for row in rows), encoding="utf-8-sig")
    assert [line["captions"] for line in found_in(tmp_path / "list.csv", "table").lines] == [["a lion"]]


def test_a_rate_in_a_table_is_one_of_pictures_only(tmp_path: Path) -> None:
    """A column `fps` says what a video's file says better; a clip with a rate is a folder of pictures."""
    (tmp_path / "frames").mkdir()
    (tmp_path / "list.csv").write_text("video,caption,fps\na.mp4,a cat,29.97\nframes,a dog,12\n")
    lines = found_in(tmp_path / "list.csv", "table").lines
    assert [line.get("fps") for line in lines] == [None, 12.0]


@pytest.mark.parametrize("cell", ["['a cat runs', \"it's a cat\"]", '["a cat runs", "it\'s a cat"]'])
def test_lists_as_python_and_as_json_write_them(tmp_path: Path, cell: str) -> None:
    (tmp_path / "list.tsv").write_text(f"video\tcaption\na.mp4\t{cell}\n")
    assert found_in(tmp_path / "list.tsv", "table").lines[0]["captions"] == ["a cat runs", "it's a cat"]


def test_a_bracket_is_no_list(tmp_path: Path) -> None:
    (tmp_path / "list.tsv").write_text("video\tcaption\na.mp4\t[music] a band plays [applause]\n")
    assert found_in(tmp_path / "list.tsv", "table").lines[0]["captions"] == ["[music] a band plays [applause]"]


def test_names_that_no_file_can_have_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(f"video,caption\n{'x' * 300}.mp4,a cat\na.mp4,a dog\n")
    found = found_in(tmp_path / "list.csv", "table")
    assert [line["video"] for line in found.lines] == ["a.mp4"] and "no such file" in found.left_out[0]["reason"]


def test_spans_that_video2dataset_has_cut_are_no_clips_of_ours(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "00000.tar", "w") as tar:
        told = {"caption": "a cat", "clips": [["00:00:01.000", "00:00:04.000"]]}
        for name, data in {"0_0.mp4": b"video", "0_0.json": json.dumps(told).encode()}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    found = found_in(tmp_path / "00000.tar", "tars")
    assert [line["captions"] for line in found.lines] == [["a cat"]] and not found.left_out


def test_what_was_cut_from_one_video_stays_in_one_split(tmp_path: Path) -> None:
    rows = [f"id{i},\"[['0:00', '0:01'], ['0:01', '0:02']]\",\"['x', 'y']\"" for i in range(20)]
    (tmp_path / "list.csv").write_text("\n".join(["videoID,timestamp,caption", *rows]) + "\n")
    for i in range(20):
        for part in range(2):
            (tmp_path / f"id{i}_{part}.mp4").touch()
    found = found_in(tmp_path / "list.csv", "panda70m")
    share_splits(found)
    splits = {}
    for line in found.lines:
        splits.setdefault(line["video"].split("_")[0], set()).add(line["split"])
    assert all(len(of_video) == 1 for of_video in splits.values()) and len(set.union(*splits.values())) == 3


DIGITS = "1" + "0" * 400


@pytest.mark.parametrize("cell", ["1" + "0" * 400, "1" + "0" * 5000, '"' + "1:" * 300 + '1"', "1e999"])
@pytest.mark.parametrize("column", ["start", "fps"])
@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_a_number_that_is_none_costs_its_own_row_only(tmp_path: Path, cell: str, column: str, suffix: str) -> None:
    rows = [f'{{"video": "a.mp4", "caption": "x", "{column}": {cell}}}', '{"video": "a.mp4", "caption": "y"}']
    table = "\n".join(rows) if suffix == "jsonl" else f"[{','.join(rows)}]"
    (tmp_path / f"list.{suffix}").write_text(table)
    found = found_in(tmp_path / f"list.{suffix}", "table")
    assert [line["captions"] for line in found.lines] == [["y"]]
    assert len(found.left_out) == 1 and len(found.left_out[0]["reason"]) < 150
    assert "is no" in found.left_out[0]["reason"]


@pytest.mark.parametrize("cell", ["[{[]: 1}]", f"[[{DIGITS}, 2]]", f"[[0x{'f' * 9000}, 2]]", "[[1, 2, 3]]", "[5]", "5"])
def test_odd_cells_of_panda70m(tmp_path: Path, cell: str) -> None:
    good = "a,\"[['0:01', '0:02']]\",['x']"
    (tmp_path / "list.csv").write_text(f"videoID,timestamp,caption\na,\"{cell}\",['y']\n{good}\n")
    found = found_in(tmp_path / "list.csv", "panda70m")
    assert [line["captions"] for line in found.lines] == [["x"]] and len(found.left_out) == 1


def test_a_caption_that_looks_like_an_odd_list(tmp_path: Path) -> None:
    (tmp_path / "list.tsv").write_text("video\tcaption\na.mp4\t[{[]: 1}]\n")
    assert found_in(tmp_path / "list.tsv", "table").lines[0]["captions"] == ["[{[]: 1}]"]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize(
    ("layout", "good", "empty"),
    [
        ("panda70m", {"videoID": 7, "timestamp": [["0:01", "0:02"]], "caption": ["x"]}, "timestamp"),
        ("webvid", {"videoid": 7, "name": "x", "page_dir": "p"}, "name"),
        ("kinetics", {"label": "x", "youtube_id": 7, "time_start": 1, "time_end": 2}, "label"),
        ("msvd", {"VideoID": 7, "Start": 1, "End": 2, "Language": "English", "Description": "x"}, "Description"),
    ],
)
def test_published_tables_in_other_forms(
    tmp_path: Path, layout: str, good: dict[str, object], empty: str, suffix: str
) -> None:
    """Numbers, lists and nothing in the place of text, and rows without a column."""
    for name in ("7.mp4", "7_1_2.mp4", "8.mp4"):
        (tmp_path / name).touch()
    rows = [good, {**good, empty: None}]
    source = tmp_path / f"list.{suffix}"
    if suffix == "parquet":
        import pyarrow as pa
        from pyarrow.parquet import write_table

        write_table(pa.Table.from_pylist(rows), source)
    else:
        rows += [{name: value for name, value in good.items() if name != lost} for lost in good]
        source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = found_in(source, layout)
    assert [line["captions"] for line in found.lines] == [["x"]]
    reasons = [entry["reason"] for entry in found.left_out]
    assert sum(reason.startswith("there is no '") for reason in reasons) == len(rows) - 2


@pytest.mark.parametrize(
    ("name", "split"), [("train", "train"), ("validate", "val"), ("test", "test"), ("kinetics_700", None)]
)
def test_kinetics_without_a_column_of_splits(tmp_path: Path, name: str, split: str | None) -> None:
    (tmp_path / f"{name}.csv").write_text("label,youtube_id,time_start,time_end\nx,a,1,2\n")
    assert [line.get("split") for line in found_in(tmp_path / f"{name}.csv", "kinetics").lines] == [split]
