"""Published feature networks, by local path: I3D (FVD), VideoMAE (content-debiased FVD) and CLIP.

    extractor = load_features("i3d", Path("i3d_torchscript.pt"), convention="styleganv")
    extractor.features(video)  # (b, c, t, h, w) in [-1, 1] -> (b, d); usable wherever `Probe` is

Files are TorchScript; CLIP may also be a folder of Hugging Face Transformers (`metrics.clip`). The forward of a
VideoMAE file is its `forward_features`, that of a CLIP file its picture tower or OpenAI's own.
docs/feature_networks.md says which file is which, and what each is verified against.

The same network gives other numbers after another way of resizing, rounding and taking covariances, so each published
way is a convention of its own, part of the extractor's name and told in `protocol`. `unbiased` of the convention
belongs into the Fréchet distance. The name FVD (Unterthiner et al. 2018) is printed for verified Kinetics I3D only.
VideoGPT and cd-fvd have the parameters of the same network in another file, i3d_pretrained_400.pt: numbers here agree
with theirs as far as the two conversions from TensorFlow do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from t2vgan.metrics.checks import check_clips
from t2vgan.metrics.clip import TOKENIZER, WEIGHTS, FolderTowers, ScriptTowers, reads_captions
from t2vgan.metrics.weights import check_i3d, check_sha256, git_blob_id, is_kinetics_i3d, known_clip, sha256_of
from t2vgan.shapes import Video, to_uint8

SIZE = 224  # pixels that the networks read
AT_ONCE = 16  # clips in the network at a time
I3D_LEAST = 10  # frames: with fewer, the last pooling of I3D has nothing to pool
I3D_INSIDE = {"rescale": True, "resize": True, "return_features": True}  # it resizes by itself
I3D_READY = {"rescale": False, "resize": False, "return_features": True}
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Convention:
    """One published way from a clip in [-1, 1] to the network's input, and the covariance that goes with it."""

    prepare: Callable[[Tensor], Tensor]
    told: str  # rounding, resizing and range in words
    unbiased: bool  # covariance over n - 1 instead of n
    least_frames: int = 1
    most_frames: int | None = None
    options: Mapping[str, bool] = field(default_factory=dict)  # keywords of the network's forward
    framewise: bool = False  # the network reads frames, not clips


def rounded(video: Video) -> Tensor:
    """8 bits as StyleGAN-V makes them: 0..255 rounded to the nearest."""
    return (video.float() * 127.5 + 128).clamp(0, 255).to(torch.uint8)


def truncated(video: Video) -> Tensor:
    """8 bits as VideoGPT and cd-fvd make them: the fraction is cut off."""
    # A clip that came from 8 bits must not lose a grey level to the rounding of floats.
    return ((video.float() + 1) * 127.5 + 1e-3).clamp(0, 255).to(torch.uint8)


def squashed(video: Tensor) -> Tensor:
    """Every frame to SIZE x SIZE, whatever its shape was."""
    return _per_frame(video, lambda f: F.interpolate(f, size=(SIZE, SIZE), mode="bilinear", align_corners=False))


def cropped(video: Tensor) -> Tensor:
    """The shorter side to SIZE, then the middle square."""
    h, w = video.shape[-2:]
    size = [math.ceil(side * SIZE / min(h, w)) for side in (h, w)]
    video = _per_frame(video, lambda f: F.interpolate(f, size=size, mode="bilinear", align_corners=False))
    return _middle(video)


