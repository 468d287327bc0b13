"""csv, tsv, jsonl, json and parquet, row by row; and any such table with one column for the video, one for captions."""

from __future__ import annotations

import ast
import contextlib
import csv
import difflib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from t2vgan.datasets.importing.rows import Options, Row, seconds, split_name
from t2vgan.datasets.manifest import from_json

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
LARGEST_CELL = 1 << 24  # characters
GUESSES = {
    "video": ("video", "video_path", "path", "file", "file_name", "filename", "clip", "video_id", "videoid", "media"),
    "caption": ("caption", "captions", "text", "description", "sentence", "prompt", "title", "name", "label"),
    "start": ("start", "start_time", "start_s", "begin", "time_start"),
    "end": ("end", "end_time", "end_s", "stop", "time_end"),
    "split": ("split", "subset", "set"),
    "key": ("key",),
    "fps": ("fps",),
}


def header(path: Path, delimiter: str = "") -> list[str]:
    """The names of the columns: those of the first row that is whole."""
    rows = (row for _, row in records(path, delimiter) if isinstance(row, dict))
    return [str(name) for name in next(rows, {})]


def records(path: Path, delimiter: str = "") -> Iterator[tuple[str, dict[str, Any] | str]]:
    """(file:line, row), or in the place of the row what is wrong with the line."""
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        yield from _cells(path, delimiter)
    elif suffix in (".jsonl", ".ndjson"):
        yield from _json_lines(path)
    elif suffix == ".json":
        yield from _json(path)
    elif suffix == ".parquet":
        yield from _parquet(path)
    else:
        raise ValueError(f"{path}: not a table; there are {', '.join(SUFFIXES)}")


