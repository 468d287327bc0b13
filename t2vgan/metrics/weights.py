"""Weights that t2vgan does not ship: a file is used only when its bytes are the expected ones."""

from __future__ import annotations

import hashlib
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import rich.progress

# Git blob ids: `git hash-object FILE` prints them.
I3D_FILE = "i3d_torchscript.pt"
I3D_TORCHSCRIPT = "93daef59c7ae0e9e8f76225521407e60cbafa6aa"  # i3d_torchscript.pt, as StyleGAN-V uses it
I3D_STATE_DICT = "a867b87ac3a9097d200598b1d48a1b890d8ec744"  # i3d_pretrained_400.pt: parameters without a network
# SHA-256 of OpenAI's TorchScript files, from the addresses that its own repository has them at.
CLIP_FILES = {
    "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af": "OpenAI ViT-B/32",
    "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f": "OpenAI ViT-B/16",
}
I3D_URLS = ("https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt?dl=1",)  # where StyleGAN-V has it from


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_blob_id(path: Path) -> str:
    """The name that git gives to a file's content: SHA-1 of "blob", its size in bytes, a zero byte, and the bytes."""
    header = f"blob {path.stat().st_size}\0".encode()
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.sha1(header)).hexdigest()


def cache_folder() -> Path:
    """Where downloaded weights are kept: `$T2VGAN_CACHE`, else `~/.cache/t2vgan`."""
    return Path(os.environ.get("T2VGAN_CACHE") or Path.home() / ".cache" / "t2vgan")


def cached_i3d() -> Path:
    """The downloaded Kinetics I3D. ValueError, which says how to get it, where it is not there."""
    path = cache_folder() / I3D_FILE
    if not path.is_file():
        raise ValueError(
            f"i3d: there is no {path}; python -m t2vgan.evaluate --download i3d fetches it, --features i3d=FILE names "
            "another place"
        )
    return path


def known_clip(path: Path) -> str:
    """Which published CLIP a file is, by its bytes."""
    return CLIP_FILES.get(sha256_of(path), "not one of OpenAI's own files: CLIPSIM compares only with the same file")


def check_file(path: Path, *, what: str) -> None:
    """ValueError if there is no such file."""
    if not path.is_file():
        raise ValueError(f"{what}: there is no file {path}; give the path of the downloaded weights")


def check_sha256(path: Path, expected: str, *, what: str) -> None:
    """ValueError unless the file has this SHA-256."""
    check_file(path, what=what)
    found = sha256_of(path)
    if found != expected.lower():
        raise ValueError(f"{what}: {path} has sha256 {found}, not {expected.lower()}: damaged, or other weights")


def is_kinetics_i3d(path: Path) -> bool:
    """Whether the file is, byte for byte, the Kinetics I3D as TorchScript."""
    return git_blob_id(path) == I3D_TORCHSCRIPT


def check_i3d(path: Path) -> None:
    """ValueError unless the file is the Kinetics I3D as TorchScript."""
    check_file(path, what="i3d")
    found = git_blob_id(path)
    if found == I3D_STATE_DICT:
        raise ValueError(f"i3d: {path} is i3d_pretrained_400.pt, parameters only; i3d_torchscript.pt is needed")
    if found != I3D_TORCHSCRIPT:
        raise ValueError(
            f"i3d: {path} has git blob id {found}, not {I3D_TORCHSCRIPT}: damaged, or not the Kinetics I3D"
        )


def download_i3d(path: Path | None = None, *, urls: Sequence[str] = I3D_URLS, timeout_s: float = 60) -> Path:
    """Fetch the Kinetics I3D to `path` from the first address that has it; nothing to do where it already is.

    path: by default in `cache_folder()`. ValueError if no address gives the expected bytes; nothing is left then.
    """
    path = path or cache_folder() / I3D_FILE
    if path.is_file():
        check_i3d(path)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, reasons = path.with_name(f"{path.name}.{os.getpid()}.part"), []
    for url in urls:
        try:
            with urllib.request.urlopen(url, timeout=timeout_s) as answer, partial.open("wb") as file:
                size = int(answer.headers.get("Content-Length") or 0)
                with rich.progress.wrap_file(answer, size, description=path.name, transient=True) as body:
                    shutil.copyfileobj(body, file)
            check_i3d(partial)
            os.replace(partial, path)
            return path
        except (urllib.error.URLError, OSError, ValueError) as error:
            reasons.append(f"{url}: {error}")
        finally:
            partial.unlink(missing_ok=True)
    raise ValueError(f"i3d_torchscript.pt could not be downloaded ({'; '.join(reasons)}); fetch it by hand to {path}")
