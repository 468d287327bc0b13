"""A file of JSON records, one a line, that grows: read what is good, replace the whole file atomically.

A damaged line is skipped (its record is made anew by whoever wanted it). Several processes may write at once: each
rereads the file before it replaces it, so that the worst case is a record that is computed again.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def read_records(path: Path, *, version: str | None) -> Iterator[dict[str, Any]]:
    """Records of this `version` (None: of any), last written last; none when the file cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return
    for line in lines:
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(record, dict) and "version" in record and version in (None, record["version"]):
            yield record


def write_records(path: Path, records: list[dict[str, Any]], *, version: str, key: str) -> None:
    """Merge `records` into the file by their `key`. A folder that cannot be written is a warning, not an end."""
    merged = {record[key]: record for record in read_records(path, version=version) if key in record}
    merged.update({record[key]: {"version": version, **record} for record in records})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    except OSError as error:
        warnings.warn(f"{path}: not cached ({error.strerror})", stacklevel=2)
        return
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in merged.values())
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
