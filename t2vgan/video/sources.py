"""What a video is read from: a file of its own, a member of a tar (here or far away), or a folder of pictures.

`str(source)` is what people are told of it. A file is a plain `Path`.
"""

from __future__ import annotations

import io
import os
import re
import stat
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

PAUSES_S = (1.0, 4.0)  # between tries to fetch what is far away
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


class VideoError(ValueError):
    """A video that cannot be used; one line that names the file and the reason."""

    passing = False  # whether it may be read another time


class FetchError(VideoError):
    """A video that could not be fetched from afar, whoever is to blame."""

    passing = True


@dataclass(frozen=True, slots=True)
class Member:
    """The bytes `offset` to `offset + byte_count` of `file`: a path, or an address such as s3://bucket/00000.tar."""

    file: str
    offset: int
    byte_count: int
    name: str  # of the member, e.g. lion.mp4

    def __str__(self) -> str:
        return f"{self.file}:{self.name}"

    @property
    def remote(self) -> bool:
        return is_remote(self.file)


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of a folder in the order of the numbers in their names, `fps` a second."""

    folder: Path
    fps: float

    def __str__(self) -> str:
        return str(self.folder)

    def files(self) -> list[Path]:
        """Raises `VideoError` where the folder may not be read."""
        try:
            found = [path for path in self.folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES]
        except OSError as error:
            raise VideoError(f"{self}: the folder cannot be read ({reason_of(error)})") from None
        return sorted((path for path in found if not path.name.startswith(".")), key=by_number)


Source = Path | Member | Pictures


def is_remote(file: str) -> bool:
    return "://" in file


def by_number(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """`frame9` before `frame10`."""
    parts = re.split(r"(\d+)", path.stem)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part], path.name


def stamp(source: Source) -> tuple[int, int]:
    """(time of the last change in ns, bytes) of a source. Raises `VideoError` where there is nothing to read."""
    if isinstance(source, Member) and source.remote:
        return 0, source.byte_count
    path = source if isinstance(source, Path) else Path(source.file if isinstance(source, Member) else source.folder)
    try:
        found = path.stat()
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError | NotADirectoryError) else error.strerror
        raise VideoError(f"{source}: {reason}") from None
    except ValueError as error:  # a zero byte in the name
        raise VideoError(f"{source}: {error}") from None
    if isinstance(source, Pictures):
        if not stat.S_ISDIR(found.st_mode):
            raise VideoError(f"{source}: not a folder of pictures")
        return found.st_mtime_ns, 0
    if stat.S_ISDIR(found.st_mode):
        raise VideoError(f"{source}: a folder, not a video file")
    if not stat.S_ISREG(found.st_mode):
        raise VideoError(f"{source}: a pipe, socket or device, not a video file")
    byte_count = source.byte_count if isinstance(source, Member) else found.st_size
    if byte_count == 0:
        raise VideoError(f"{source}: the file is empty (0 bytes)")
    if isinstance(source, Member) and source.offset + byte_count > found.st_size:
        raise VideoError(f"{source}: truncated: {source.file} ends before it does; copy or download it again")
    return found.st_mtime_ns, byte_count


def opened(source: Path | Member) -> io.BufferedIOBase:
    """The bytes of a source, to be read and sought in. Raises `VideoError`."""
    if isinstance(source, Member) and source.remote:
        return io.BytesIO(_fetched(source))
    try:
        return source.open("rb") if isinstance(source, Path) else io.BufferedReader(_Window(source), 1 << 16)
    except OSError as error:
        raise VideoError(f"{source}: it cannot be opened ({reason_of(error)})") from None


def content_digest(data: io.BufferedIOBase, byte_count: int, sample: int = 1 << 16) -> str:
    """Changes with the content, as far as its beginning, middle and end tell: cheap, for large files too."""
    import hashlib

    digest = hashlib.blake2b(str(byte_count).encode(), digest_size=10)
    for begin in sorted({0, max(0, byte_count // 2 - sample // 2), max(0, byte_count - sample)}):
        data.seek(begin)
        digest.update(data.read(sample))
    return digest.hexdigest()


@lru_cache(maxsize=2)  # a clip is indexed first and then read: one download for both
def _fetched(member: Member) -> bytes:
    for pause_s in PAUSES_S:
        try:
            return _fetched_once(member)
        except FetchError:
            time.sleep(pause_s)
    return _fetched_once(member)


def _fetched_once(member: Member) -> bytes:
    import fsspec

    try:
        system, path = fsspec.url_to_fs(member.file)
        data = system.cat_file(path, start=member.offset, end=member.offset + member.byte_count)
    except FileNotFoundError as error:
        raise VideoError(f"{member}: there is no such file") from error
    except Exception as error:  # every file system has its own kinds of errors
        told = str(error).strip().splitlines()
        raise FetchError(f"{member}: cannot be fetched ({told[0] if told else type(error).__name__})") from error
    if len(data) != member.byte_count:
        raise VideoError(f"{member}: {len(data)} of {member.byte_count} bytes came")
    return data


class _Window(io.RawIOBase):
    """A part of a local file as a file of its own."""

    def __init__(self, member: Member) -> None:
        self.member, self.at = member, 0
        self.handle = os.open(member.file, os.O_RDONLY | getattr(os, "O_BINARY", 0))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.at = max(0, offset + (0, self.at, self.member.byte_count)[whence])
        return self.at

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        count = max(0, min(len(view), self.member.byte_count - self.at))
        os.lseek(self.handle, self.member.offset + self.at, os.SEEK_SET)
        data = os.read(self.handle, count)
        view[: len(data)] = data
        self.at += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            os.close(self.handle)
        super().close()


def reason_of(error: Exception) -> str:
    """The first line of what an error says, without the path that people have been told."""
    said = str(getattr(error, "strerror", None) or error).strip()
    return said.splitlines()[0] if said else type(error).__name__


def read_picture(path: Path) -> np.ndarray:
    """uint8 RGB `(h, w, 3)`; what is transparent is laid over black. Raises `VideoError`."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
                black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
                return np.asarray(Image.alpha_composite(black, picture.convert("RGBA")).convert("RGB"))
            if picture.mode.startswith("I;16"):  # Pillow would cut it off at 255
                grey = np.round(np.asarray(picture, dtype=np.float32) / 257).astype(np.uint8)
                return np.repeat(grey[..., None], 3, 2)
            if picture.mode in ("I", "F"):
                raise VideoError(f"{path}: its numbers have no largest one (mode {picture.mode}): save it with 8 bits")
            return np.asarray(picture.convert("RGB"))
    except VideoError:
        raise
    except Exception as error:  # Pillow raises all kinds of errors for damaged files
        raise VideoError(f"{path}: damaged: the picture cannot be read ({reason_of(error)})") from error
