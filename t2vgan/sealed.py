"""Checkpoints that carry their own checksum, so that a damaged one is known before anything is done with it.

A sealed file is what `torch.save` writes, a zip archive, whose comment is `sha256:` and the hash of all that comes
before the comment. `torch.load` opens it as it does any other.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

MARK = b"sha256:"
COMMENT_BYTES = len(MARK) + 64
END, END_BYTES = b"PK\x05\x06", 22  # the last record of a zip archive, where no comment follows it
LENGTH_BYTES = 2  # of the comment, little-endian, the last field of a zip archive


def sealed(content: Any) -> bytes:
    """`content` (tensors and plain values) as the bytes of a sealed file."""
    import torch

    buffer = io.BytesIO()
    torch.save(content, buffer)
    body = buffer.getvalue()[:-LENGTH_BYTES] + COMMENT_BYTES.to_bytes(LENGTH_BYTES, "little")
    return body + MARK + hashlib.sha256(body).hexdigest().encode()


def damage(path: Path) -> str | None:
    """What is wrong with the file, in a few words; None when it is whole. Files without a seal have to open."""
    try:
        content = path.read_bytes()
    except PermissionError:  # which says nothing of the file
        raise
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    body, comment = content[:-COMMENT_BYTES], content[-COMMENT_BYTES:]
    if content[-END_BYTES:].startswith(END):  # no comment: written before there were seals
        try:
            read(path)
            return None
        except Exception as error:
            return f"it does not open ({type(error).__name__})"
    if not comment.startswith(MARK):
        return "it is cut off, or no checkpoint"
    whole = hashlib.sha256(body).hexdigest().encode() == comment[len(MARK) :]
    return None if whole else "its checksum is that of other contents"


def read(path: Path) -> dict[str, Any]:
    """The checkpoint, its tensors on the CPU and read from the disk only when they are used; no code is run."""
    import torch

    return torch.load(path, weights_only=True, map_location="cpu", mmap=True)
