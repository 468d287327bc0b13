import json
from pathlib import Path

import pytest

from t2vgan.text.jsonlines import read_records, write_records


def test_records_come_back_merged_by_their_key(tmp_path: Path):
    path = tmp_path / "folder" / "cache.jsonl"
    write_records(path, [{"word": "a", "x": 1}, {"word": "b", "x": 2}], version="1", key="word")
    write_records(path, [{"word": "b", "x": 3}, {"word": "line\u2028end\n", "x": 4}], version="1", key="word")
    found = {record["word"]: record["x"] for record in read_records(path, version="1")}
    assert found == {"a": 1, "b": 3, "line\u2028end\n": 4}
    assert [each.name for each in path.parent.iterdir()] == ["cache.jsonl"], "nothing temporary is left"


def test_damaged_lines_and_other_versions_are_left_out(tmp_path: Path):
    path = tmp_path / "cache.jsonl"
    good = json.dumps({"version": "2", "word": "good"})
    old = json.dumps({"version": "1", "word": "old"})
    path.write_bytes(f'{good[:-5]}\n\n[1, 2]\n"text"\n{old}\n{good}\n'.encode() + b"\xff\xfe{\n")
    assert [record["word"] for record in read_records(path, version="2")] == ["good"]
    assert [record["word"] for record in read_records(path, version=None)] == ["old", "good"]
    write_records(path, [{"word": "new"}], version="2", key="word")
    assert [json.loads(line)["word"] for line in path.read_text().splitlines()] == ["good", "new"]


def test_no_file_is_no_records(tmp_path: Path):
    assert list(read_records(tmp_path / "none.jsonl", version="1")) == []


def test_a_place_that_cannot_be_written_is_a_warning(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="not cached"):
        write_records(tmp_path / "file" / "cache.jsonl", [{"word": "a"}], version="1", key="word")
