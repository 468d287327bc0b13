"""A trained generator as a program that runs without t2vgan: a graph of torch.export (.pt2), or ONNX (.onnx).

Text encoder and generator are one graph. Its inputs, in this order, with n clips of l words and t frames:
`z` float (n, z_dim), N(0, 1); `vectors` float (n, l, v), `tags`, `entities` int64 (n, l) and `mask` bool (n, l) as the
text pipeline makes them, padded with zeros to l words; `times` float (n, t), seconds; and, where the text encoder reads
what a language model makes of captions, `sentences` float (n, s), scaled to a mean square of 1. Its output is `video`,
float (n, 3, t, h, w), RGB in [-1, 1]. n is free; l is fixed, because a recurrent encoder is unrolled over its words; t
is free where the generator renders any instant, else fixed.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from t2vgan.shapes import Latent, TextInputs, Times, Video
from t2vgan.system import unsaid, written_whole

FORMAT, FORMAT_VERSION = "t2vgan-program", 1
INPUTS = ("z", "vectors", "tags", "entities", "mask", "times", "sentences")  # the last one where it is read
OUTPUT = "video"
METADATA = "t2vgan.json"  # the name of the metadata in a .pt2 archive
OPSET = 20  # of ONNX: the first that has what a camera needs, GridSample as PyTorch computes it
TOLERANCE = 1 / 255  # of colours in [-1, 1]: half of what tells two neighbouring values of a pixel apart

PROMPTS = ["A lion runs to the left", "An old elephant rests in the shade of a tree", "A zebra"]  # to compare with

Inputs = tuple[Tensor, ...]


class Whole(nn.Module):
    """Text encoder and generator, from tensors to tensors."""

    def __init__(self, *, text_encoder: nn.Module, generator: nn.Module) -> None:
        super().__init__()
        self.text_encoder, self.generator = text_encoder, generator

    def forward(
        self,
        z: Latent,
        vectors: Float[Tensor, "b l v"],
        tags: Int[Tensor, "b l"],
        entities: Int[Tensor, "b l"],
        mask: Bool[Tensor, "b l"],
        times: Times,
        sentences: Float[Tensor, "b s"] | None = None,
    ) -> Video:
        read = TextInputs(vectors, tags, entities, mask, content=mask, sentences=sentences)  # content is for losses
        text = self.text_encoder(read)
        return self.generator(z, text, times)


def export(model: Any, path: Path, *, config: dict[str, Any], card: dict[str, Any]) -> str:
    """Write the program of a loaded `T2VGAN` by the suffix of `path`, and say how far it is from PyTorch.

    It is run with other numbers of clips, and of frames where it takes any, than it was traced with. ValueError when a
    colour differs by more than TOLERANCE; nothing is written then.
    """
    net, pipeline, clip = whole(model), model.text_pipeline, model.config.clip
    words, any_times = pipeline.max_words, bool(net.generator.continuous)
    example = drawn(model, PROMPTS[:2], clip.frames, words=words, seed=0)
    program = traced(net, example, any_times=any_times)
    metadata = {
        "format": FORMAT, "format_version": FORMAT_VERSION, "config": config, "card": card,
        "words": words, "frames": None if any_times else clip.frames, "z_dim": net.generator.z_dim,
    }  # fmt: skip
    trials = [(PROMPTS[:1], clip.frames), (PROMPTS, clip.frames + 5 if any_times else clip.frames)]
    with written_whole(path) as part:
        (write_onnx if path.suffix == ".onnx" else write_pt2)(part, program, metadata, any_times=any_times)
        run, _ = (opened_onnx if path.suffix == ".onnx" else opened_pt2)(part)
        given = [drawn(model, prompts, frames, words=words, seed=1 + i) for i, (prompts, frames) in enumerate(trials)]
        apart = max(difference(run, net, each) for each in given)
        if not apart <= TOLERANCE:
            raise ValueError(f"{path}: not written: its colours are up to {apart:.2g} from PyTorch's, of a range of 2")
    axes_told = "any number of frames" if any_times else f"{clip.frames} frames, as trained"
    return f"any number of clips, {axes_told}, {words} words; colours within {apart:.1g} of PyTorch's, of a range of 2"


def drawn(model: Any, prompts: list[str], frames: int, *, words: int, seed: int) -> Inputs:
    """Prompts with noise, at so many instants, which are as far apart as those of the model's own clips."""
    clip, n = model.config.clip, len(prompts)
    z = torch.randn(n, model.ema_generator.z_dim, generator=torch.Generator().manual_seed(seed))
    times = (torch.arange(frames) * clip.duration_s / clip.frames).repeat(n, 1)
    return inputs(model.text_pipeline(prompts), z, times, words=words)