def with_columns(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """`records` of a published table. ValueError where it has not got these columns."""
    there = header(path)
    missing = [name for name in columns if name not in there]
    if missing:
        raise ValueError(f"{path}: there is no column {missing[0]!r}; columns: {', '.join(there) or 'none'}")
    for where, row in records(path):  # of json, rows need not have the same
        lost = [] if isinstance(row, str) else [name for name in columns if name not in row]
        yield where, f"there is no {lost[0]!r}" if lost else row


def text_of(value: Any) -> str:
    """A cell as text: only those of a csv are always text."""
    return "" if value is None else str(value).strip()


def read(source: Path, options: Options) -> Iterator[Row]:
    """A table of any kind. ValueError when a column that is asked for is not there, or none can be guessed."""
    columns: dict[tuple[str, ...], dict[str, str]] = {}  # of json, rows need not have the same
    for where, record in records(source, options.delimiter):
        if isinstance(record, str):
            yield Row(where, problem=record)
            continue
        there = tuple(map(str, record))
        if there not in columns:
            first = not columns
            columns[there] = (chosen_columns if first else guessed_columns)(source, list(there), options.columns)
        yield _row(where, record, columns[there])


def chosen_columns(source: Path, there: list[str], asked: dict[str, str]) -> dict[str, str]:
    """Field -> column: those asked for, and for the others the first guess that is there."""
    for field, column in asked.items():
        if column not in there:
            near = difflib.get_close_matches(column, there, 1)
            hint = f", did you mean {near[0]!r}?" if near else ";"
            raise ValueError(f"{source}: there is no column {column!r} (--{field}){hint} columns: {', '.join(there)}")
    columns = guessed_columns(source, there, asked)
    for field in ("video", "caption"):
        if field not in columns:
            told = f"which column holds the {field} cannot be told from {', '.join(there) or 'nothing'}"
            raise ValueError(f"{source}: {told}; name it with --{field}")
    return columns


def guessed_columns(source: Path, there: list[str], asked: dict[str, str]) -> dict[str, str]:
    """The same, for a row in which some may be missing."""
    plain = {name.strip().lower(): name for name in reversed(there)}
    guessed = {field: next((plain[g] for g in names if g in plain), None) for field, names in GUESSES.items()}
    return {field: name for field, name in {**guessed, **asked}.items() if name is not None}


def _row(where: str, record: dict[str, Any], columns: dict[str, str]) -> Row:
    def cell(field: str) -> Any:
        return record.get(columns[field]) if field in columns else None

    key = cell("key")
    row = Row(where, video=text_of(cell("video")), captions=captions_of(cell("caption")))
    row.key = str(key) if key not in (None, "") else None
    try:
        row.split, row.fps = split_name(cell("split")), _rate(cell("fps"))
        row.start_s, row.end_s = seconds(cell("start")), seconds(cell("end"))
    except ValueError as error:
        row.problem = str(error)
    return row


def _rate(value: Any) -> float | None:
    if value in (None, ""):
        return None
    try:
        rate = float(value)
    except (TypeError, ValueError, OverflowError):
        rate = -1.0
    if not 0 < rate < float("inf"):
        raise ValueError(f"{str(value)[:60]!r} is no number of frames a second")
    return rate


def captions_of(value: Any) -> list[str]:
    """One caption, a list of them, or a list written as JSON or as Python does."""
    if isinstance(value, str) and value.strip().startswith("[") and value.strip().endswith("]"):
        value = _written_list(value.strip()) or value
    values = value if isinstance(value, list | tuple) else [value]
    return [str(each) for each in values if each is not None and str(each).strip()]


def _written_list(text: str) -> list[str] | None:
    for read_list in (json.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            found = read_list(text)
            if isinstance(found, list) and found and all(isinstance(each, str) for each in found):
                return found
    return None


def _cells(path: Path, delimiter: str) -> Iterator[tuple[str, dict[str, Any] | str]]:
    csv.field_size_limit(LARGEST_CELL)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        delimiter = delimiter or ("\t" if path.suffix.lower() == ".tsv" else _delimiter(file.readline()))
        file.seek(0)
        lines = csv.reader((line.replace("\0", "") for line in file), delimiter=delimiter)
        names: list[str] | None = None
        while True:
            try:
                cells = next(lines)
            except StopIteration:
                return
            except csv.Error as error:
                yield f"{path}:{lines.line_num}", str(error)
                continue
            where = f"{path}:{lines.line_num}"
            if not cells:
                continue
            if any("\udc80" <= letter <= "\udcff" for cell in cells for letter in cell):
                yield where, "not UTF-8 text"
            elif names is None:
                names = cells
            elif len(cells) != len(names):
                yield where, f"{len(cells)} cells in the place of {len(names)}"
            else:
                yield where, dict(zip(names, cells, strict=True))


def _delimiter(first_line: str) -> str:
    """Spreadsheets of some countries write a csv with semicolons."""
    return max(",;\t|", key=first_line.count)


def _json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any] | str]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield f"{path}:{number}", _object(line)


def _object(line: bytes) -> dict[str, Any] | str:
    try:
        row = from_json(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return "not UTF-8 text"
    except (json.JSONDecodeError, RecursionError) as error:
        return f"not JSON ({getattr(error, 'msg', 'nested too deeply')})"
    return row if isinstance(row, dict) else "not a JSON object"


def load_json(path: Path) -> Any:
    """ValueError, one line, for what is not JSON."""
    try:
        return from_json(path.read_bytes().decode("utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON in UTF-8 ({error})") from None


def _json(path: Path) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """A list of objects; or an object of objects, the video being the key."""
    whole = load_json(path)
    if isinstance(whole, dict) and all(isinstance(row, dict) for row in whole.values()):
        whole = [{"video": key, **row} for key, row in whole.items()]
    if not isinstance(whole, list):
        raise ValueError(f"{path}: a list of objects is expected, one for each clip")
    for number, row in enumerate(whole, start=1):
        yield f"{path}, entry {number}", row if isinstance(row, dict) else "not a JSON object"


def _parquet(path: Path) -> Iterator[tuple[str, dict[str, Any] | str]]:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        number = 0
        with ParquetFile(path) as table:
            for batch in table.iter_batches(batch_size=4096):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path}, row {number}", row
    except ArrowException as error:
        raise ValueError(f"{path}: not a parquet file that can be read ({str(error).splitlines()[0]})") from None