def for_clip(video: Video) -> Float[Tensor, "n c s s"]:
    """Frames as CLIP's own preprocessing has them, (b t) in a row."""
    frames = to_uint8(video).float().transpose(1, 2).flatten(0, 1)
    size = [side * SIZE // min(frames.shape[-2:]) for side in frames.shape[-2:]]
    frames = F.interpolate(frames, size=size, mode="bicubic", align_corners=False, antialias=True).clamp(0, 255) / 255
    mean, std = (frames.new_tensor(values)[:, None, None] for values in (CLIP_MEAN, CLIP_STD))
    return (_middle(frames) - mean) / std


CONVENTIONS: dict[str, dict[str, Convention]] = {
    "i3d": {
        "styleganv": Convention(
            rounded,
            "rounded to 8 bits, resized to 224 x 224 inside the network",
            unbiased=False,
            least_frames=I3D_LEAST,
            options=I3D_INSIDE,
        ),
        "cdfvd": Convention(
            lambda video: 2 * squashed(truncated(video).float()) / 255 - 1,
            "cut to 8 bits, squashed to 224 x 224 bilinearly",
            unbiased=False,
            least_frames=I3D_LEAST,
            options=I3D_READY,
        ),
        "videogpt": Convention(
            lambda video: 2 * (cropped(truncated(video).float() / 255) - 0.5),
            "cut to 8 bits, shorter side to 224 bilinearly, middle square",
            unbiased=True,
            least_frames=I3D_LEAST,
            options=I3D_READY,
        ),
    },
    "videomae": {
        "cdfvd": Convention(
            lambda video: squashed(truncated(video).float() / 255),
            "cut to 8 bits, squashed to 224 x 224 bilinearly, 0..1 without mean and deviation",
            unbiased=False,
            least_frames=16,
            most_frames=16,
        ),
    },
    "clip": {
        "openai": Convention(
            for_clip,
            "rounded to 8 bits, shorter side to 224 bicubically, middle square, CLIP's mean and deviation; "
            "mean over frames of features of length 1",
            unbiased=True,
            framewise=True,
        ),
    },
}


class TorchScriptFeatures(nn.Module):
    """A frozen feature extractor; `name` and `dim` make it usable wherever `Probe` is. Move it by device only."""

    def __init__(self, *, network: nn.Module, name: str, convention: Convention, protocol: dict[str, Any]) -> None:
        super().__init__()
        self.network = network.eval()
        for parameter in network.parameters():  # TorchScript modules have no requires_grad_
            parameter.requires_grad_(False)
        self.name, self.convention, self.protocol = name, convention, protocol
        self.is_kinetics_i3d: bool = protocol["is_kinetics_i3d"]
        blank = torch.zeros(1, 3, convention.most_frames or 16, 32, 32)
        try:
            self.dim = self.features(blank).shape[1]
        except (RuntimeError, TypeError) as error:
            line = str(error).strip().splitlines()[-1]
            raise ValueError(f"{protocol['file']} cannot be used as {protocol['network']}: {line}") from error

    def train(self, mode: bool = True) -> TorchScriptFeatures:
        """Always in evaluation mode."""
        return super().train(False)

    def features(self, video: Video) -> Float[Tensor, "b d"]:
        """Features of clips, float32; of CLIP the mean over frames, each of length 1.

        ValueError for clips that cannot be judged.
        """
        if not self.convention.framewise:
            return self._forward(video)
        return F.normalize(self.frame_features(video), dim=2).mean(1)

    def frame_features(self, video: Video) -> Float[Tensor, "b t d"]:
        """Features of every frame, from a network that reads frames."""
        if not self.convention.framewise:
            raise ValueError(f"{self.name} reads clips, not frames")
        return self._forward(video).unflatten(0, (len(video), video.shape[2]))

    @property
    def reads_captions(self) -> bool:
        """Whether captions can be embedded beside the frames: CLIP with its tokenizer."""
        return reads_captions(self.network)

    @torch.no_grad()
    def embed_captions(self, captions: Sequence[str]) -> Float[Tensor, "n d"]:
        """Embeddings of captions, float32. ValueError for a network that reads none."""
        if not self.reads_captions:
            raise ValueError(f"{self.name} reads no captions: put CLIP's tokenizer.json beside {self.protocol['file']}")
        rows = [captions[start : start + 64] for start in range(0, len(captions), 64)]
        return torch.cat([self.network.embed_captions(some).float() for some in rows])  # pyright: ignore[reportCallIssue]

    @torch.no_grad()
    def _forward(self, video: Video) -> Float[Tensor, "n d"]:
        way = self.convention
        check_clips(video, reader=self.name, least_frames=way.least_frames, most_frames=way.most_frames)
        found = []
        with torch.autocast(video.device.type, enabled=False):
            for clips in video.split(AT_ONCE):
                prepared = way.prepare(clips.float().clamp(-1, 1)).contiguous()
                found.append(self._checked(self.network(prepared, **way.options), len(prepared)))
        return torch.cat(found)

    def _checked(self, answer: object, rows: int) -> Tensor:
        if not isinstance(answer, Tensor) or answer.ndim != 2 or len(answer) != rows:
            shape = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
            raise ValueError(f"{self.name} answers with {shape}, not with one row of features for each of {rows}")
        return answer.float()


def load_features(
    network: str, path: Path, *, convention: str | None = None, sha256: str | None = None
) -> TorchScriptFeatures:
    """An extractor from a file (CLIP: or folder); convention: a key of `CONVENTIONS[network]`, by default the first.

    The file's bytes are verified before it is opened: the Kinetics I3D by its known git blob id, any other file by
    the `sha256` that you expect. ValueError for a missing, wrong or unusable file and for unknown names.
    """
    way, key = _choose(network, convention)
    opened, path = path, path / WEIGHTS if network == "clip" and path.is_dir() else path
    if sha256 is not None:
        check_sha256(path, sha256, what=network)
    elif network == "i3d":
        check_i3d(path)
    else:
        raise ValueError(f"{network}: say by sha256=... which weights you expect; `sha256sum {path}` prints it")
    protocol = {
        "network": network,
        "convention": key,
        "preprocessing": way.told,
        "covariance": "over n - 1" if way.unbiased else "over n",
        "file": path.name,
        "sha256": sha256_of(path),
        "git_blob_id": git_blob_id(path),
        "is_kinetics_i3d": network == "i3d" and is_kinetics_i3d(path),
    }
    if network == "clip":
        protocol["known_as"] = known_clip(path)
    name = network if len(CONVENTIONS[network]) == 1 else f"{network}_{key}"
    return TorchScriptFeatures(network=_open(network, opened), name=name, convention=way, protocol=protocol)


def frechet_title(extractor: object) -> str:
    """What to call a Fréchet distance in these features: FVD for the Kinetics I3D alone, with its convention."""
    if getattr(extractor, "is_kinetics_i3d", False):
        return f"FVD ({cast(TorchScriptFeatures, extractor).protocol['convention']})"
    return f"FD ({getattr(extractor, 'name', type(extractor).__name__)})"


def _choose(network: str, convention: str | None) -> tuple[Convention, str]:
    if network not in CONVENTIONS:
        raise ValueError(f"there is no feature network {network!r}; choose from {', '.join(CONVENTIONS)}")
    known = CONVENTIONS[network]
    key = next(iter(known)) if convention is None else convention
    if key not in known:
        raise ValueError(f"{network} has no convention {key!r}; choose from {', '.join(known)}")
    return known[key], key


def _open(network: str, path: Path) -> nn.Module:
    if path.is_dir():
        return FolderTowers(path)
    try:
        opened = torch.jit.load(path, map_location="cpu")
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{network}: {path} is not a TorchScript file") from error
    # OpenAI's own CLIP files have a forward of both towers; this is the one of the pictures.
    is_clip = network == "clip" and hasattr(opened, "encode_image")
    return ScriptTowers(opened, path.with_name(TOKENIZER)) if is_clip else opened


def _per_frame(video: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    frames = change(video.transpose(1, 2).flatten(0, 1))
    return frames.unflatten(0, (-1, video.shape[2])).transpose(1, 2)


def _middle(frames: Tensor) -> Tensor:
    top, left = ((side - SIZE) // 2 for side in frames.shape[-2:])
    return frames[..., top : top + SIZE, left : left + SIZE]