def whole(model: Any) -> Whole:
    """Of a loaded `T2VGAN`: its averaged networks, ready to be used."""
    return Whole(text_encoder=model.ema_text_encoder, generator=model.ema_generator).eval()


def inputs(text: TextInputs, z: Tensor, times: Tensor, *, words: int) -> Inputs:
    """What the program takes, in order; captions are padded to `words` words. ValueError for one that is longer."""
    missing = words - text.mask.shape[1]
    if missing < 0:
        raise ValueError(f"a caption of {text.mask.shape[1]} words: the program reads {words}")
    columns = (text.vectors, text.tags, text.entities, text.mask)
    padded = (torch.cat([c, c.new_zeros(c.shape[0], missing, *c.shape[2:])], 1) for c in columns)
    return (z, *padded, times) if text.sentences is None else (z, *padded, times, text.sentences)


def traced(net: Whole, example: Inputs, *, any_times: bool) -> torch.export.ExportedProgram:
    """The graph, for any number of clips, and of frames where `any_times`; `example` has two of each or more.

    ValueError where torch finds a part that is no graph.
    """
    with torch.no_grad(), quiet():
        try:
            return torch.export.export(net, example, dynamic_shapes=axes(INPUTS[: len(example)], any_times))
        except RuntimeError as error:
            raise ValueError(f"this generator cannot be traced: {str(error).splitlines()[0]}") from error


def axes(names: Sequence[str], any_times: bool) -> dict[str, dict[int, Any]]:
    """The free axes of each of these inputs."""
    clips = torch.export.Dim("clips")
    free: dict[str, dict[int, Any]] = {name: {0: clips} for name in names}
    if any_times:
        free["times"][1] = torch.export.Dim("frames")
    return free


def write_pt2(path: Path, program: torch.export.ExportedProgram, metadata: dict[str, Any], **_: Any) -> None:
    """`torch.export.load` reads it; the metadata is its extra file `t2vgan.json`."""
    archive = io.BytesIO()  # torch insists on names in .pt2
    with quiet():
        torch.export.save(program, archive, extra_files={METADATA: json.dumps(metadata)})
    path.write_bytes(archive.getvalue())


def write_onnx(path: Path, program: torch.export.ExportedProgram, metadata: dict[str, Any], *, any_times: bool) -> None:
    """The metadata is in the model's `metadata_props`, each value as JSON. ValueError when ONNX is not installed."""
    require_onnx()
    names = INPUTS[: len(program.graph_signature.user_inputs)]
    with quiet():
        try:
            made = torch.onnx.export(
                program, dynamo=True, opset_version=OPSET, input_names=list(names), output_names=[OUTPUT],
                dynamic_shapes=axes(names, any_times), verbose=False,
            )  # fmt: skip
        except torch.onnx.errors.OnnxExporterError as error:
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ValueError(f"ONNX {OPSET} has no way to compute a part of this generator: {said}") from error
    assert made is not None
    made.model.metadata_props.update({key: json.dumps(value) for key, value in metadata.items()})
    made.save(path, external_data=False)


def opened_pt2(path: Path) -> tuple[Callable[..., Tensor], dict[str, Any]]:
    """A written program, to be called with its inputs, and its metadata. torch.export on the CPU."""
    extra = {METADATA: ""}
    with quiet():
        module = torch.export.load(io.BytesIO(path.read_bytes()), extra_files=extra).module()
    return module, json.loads(extra[METADATA])


def opened_onnx(path: Path, *, threads: int | None = None) -> tuple[Callable[..., Tensor], dict[str, Any]]:
    """The same by ONNX Runtime, on all cores or as many threads as are named."""
    require_onnx()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = threads or 0  # 0: as many as there are cores
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(*given: Tensor) -> Tensor:
        names = (each.name for each in session.get_inputs())
        named = {name: tensor.numpy() for name, tensor in zip(names, given, strict=True)}
        return torch.from_numpy(session.run([OUTPUT], named)[0])

    metadata = session.get_modelmeta().custom_metadata_map
    return run, {key: json.loads(value) for key, value in metadata.items()}


def difference(program: Callable[..., Tensor], net: Whole, given: Inputs) -> float:
    """The largest difference between a program's colours and PyTorch's, of a range of 2."""
    with torch.no_grad():
        return float((program(*given) - net(*given)).abs().max())


def require_onnx() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ValueError(f"ONNX needs packages of its own ({error}): pip install 't2vgan[onnx]'") from None


@contextmanager
def quiet() -> Iterator[None]:
    """Without the advice that torch gives to those who maintain its exporters."""
    with unsaid("torch.onnx", "torch.export", "onnxscript", "onnx_ir"):
        yield
