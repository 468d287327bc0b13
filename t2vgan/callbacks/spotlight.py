"""Word attention of one caption: drawn over the frames, and put to the test by leaving words out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2vgan.callbacks.samples import frames_of
from t2vgan.shapes import Latent, TextFeatures, TextInputs, Video
from t2vgan.video.sheet import contact_sheet

Judge = Callable[[Tensor], dict[str, Tensor]]  # clips -> logits per attribute

WARM = (255, 110, 0)  # RGB of the most attended place


class Spotlight:
    """One caption through a generator whose `attend` returns the maps `(b, t, l, h', w')`, which sum to 1 over l.

    Args:
        generator, encoder: in evaluation mode, on one device.
        inputs: the caption, one row, without padding.
        words: its words, as many as `inputs` has.
        content: which of them are content words (nouns, verbs, adjectives, ...).
        z: `(b, z)` latents; the first is drawn, all are averaged over in the test.
        times: the instants of the clip in seconds.
    """

    def __init__(
        self, *, generator: Any, encoder: nn.Module, inputs: TextInputs, words: Sequence[str], content: Sequence[bool],
        z: Latent, times: Sequence[int | float],
    ) -> None:  # fmt: skip
        self.generator, self.encoder, self.inputs = generator, encoder, inputs
        self.words, self.content, self.z = words, content, z
        self.times = torch.tensor(times, device=z.device).expand(len(z), -1)
        self.video, self.maps = self._render(inputs)

    @classmethod
    def of(cls, model: Any, caption: str, *, z: Latent, times: Sequence[int | float]) -> Spotlight:
        """Of the averaged generator of a game; only the words that its text encoder reads."""
        analysis = model.text_pipeline.analyser([caption])[0]
        inputs = model.text_inputs([caption])
        length = inputs.mask.shape[1]  # very long captions are cut
        return cls(
            generator=model.ema_generator, encoder=model.ema_text_encoder, inputs=inputs,
            words=analysis.words[:length], content=analysis.content[:length], z=z, times=times,
        )  # fmt: skip

    @property
    def has_maps(self) -> bool:
        """False for a generator that was built without its attention."""
        return self.maps.shape[-1] > 1

    @property
    def shares(self) -> list[float]:
        """How much of the attention each word has, over all places, frames and latents; they sum to 1."""
        return self.maps.float().mean((0, 1, 3, 4)).tolist()

    def sheet(self, *, columns: int = 8) -> np.ndarray:
        """First row the clip, then one row per word: the brighter, the more it is looked at. uint8 `(H, W, 3)`."""
        frames = frames_of(self.video[:1])[0]
        heat = F.interpolate(self.maps[0].float(), size=frames.shape[1:3], mode="bilinear")  # (t, l, h, w)
        heat = ((heat - heat.min()) / (heat.max() - heat.min()).clamp_min(1e-8)).cpu().numpy()
        rows = [frames, *(lit(frames, heat[:, i]) for i in range(len(self.words)))]
        captions = [f"{word}  {share:.0%}" for word, share in zip(self.words, self.shares, strict=True)]
        return contact_sheet(rows, [" ".join(self.words), *captions], columns=columns)

    def changes(self, judge: Judge | None = None) -> dict[str, float]:
        """What leaving out the most attended content word changes, and what another one does, on average.

        `..._change` is of the video: mean absolute difference of values in [-1, 1]. With a judge of clips,
        `..._attribute_change` is of what the clip shows: the total variation, in 0..1, between what the judge believes
        with and without the word, for the attribute that the word moves most. {} without two content words.
        """
        places = [i for i, is_content in enumerate(self.content) if is_content]
        if len(places) < 2:
            return {}
        most = max(places, key=self.shares.__getitem__)
        silenced = {i: self._render(without(self.inputs, i))[0] for i in places}
        found = {"change": {i: float((video - self.video).abs().mean()) for i, video in silenced.items()}}
        if judge is not None:
            before = judge(self.video)
            found["attribute_change"] = {i: most_moved(before, judge(video)) for i, video in silenced.items()}
        changes = {}
        for kind, change in found.items():
            others = [change[i] for i in places if i != most]
            changes |= {f"attention/most_attended_{kind}": change[most]}
            changes |= {f"attention/random_{kind}": sum(others) / len(others)}
        return changes

    @torch.no_grad()
    def _render(self, inputs: TextInputs) -> tuple[Video, Tensor]:
        text: TextFeatures = self.encoder(inputs)
        return self.generator.attend(self.z, text[torch.zeros(len(self.z), dtype=torch.long)], self.times)


def most_moved(before: dict[str, Tensor], after: dict[str, Tensor]) -> float:
    """Total variation between two beliefs, given as logits per attribute, of the attribute where it is largest."""
    moved = [(before[a].softmax(-1) - after[a].softmax(-1)).abs().sum(-1).mean() / 2 for a in before]
    return float(max(moved))


def without(inputs: TextInputs, place: int) -> TextInputs:
    """The captions as if the word at `place` had not been written; what a language model made of them is left."""
    keep = [i for i in range(inputs.mask.shape[1]) if i != place]
    return inputs.per_word(lambda tensor: tensor[:, keep])


def lit(frames: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Frames `(t, h, w, 3)` in the dark, lit where `heat` `(t, h, w)` in [0, 1] is high; uint8 both ways."""
    light = heat[..., None]
    glow = 0.55 * frames + 0.45 * np.array(WARM, dtype=np.float32)
    return (light * glow + (1 - light) * 0.3 * frames).round().clip(0, 255).astype(np.uint8)
