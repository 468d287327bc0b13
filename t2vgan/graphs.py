"""Rounds as CUDA graphs: what a GPU has to do is written down once and then played again as a whole.

A round of these small networks is thousands of kernels of a few microseconds, and a process launches some 15 of them in
a millisecond, so that the GPU waits for most of the time. A graph is launched at once.

Everything that is another in each round lies in tensors that the graph reads: clips, captions (padded to one length),
what is drawn, rates and other numbers. `T2VGAN.draw` and `T2VGAN.number` are the seams at which these come in; how far
legs have grown is a buffer of the generator (`Steering.grow`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from t2vgan.optim import count
from t2vgan.rounds import Heard, Pairs
from t2vgan.shapes import Clips, TextInputs, Trial, onto

Play = Callable[[], None]
WARM_UP = 3  # rounds before one is captured: libraries choose their kernels, optimisers make their moments
ROOM = 1.25  # for more pairs of captions than the batch has that is captured


class CudaGraphs:
    """Captures what a function has the GPU do, without doing it, and returns what does it.

    Rounds before a capture are on the same stream: the nodes that add up gradients keep the one that they were made on,
    and where one of them lives on (somebody keeps a tensor with a gradient) a capture on another stream fails.
    """

    stream: torch.cuda.Stream | None = None

    def __call__(self, play: Play) -> Play:
        graph = torch.cuda.CUDAGraph()
        torch.clear_autocast_cache()  # weights in bfloat16 from outside would be those of this round for ever
        with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
            play()
        torch.clear_autocast_cache()
        return graph.replay

    @contextmanager
    def aside(self, device: torch.device) -> Iterator[None]:
        """What has to come before a capture."""
        self.stream = self.stream or torch.cuda.Stream(device)
        self.stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(self.stream):
            yield
        torch.cuda.current_stream(device).wait_stream(self.stream)


class Graphs:
    """Plays the rounds of a game: the first few as they are, the others from graphs, one for each set of terms that are
    due. One device, one micro-batch.

    `record` makes of a function without arguments another one that does the same again, and has `aside`, for rounds
    that come before; `warm_up` is how many.
    """

    def __init__(self, game: Any, record: Any = None, *, warm_up: int = WARM_UP) -> None:
        self.game, self.record, self.warm_up = game, record or CudaGraphs(), warm_up
        self.drawn: dict[str, Callable[[Clips], Tensor]] = {}
        self.numbers: dict[str, Callable[[], float]] = {}
        self.warm: dict[Any, int] = {}
        self.made: dict[Any, Captured] = {}
        self.inside: Captured | None = None  # whose inputs are to be read
        self.late: Late | None = None  # what the last graph says of skipped steps

    def round(self, micros: list[Clips], heard: list[Heard], g_optim: Any, d_optim: Any) -> None:
        [clips], [said] = micros, heard
        game, key = self.game, (self.game.due(), clips.video.shape, clips.times.shape, said.pairs is None)
        if self.warm.get(key, 0) < self.warm_up:
            self.warm[key] = self.warm.get(key, 0) + 1
            with self.record.aside(game.device):
                let_go(game)
                game.round(micros, heard, g_optim, d_optim)
            return
        optims = [getattr(optim, "optimizer", optim) for optim in (g_optim, d_optim)]
        captured = self.made.get(key)
        if captured is not None and captured.outdated(optims):
            captured = self.late = None  # what is told late was of another state
        if captured is None or not captured.holds(said):
            self.made.pop(key, None)  # its memory is free before the next one is made
            captured = self.made[key] = Captured(self, game, clips, said, optims)
            self.inside = captured
            let_go(game)
            try:
                captured.capture(lambda: game.round([captured.clips], [captured.heard], g_optim, d_optim))
            finally:
                self.inside = None
        steps = game.trainer.global_step
        self.inside = captured
        try:
            captured.play(clips, said)
        finally:
            self.inside = None
        skipped = {name: value for name, value in game.signs.items() if name.endswith("skipped")}
        before_it, self.late = self.late, Late(skipped)
        game.signs.update(before_it.read() if before_it else dict.fromkeys(skipped, 0.0))
        if game.trainer.global_step == steps:
            count(g_optim)

    def draw(self, purpose: str, drawn: Callable[[Clips], Tensor], clips: Clips) -> Tensor:
        if self.inside is not None:
            return self.inside.draws[purpose]
        self.drawn[purpose] = drawn
        return drawn(clips)

    def number(self, name: str, value: Callable[[], float]) -> float | Tensor:
        if self.inside is not None:
            return self.inside.numbers[name]
        self.numbers[name] = value
        return value()


class Late:
    """What a GPU is about to find, to be read when the next graph is played: callbacks ask for it in every round, and
    would have the processor wait for each round before it prepares the next one.
    """

    def __init__(self, values: dict[str, float | Tensor]) -> None:
        self.names, found = list(values), torch.stack([torch.as_tensor(value) for value in values.values()])
        self.values, self.there = found.to("cpu", non_blocking=True), None
        if found.is_cuda:
            self.there = torch.cuda.Event()
            self.there.record()

    def read(self) -> dict[str, float]:
        if self.there is not None:
            self.there.synchronize()
        return dict(zip(self.names, self.values.tolist(), strict=True))


class Captured:
    """One graph and the tensors that it reads."""

    def __init__(
        self, graphs: Graphs, game: Any, clips: Clips, heard: Heard, optims: list[torch.optim.Optimizer]
    ) -> None:
        self.graphs, self.game, device = graphs, game, game.device
        self.clips = dataclasses.replace(clips, video=clips.video.clone(), times=clips.times.clone())
        self.words = max(game.text_pipeline.longest, heard.right.mask.shape[1], heard.wrong.mask.shape[1])
        self.pairs = 0 if heard.pairs is None else round(ROOM * len(heard.pairs.owner))
        self.heard = self.padded(heard)
        self.draws = {purpose: drawn(clips) for purpose, drawn in graphs.drawn.items()}
        self.values = torch.zeros(len(graphs.numbers), device=device)
        self.numbers = dict(zip(graphs.numbers, self.values, strict=True))
        for optim in optims:
            for group in optim.param_groups:
                rate = torch.full((), float(group["lr"]), device=device)
                group |= {"lr": rate, "capturable": True}
        self.read = read_of(optims)
        self.buffers = {
            (part, name): tensor
            for part in game.modules()
            for name, tensor in part._buffers.items()
            if tensor is not None
        }
        self.signs: dict[str, Any] = {}
        self.latest: dict[str, Any] = {}

    def holds(self, heard: Heard) -> bool:
        """Whether there is room for these captions."""
        texts = [heard.right, heard.wrong]
        if heard.pairs is not None:
            if len(heard.pairs.owner) > self.pairs:
                return False
            texts += [heard.pairs.right, heard.pairs.wrong]
        return max(text.mask.shape[1] for text in texts) <= self.words

    def outdated(self, optims: list[torch.optim.Optimizer]) -> bool:
        """Whether optimisers have other tensors by now than those that the graph reads: a state was put back."""
        now = read_of(optims)
        return len(now) != len(self.read) or any(one is not other for one, other in zip(now, self.read, strict=True))

    def capture(self, round_: Play) -> None:
        def play() -> None:
            round_()
            self.settle()

        earlier, self.game.latest = self.game.latest, {}
        self.replay = self.graphs.record(play)
        self.latest, self.game.latest = self.game.latest, earlier

    def play(self, clips: Clips, heard: Heard) -> None:
        self.settle()  # somebody may have put others in their place since
        copy(self.clips.video, clips.video)
        copy(self.clips.times, clips.times)
        for kept, new in zip(tensors(self.heard), tensors(self.padded(heard)), strict=True):
            copy(kept, new)
        for purpose, kept in self.draws.items():
            copy(kept, self.graphs.drawn[purpose](clips))
        if self.numbers:
            now = torch.tensor([self.graphs.numbers[name]() for name in self.numbers])
            copy(self.values, onto(now, self.values.device))
        self.game.reseed()
        self.game.signs.update(self.signs)
        # Values of losses that other graphs compute stay what these have found.
        earlier, self.game.latest = self.game.latest, self.latest
        self.replay()
        self.signs, self.latest = dict(self.game.signs), self.game.latest
        self.game.latest = earlier | self.latest

    @torch.no_grad()
    def settle(self) -> None:
        """Brings what buffers are now into the tensors that they were at first, which the graph reads."""
        for (part, name), tensor in self.buffers.items():
            now = part._buffers[name]
            if now is not tensor and now is not None:
                tensor.copy_(now)
                part._buffers[name] = tensor

    def padded(self, heard: Heard) -> Heard:
        right, wrong = self.longer(heard.right), self.longer(heard.wrong)
        if heard.pairs is None:
            return Heard(right, wrong, None)
        given = heard.pairs
        rows = torch.arange(self.pairs, device=given.owner.device)
        room = rows >= len(given.owner)
        rows = rows.masked_fill(room, 0)  # what is left is filled with the first pair, of which nothing is asked
        right_too, wrong_too = (
            self.longer(text).each(lambda tensor: tensor[rows]) for text in (given.right, given.wrong)
        )
        only = [lengthened(each[rows], self.words) & ~room[:, None] for each in (given.only_right, given.only_wrong)]
        return Heard(right, wrong, Pairs(given.owner[rows], right_too, wrong_too, *only))

    def longer(self, text: TextInputs) -> TextInputs:
        return text.per_word(lambda tensor: lengthened(tensor, self.words))


def lengthened(tensor: Tensor, length: int) -> Tensor:
    """`(b, l, ...)` to `(b, length, ...)` with zeros at the end."""
    longer = tensor.new_zeros(len(tensor), length, *tensor.shape[2:])
    longer[:, : tensor.shape[1]] = tensor
    return longer


def tensors(heard: Heard) -> Iterator[Tensor]:
    pairs = heard.pairs
    for text in (heard.right, heard.wrong, *((pairs.right, pairs.wrong) if pairs else ())):
        yield from text.tensors().values()
    if pairs:
        yield from (pairs.owner, pairs.only_right, pairs.only_wrong)


def copy(kept: Tensor, new: Tensor) -> None:
    kept.copy_(new, non_blocking=True)


def read_of(optims: list[torch.optim.Optimizer]) -> list[Tensor]:
    """The tensors of optimisers that steps read."""
    found = [group["lr"] for optim in optims for group in optim.param_groups]
    return found + [value for optim in optims for state in optim.state.values() for value in state.values()]


def let_go(game: Any) -> None:
    """Detaches what the parts of the game keep of their last round."""
    for part in game.modules():
        for name, kept in list(vars(part).items()):
            if isinstance(kept, Tensor) and kept.grad_fn is not None:
                setattr(part, name, kept.detach())
            elif isinstance(kept, Trial):
                setattr(part, name, None)
