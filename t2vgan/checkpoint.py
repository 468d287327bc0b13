"""The file that a trained generator is shared as: tensors, experiment and model card in one safetensors file.

The file holds weights only, no code, and opens without running anything. Its metadata (strings, as safetensors has it):
`format` = "t2vgan-generator", `format_version`, `config` (the experiment, JSON), `card` (JSON: what the model is, where
it comes from, what was measured) and `sha256` of all tensors in the order of their names.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from t2vgan.system import written_whole

FORMAT = "t2vgan-generator"
FORMAT_VERSION = 1
HEADER_BYTES = 8  # a safetensors file starts with the length of its JSON header, little-endian


def save_generator(path: str | Path, tensors: dict[str, Tensor], config: dict[str, Any], card: dict[str, Any]) -> None:
    """Write the generator as one file, or leave what was there as it was.

    Args:
        path: usually `*.safetensors`; the folder is made.
        tensors: by name, any device; tensors that share memory are stored one by one.
        config: the experiment as plain dicts, lists, strings and numbers.
        card: likewise.
    """
    plain = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "config": json.dumps(config),
        "card": json.dumps(card),
        "sha256": _digest(plain),
    }
    with written_whole(Path(path)) as part:
        part.write_bytes(save(plain, metadata))


def load_generator(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any], dict[str, Any]]:
    """Read `(tensors on the CPU, config, card)`.

    Raises ValueError, in one line, when the file is missing, damaged, of another kind or newer than this program.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file; a generator is a .safetensors file, as fit writes it")
    content = path.read_bytes()
    metadata = _metadata(path, content)
    try:
        tensors = load(content)
        config, card = json.loads(metadata["config"]), json.loads(metadata["card"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: this generator file is damaged or cut off ({error}); copy it again") from error
    if metadata.get("sha256") != _digest(tensors):
        raise ValueError(
            f"{path}: this generator file is damaged: its tensors do not match its checksum; copy it again"
        )
    return tensors, config, card


def _metadata(path: Path, content: bytes) -> dict[str, str]:
    length = int.from_bytes(content[:HEADER_BYTES], "little")
    header = content[HEADER_BYTES : HEADER_BYTES + length]
    foreign = f"{path}: this is not a t2vgan generator; expected a .safetensors file, as fit writes it"
    if FORMAT.encode() in content and len(header) < length:
        raise ValueError(f"{path}: this generator file is damaged or cut off; copy it again")
    try:
        metadata = json.loads(header)["__metadata__"]
        ours = metadata["format"] == FORMAT
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError(foreign) from error
    if not ours:
        raise ValueError(foreign)
    version = metadata.get("format_version", "")
    if not version.isdigit() or int(version) > FORMAT_VERSION:
        raise ValueError(
            f"{path}: the file has format version {version or '?'}, newer than {FORMAT_VERSION}, the newest that this "
            "t2vgan reads; update t2vgan"
        )
    return metadata


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
