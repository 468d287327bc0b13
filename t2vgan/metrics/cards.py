"""Judges on the disk: one safetensors file with the weights and a card of strings that says what they are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from t2vgan.system import written_whole

Network = TypeVar("Network", bound=nn.Module)


def fingerprint_of(network: nn.Module) -> str:
    """A hash of the weights: equal for equal networks only, whatever they were trained from."""
    digest = hashlib.blake2b(digest_size=6)
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def save_network(path: Path, network: nn.Module, card: Mapping[str, str]) -> None:
    """Write weights and card; atomic."""
    with written_whole(path) as part:
        tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
        save_file(tensors, part, metadata=dict(card))


def load_network(path: Path, build: Callable[[dict[str, str]], Network], *, what: str, version: str) -> Network:
    """The network that `build` makes from the card, frozen, on the CPU, with the file's weights.

    ValueError, which says how to go on, if the file is damaged, something else, or its `format` not `version`.
    """
    way_out = "delete it to have it trained again"
    try:
        with safe_open(path, framework="pt") as file:
            card = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} cannot be read as a {what} ({error}): {way_out}") from error
    if card.get("format") != version:
        raise ValueError(f"{path} is not a {what} of this version: {way_out}")
    try:
        network = build(card)
        network.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} does not hold the {what} that its card speaks of: {way_out}") from error
    return network.requires_grad_(False).eval()
