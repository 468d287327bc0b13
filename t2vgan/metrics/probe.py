"""The probe: a small classifier of real clips. Its heads judge generated clips, its pooled feature is a feature space.

It is trained on the `probe` split, which shows every combination of attributes, so that it can also judge those that
generators never saw. Clips of any size and length are brought to 64 pixels and 16 frames at fixed instants, and some
training clips are degraded to fewer pixels, so that runs of different size can be judged by one probe. Distances in
its feature space are comparable between runs only for the same probe: compare `fingerprint`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from t2vgan.shapes import Video
from t2vgan.system import written_whole

SIZE = 64  # pixels that clips are resized to
FRAMES = 16  # frames that are looked at
GROUP = 4  # neighbouring frames that a 2-D convolution sees as channels
LOOKS = [2, 7, 12]  # the single frames that are looked at
FORMAT = "t2vgan-probe-2"

Fitted = Float[Tensor, "b c 16 64 64"]  # FRAMES frames of SIZE pixels


def fit_clip(video: Video) -> Fitted:
    """A clip of any size and length as FRAMES frames of SIZE pixels, each the last one shown at its instant."""
    length = video.shape[2]
    if length != FRAMES:
        video = video[:, :, [i * length // FRAMES for i in range(FRAMES)]]
    return resize(video, SIZE)


def resize(video: Video, size: int) -> Float[Tensor, "b c t {size} {size}"]:
    """Square frames: means over areas when they shrink, as a renderer makes them, bilinear when they grow."""
    if video.shape[-2:] == (size, size):
        return video
    frames = video.transpose(1, 2).flatten(0, 1)
    mode = "area" if size < max(video.shape[-2:]) else "bilinear"
    return F.interpolate(frames, size=(size, size), mode=mode).unflatten(0, (-1, video.shape[2])).transpose(1, 2)


class Probe(nn.Module):
    """Video classifier with one head per attribute, on the features of two streams.

    The first looks at a few single frames and learns shapes and colours, wherever in the frame: it pools by the
    maximum, or small animals are lost among the background. The second looks at the brightness of GROUP
    frames and their differences as channels, then puts the groups in order by 3-D convolutions: it learns motion. The
    mean over the frame tells a moving camera, the maximum a small animal that steps.
    `attributes` lists the values of each attribute in the order of the logits.
    """

    name = "probe"

    def __init__(self, *, attributes: Mapping[str, Sequence[str]], width: int = 32, seed: int = 0) -> None:
        super().__init__()
        if not attributes:
            raise ValueError("a probe needs at least one attribute to classify; this data set has no ground truth")
        self.attributes = {name: list(values) for name, values in attributes.items()}
        self.width, self.seed, self.dim = width, seed, 4 * width
        self.fingerprint = ""  # of the clips and settings it was trained with
        self.accuracy: dict[str, float] = {}  # on real clips that it was not trained on
        w, m = width, 3 * width // 4
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.look = nn.Sequential(
                _conv2d(3, w, stride=2),
                _conv2d(w, 2 * w, stride=2),
                _conv2d(2 * w, 2 * w),
                _conv2d(2 * w, 3 * w, stride=2),
                _conv2d(3 * w, 3 * w),
                _conv2d(3 * w, 2 * w, stride=2),
            )
            self.move = nn.Sequential(
                _conv2d(2 * GROUP - 1, m, kernel=5, stride=2),
                _conv2d(m, 2 * m, stride=2),
                _conv2d(2 * m, 3 * m, stride=2),
            )
            self.order = nn.Sequential(
                _conv3d(3 * m, 4 * m, kernel=(3, 3, 3), stride=(1, 2, 2), padding=1),
                _conv3d(4 * m, 2 * w, kernel=(FRAMES // GROUP, 1, 1)),
            )
            self.heads = nn.ModuleDict({name: nn.Linear(self.dim, len(v)) for name, v in self.attributes.items()})
        self.look.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.move.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.mean = nn.Buffer(torch.zeros(self.dim))
        self.scale = nn.Buffer(torch.ones(()))

    def pooled(self, video: Fitted) -> Float[Tensor, "b d"]:
        """Features of clips of FRAMES frames of SIZE pixels, with gradient: for training the probe."""
        b = len(video)
        stills = video[:, :, LOOKS].transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        appearance = self.look(stills).float().amax(dim=(2, 3)).unflatten(0, (b, -1)).mean(1)
        groups = video.mean(1).unflatten(1, (-1, GROUP)).flatten(0, 1)
        changes = 2 * (groups[:, 1:] - groups[:, :-1])
        maps = self.move(torch.cat([groups, changes], dim=1).contiguous(memory_format=torch.channels_last))
        everywhere, anywhere = self.order(maps.unflatten(0, (b, -1)).transpose(1, 2)).float().flatten(2).chunk(2, dim=1)
        motion = torch.cat([everywhere.mean(2), anywhere.amax(2)], dim=1)
        return (torch.cat([appearance, motion], dim=1) - self.mean) / self.scale

    def classify(self, features: Float[Tensor, "b d"]) -> dict[str, Float[Tensor, "b v"]]:
        """Logits per attribute from features: judging costs no second pass."""
        return {name: head(features) for name, head in self.heads.items()}

    @torch.no_grad()
    def features(self, video: Video) -> Float[Tensor, "b d"]:
        """Clips of any size and length to features, in float32 whatever autocast is on."""
        self.eval()
        with torch.autocast(video.device.type, enabled=False):
            return self.pooled(fit_clip(video.float().clamp(-1, 1)))

    @torch.no_grad()
    def predict(self, video: Video) -> dict[str, Float[Tensor, "b v"]]:
        """Clips of any size and length to logits per attribute."""
        return self.classify(self.features(video))

    @torch.no_grad()
    def standardise(self, features: Float[Tensor, "n d"]) -> None:
        """From now on `features` are centred, with a mean variance of 1, over clips like these; the logits stay.

        Distances then do not depend on the arbitrary scale that training ended with (a polynomial kernel cares).
        """
        mean, scale = features.mean(0), features.var(0).mean().sqrt()
        for head in self.heads.values():
            assert isinstance(head, nn.Linear)
            head.bias.add_(head.weight @ mean)
            head.weight.mul_(scale)
        self.mean += self.scale * mean
        self.scale *= scale

    def save(self, path: Path) -> None:
        """Write one safetensors file with everything that `load` needs; atomic."""
        card = {
            "format": FORMAT,
            "attributes": json.dumps(self.attributes),
            "settings": json.dumps({"width": self.width, "seed": self.seed}),
            "fingerprint": self.fingerprint,
            "accuracy": json.dumps(self.accuracy),
        }
        with written_whole(path) as part:
            save_file({name: tensor.contiguous() for name, tensor in self.state_dict().items()}, part, metadata=card)

    @classmethod
    def load(cls, path: Path) -> Probe:
        """A frozen probe on the CPU; ValueError if the file is damaged or something else."""
        try:
            with safe_open(path, framework="pt") as file:
                card = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        except (SafetensorError, OSError) as error:
            raise ValueError(
                f"{path} cannot be read as a probe ({error}): delete it to have it trained again"
            ) from error
        if card.get("format") != FORMAT:
            raise ValueError(f"{path} is not a probe of this version: delete it to have it trained again")
        probe = cls(attributes=json.loads(card["attributes"]), **json.loads(card["settings"]))
        probe.load_state_dict(tensors)
        probe.fingerprint, probe.accuracy = card["fingerprint"], json.loads(card["accuracy"])
        return probe.requires_grad_(False).eval()


def _conv2d(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def _conv3d(
    inputs: int,
    outputs: int,
    *,
    kernel: tuple[int, int, int],
    stride: tuple[int, int, int] = (1, 1, 1),
    padding: int = 0,
) -> nn.Sequential:
    convolution = nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm3d(outputs), nn.ReLU())
