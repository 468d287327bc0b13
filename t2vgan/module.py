"""The game between generator and critics, and nothing else.

One batch is one round (Goodfellow et al. 2014, algorithm 1 with k = 1): the critics step on real and fake clips, then
the generator and the text encoder it reads step through the critics. Both steps look at the same fakes, rendered once
unless gradients are accumulated; losses that compare them with others (`energy`, `mirror`, `steer`) cost renderings and
looks of their own.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from t2vgan.augment import Augment
from t2vgan.config import Experiment
from t2vgan.frames import motion_signs, pick, strided
from t2vgan.losses.play import WHOLE, Contrast, Part, Play, Seen
from t2vgan.optim import adam, advance, capturing, frozen, mean_gradients, parameters, set_options
from t2vgan.rounds import Heard, Look, Pairs, Term, Told, grow
from t2vgan.seeds import stable_seed
from t2vgan.shapes import Clips, TextFeatures, TextInputs, Trial, Video, onto


class T2VGAN(L.LightningModule):
    """`terms["d" | "g"][critic][loss]` are the weighted losses; their names are the names of the curves."""

    clips_seen: Tensor  # int64 scalar, training clips over all devices, in the checkpoint

    def __init__(
        self,
        *,
        config: Experiment,
        text_pipeline: Callable[[list[str]], TextInputs],
        text_encoder: nn.Module,
        critic_text: nn.Module | None,
        generator: nn.Module,
        discriminators: dict[str, nn.Module],
        terms: dict[str, dict[str, dict[str, Term]]],
        augment: Augment,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.config, self.text_pipeline, self.terms, self.augment = config, text_pipeline, terms, augment
        self.text_encoder, self.generator, self.grown = text_encoder, generator, 1.0
        self.discriminators, self.critic_text = nn.ModuleDict(discriminators), critic_text
        self.ema_text_encoder = copy.deepcopy(text_encoder).eval().requires_grad_(False)
        self.ema_generator = copy.deepcopy(generator).eval().requires_grad_(False)
        self.register_buffer("clips_seen", torch.zeros((), dtype=torch.long))
        self._known: tuple[Tensor, int, int] | None = None
        self.graphs: Any = None  # plays the rounds, if given; see `graphs`
        self.signs: dict[str, float | Tensor] = {}  # of the last round, for the callbacks
        self.latest: dict[str, Tensor] = {}  # value of each loss, of this round or of the last one that computed it

    @property
    def seen(self) -> int:
        """`clips_seen`, read where somebody else has changed it: that waits for all that a GPU has been told to do."""
        if self._known is None or self._known[0] is not self.clips_seen or self._known[1] != self.clips_seen._version:
            self._known = (self.clips_seen, self.clips_seen._version, int(self.clips_seen))
        return self._known[2]

    @property
    def done(self) -> float:
        """Share of the training."""
        return self.seen / self.config.clips

    # ---- the round ---------------------------------------------------------------------------------------------

    def training_step(self, clips: Clips, batch_idx: int) -> None:
        seen = self.seen
        g_optim = self.optimizers()[0]  # type: ignore[index]
        d_optim = self.optimizers(use_pl_optimizer=False)[1]  # type: ignore[index]  # raw: Lightning then counts one step per round
        self.set_rates(g_optim, d_optim)
        self.grow(self.done)
        micros = clips.split(self.config.trainer.accumulate)  # one, unless gradients are accumulated
        heard = [self.hear(micro) for micro in micros]
        play = self.round if self.graphs is None else self.graphs.round
        play(micros, heard, g_optim, d_optim)

        self.clips_seen += len(clips) * self.trainer.world_size
        self._known = (self.clips_seen, self.clips_seen._version, seen + len(clips) * self.trainer.world_size)
        for side in "dg":
            logged = {name: value for name, value in self.latest.items() if name.startswith(side)}
            self.log_dict({**logged, f"{side}/grad_norm": self.signs[f"{side}/grad_norm"]})
        self.log("clips_seen", self.clips_seen.float())

    def grow(self, done: float) -> None:
        """As far as generators have when so much is done; in a run that began with another, from its first round on."""
        self.grown = done
        grow([self.generator, self.ema_generator], 1.0 if self.config.start else done)

    def round(self, micros: list[Clips], heard: list[Heard], g_optim: Any, d_optim: Any) -> None:
        """One step of each player. Nothing waits for a GPU but `advance` (if not captured) and what `reads_numbers`."""
        told = [self.tell(each) for each in heard]
        parts = self.parts(told)
        once = list(self.looks(micros, heard, keep=True)) if len(micros) == 1 else None
        self.step("d", d_optim, once or self.looks(micros, heard, keep=False), told, parts)
        with frozen([self.discriminators, self.critic_text]):
            told = [Told(self.read(each.right), None, each.right.content, None) for each in heard]
            self.step("g", g_optim, once or self.looks(micros, heard, keep=True), told, parts)  # rendered anew

    def looks(self, micros: list[Clips], heard: list[Heard], *, keep: bool) -> Iterator[dict[str, Look]]:
        """What the critics see of each micro-batch. `keep`: with the way back to the generator; else for them alone."""
        for clips, each in zip(micros, heard, strict=True):
            with torch.set_grad_enabled(keep):
                look = self.look(clips, self.text_encoder(each.right))
            yield look

    def parts(self, told: list[Told]) -> list[Part]:
        """The parts of the round's batch that are this rank's, one for each micro-batch."""
        ranks, micros = self.trainer.world_size, len(told)
        if ranks * micros == 1:
            return [WHOLE]
        counts = torch.zeros(3, device=self.device)
        for each in told:
            if each.contrast is not None:
                counts[0] += each.contrast.only_right.sum()
                counts[1] += each.contrast.only_wrong.sum()
            counts[2] += each.content.sum()
        if ranks > 1:
            torch.distributed.all_reduce(counts)
        right, wrong, content = counts / (ranks * micros)
        first = self.global_rank * micros
        return [Part(first + i, ranks * micros, right, wrong, content) for i in range(micros)]

    def look(self, clips: Clips, text: TextFeatures) -> dict[str, Look]:
        """Renders the frames that the critics will look at and lets each of them see its share, real and fake."""
        t = clips.times.shape[1]
        most = max(critic.frames or t for critic in self.discriminators.values())  # type: ignore[union-attr]
        chosen = self.draw(clips, "frames", lambda g: strided(t, most, g))
        z = self.noise(clips)
        twin = self.twin(clips, text, chosen) if torch.is_grad_enabled() else None
        asked = any(self.wanted(side, name, "needs_trial") for side in ("g", "d") for name in self.discriminators)
        steered: Any = self.generator if asked and hasattr(self.generator, "numbers") else None
        if steered is not None:
            steered.chance = self.draw(clips, "trial", lambda g: torch.randn(steered.chances, generator=g))
            steered.still = clips.video[:, :, t // 2]
        if self.generator.continuous:
            fake = self.generator(z, text, clips.times.gather(1, chosen))
        else:
            fake = pick(self.generator(z, text, clips.times), chosen)
        real, draws = pick(clips.video, chosen), self.draw(clips, "augment", lambda g: torch.rand(4, generator=g))
        self.signs.update(motion_signs(real, fake))
        real, fake = self.augment(real, draws), self.augment(fake, draws)
        trial: Trial | None = getattr(self.generator, "trial", None) if asked else None
        other = fake
        if trial is not None:
            other = self.augment(trial.video if self.generator.continuous else pick(trial.video, chosen), draws)
            self.signs["g/mirrored"] = trial.mirrored.float().mean()

        looks = {}
        for name, critic in self.discriminators.items():
            k: int = critic.frames or t  # type: ignore[assignment]
            where = self.draw(clips, f"frames of {name}", lambda g, k=k: strided(most, k, g))  # type: ignore[misc]
            see = self.through_noise(clips, name, k)
            with torch.no_grad():
                seen = see(pick(real, where))
            times = clips.times.gather(1, chosen.gather(1, where))
            looks[name] = Look(times, seen, see(pick(fake, where)), z=z)
            if twin is not None and self.wanted("g", name, "needs_twin"):
                with torch.no_grad():
                    looks[name].twin = see(pick(self.augment(twin, draws), where))
            if trial is not None and any(self.wanted(side, name, "needs_numbers") for side in ("g", "d")):
                moving = [each if self.generator.continuous else pick(each, chosen) for each in trial.moving]
                with torch.no_grad():
                    clear, *moved = (critic.clear(pick(each, where)) for each in (real, *moving))  # type: ignore[operator]
                looks[name].clear, looks[name].moved = clear, tuple(moved)
            if any(self.wanted(side, name, "needs_trial") for side in ("g", "d")):
                with torch.no_grad():
                    looks[name].trial, looks[name].tried = trial, see(pick(other, where))
        return looks

    @torch.no_grad()
    def twin(self, clips: Clips, text: TextFeatures, chosen: Tensor) -> Tensor | None:
        """The chosen frames of clips of the same captions by other noise, where a loss wants to compare with them."""
        if not any(self.wanted("g", name, "needs_twin") for name in self.discriminators):
            return None
        z = self.noise(clips, "twin")
        if self.generator.continuous:
            return self.generator(z, text, clips.times.gather(1, chosen))
        return pick(self.generator(z, text, clips.times), chosen)

    def through_noise(self, clips: Clips, name: str, frames: int) -> Callable[[Video], Seen]:
        """How the critic sees `frames` frames of the clips: each clip in its own noise, the same for real and fake."""
        critic: Any = self.discriminators[name]
        if not self.augment.noise:
            return critic.see
        eyes = hasattr(critic, "eyes")
        size = critic.see_size if eyes else clips.video.shape[-1]
        shape = (3, frames, size, size)

        def drawn(g: torch.Generator) -> Tensor:
            return torch.randn(shape, generator=g, device=g.device)

        # Where the clips are: of large frames a processor would draw for longer than a GPU trains.
        grain = self.draw(clips, f"grain of {name}", drawn, device=self.device)
        grain = grain * self.number("noise", lambda: self.augment.noise_at(self.done))
        if eyes:  # what it compares between frames it compares without noise
            return lambda video: critic.see(video, grain)
        return lambda video: critic.see(video + grain)

    def step(
        self, side: str, optim: Any, looks: Iterable[dict[str, Look]], told: list[Told], parts: list[Part]
    ) -> None:
        """Weighted sum of the side's losses over all critics, one gradient step; skipped when it is not finite."""
        losses: dict[str, Tensor] = {}
        optim.zero_grad()
        normed = [m for m in self.discriminators.modules() if isinstance(getattr(m, "frozen", None), bool)]
        before = [layer.u for layer in normed]
        for look, heard, part in zip(looks, told, parts, strict=True):
            for layer, u in zip(normed, before, strict=True):
                layer.u = u  # every micro-batch meets the same critics
            self.reseed()
            terms = self.losses_of(side, look, dataclasses.replace(heard, part=part))
            self.backward_alone(terms.pop("total") / len(parts))
            for name, value in terms.items():
                losses[name] = losses.get(name, 0.0) + value / len(parts)
        players = [self.discriminators, self.critic_text] if side == "d" else [self.generator, self.text_encoder]
        clip_norm = getattr(self.config, f"{side}_optim").clip_norm
        norm = mean_gradients(parameters(players), self.trainer.world_size, clip_norm)
        self.signs.update({f"{side}/grad_norm": norm, f"{side}/skipped": advance(optim, norm)})
        self.latest |= losses

    def reseed(self) -> None:
        """What losses draw is of the round. A graph goes on with the numbers that it was given before it was played."""
        if not capturing():
            torch.manual_seed(stable_seed(self.config.seed, self.seen, 0, "round"))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["latest"] = {name: value.cpu() for name, value in self.latest.items()}
        checkpoint["vectors"] = getattr(self.text_pipeline, "version", None)
        checkpoint["grown"] = self.grown
        for group in (group for optim in checkpoint.get("optimizer_states", ()) for group in optim["param_groups"]):
            group |= {"lr": float(group["lr"]), "capturable": False}  # as it is without graphs

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.latest = checkpoint.get("latest", {})  # else a resumed run would leave rare losses out of its curves
        self.grow(checkpoint.get("grown", 1.0))  # else one that goes on with a validation would show other legs

    def losses_of(self, side: str, looks: dict[str, Look], told: Told) -> dict[str, Tensor]:
        """The side's losses by their names, without gradient, as `<side>/total` their sum, and as `total` with it."""
        losses, total = {}, torch.zeros((), device=self.device)
        for name, look in looks.items():
            play = self.play(side, name, look, told)
            for loss, term in self.terms[side][name].items():
                key = f"{side}/{name}/{loss}"
                if not term.weight_at(self.done):  # it has faded, and so does its curve
                    self.latest.pop(key, None)
                elif self.trainer.global_step % term.every == 0:
                    value = getattr(term.loss, "discriminator" if side == "d" else "generator")(play)
                    losses[key] = value.detach()
                    total = total + self.number(key, lambda term=term: term.weight_at(self.done)) * value  # type: ignore[misc]
        return {**losses, f"{side}/total": total.detach(), "total": total}

    def backward_alone(self, loss: Tensor) -> None:
        """DDP's reducer cannot follow two players in one module: `mean_gradients` does its work."""
        with getattr(self.trainer.strategy, "block_backward_sync", contextlib.nullcontext)():
            self.manual_backward(loss)

    def play(self, side: str, name: str, look: Look, told: Told) -> Play:
        critic: Any = self.discriminators[name]
        text = None if critic.blind else told.right
        fake = look.fake if side == "g" else tuple(f.detach() for f in look.fake)
        real_features, real_logits = (), torch.zeros(0, device=self.device)
        if side == "d" or self.wanted("g", name, "needs_real"):
            with torch.set_grad_enabled(side == "d"):
                real_features = critic.features(look.real, look.times)
                real_logits = critic.judge(real_features, text)
        fake_features = critic.features(fake, look.times)
        fake_logits = critic.judge(fake_features, text)
        if side == "d":
            self.signs |= {
                f"d/{name}/real": real_logits.detach().mean(),
                f"d/{name}/fake": fake_logits.detach().mean(),
                f"d/{name}/real_right": (real_logits.detach() > 0).float().mean(),
                f"d/{name}/fake_right": (fake_logits.detach() < 0).float().mean(),
            }
        seen = (critic, look.times, look.real, fake, real_features, fake_features, real_logits, fake_logits)
        passed = ("trial", "tried", "z", "twin", "clear", "moved")
        rest: dict[str, Any] = {"part": told.part, **{what: getattr(look, what) for what in passed}}
        if critic.blind:
            return Play(*seen, **rest)
        if self.wanted(side, name, "needs_trial_features"):
            with torch.no_grad():
                rest["trial_features"] = critic.features(look.tried, look.times)
        return Play(*seen, text, told.wrong, told.content, told.contrast, **rest)

    # ---- text and noise ----------------------------------------------------------------------------------------

    def text_inputs(self, captions: list[str]) -> TextInputs:
        inputs = self.text_pipeline(captions)
        return inputs.each(lambda tensor: onto(tensor, self.device))

    def read(self, inputs: TextInputs) -> TextFeatures:
        """What critics are told of captions: their own encoder's reading, or the generator's without gradient."""
        return self.critic_text(inputs) if self.critic_text is not None else self.text_encoder(inputs).detach()

    def hear(self, clips: Clips) -> Heard:
        right, wrong = self.text_inputs(clips.captions), self.text_inputs(clips.wrong_captions)
        return Heard(right, wrong, self.pairs(clips))

    def pairs(self, clips: Clips) -> Pairs | None:
        """All pairs of right and wrong captions of the batch, where a loss learns from them."""
        pairs = [(i, *pair) for i, pairs in enumerate(clips.contrasts) for pair in pairs]
        if not pairs or not any(self.wanted("d", name, "needs_contrast") for name in self.discriminators):
            return None
        owner, right, wrong = zip(*pairs, strict=True)
        right, wrong = self.text_inputs(list(right)), self.text_inputs(list(wrong))
        same = (right.vectors[:, :, None] == wrong.vectors[:, None]).all(-1)
        only_right = right.mask & ~(same & wrong.mask[:, None]).any(2)
        only_wrong = wrong.mask & ~(same & right.mask[:, :, None]).any(1)
        return Pairs(onto(torch.tensor(owner), self.device), right, wrong, only_right, only_wrong)

    def tell(self, heard: Heard) -> Told:
        pairs, contrast = heard.pairs, None
        if pairs is not None:
            read = self.read(pairs.right), self.read(pairs.wrong)
            contrast = Contrast(pairs.owner, *read, pairs.only_right, pairs.only_wrong)
        return Told(self.read(heard.right), self.read(heard.wrong), heard.right.content, contrast)

    def due(self) -> tuple[str, ...]:
        """The losses that this round computes."""
        names = [
            f"{side}/{critic}/{loss}"
            for side, of_side in self.terms.items()
            for critic, terms in of_side.items()
            for loss, term in terms.items()
            if term.weight_at(self.done) and self.trainer.global_step % term.every == 0
        ]
        return tuple(names)

    def wanted(self, side: str, critic: str, need: str) -> bool:
        """Whether a loss of this player and critic has the need, such as `needs_contrast`."""
        terms = self.terms[side][critic].values()
        return any(getattr(term.loss, need, False) and term.weight_at(self.done) for term in terms)

    def draw(
        self, clips: Clips, purpose: str, how: Callable[[torch.Generator], Tensor], *, device: Any = "cpu"
    ) -> Tensor:
        """One draw per clip, seeded by the clip and not by the rank, the worker or what was drawn before.

        `device`: that of the random numbers, which are others on another kind.
        """

        def drawn(clips: Clips) -> Tensor:
            seeds = (stable_seed(self.config.seed, clips.epoch, i, purpose) for i in clips.indices)
            return onto(torch.stack([how(torch.Generator(device).manual_seed(s)) for s in seeds]), self.device)

        return drawn(clips) if self.graphs is None else self.graphs.draw(purpose, drawn, clips)

    def number(self, name: str, value: Callable[[], float]) -> float | Tensor:
        """A number that is another in each round."""
        return value() if self.graphs is None else self.graphs.number(name, value)

    def noise(self, clips: Clips, purpose: str = "noise") -> Tensor:
        return self.draw(clips, purpose, lambda g: torch.randn(self.generator.z_dim, generator=g))  # type: ignore[arg-type]

    # ---- use ---------------------------------------------------------------------------------------------------

    def encode(self, captions: list[str], *, ema: bool = True) -> TextFeatures:
        return (self.ema_text_encoder if ema else self.text_encoder)(self.text_inputs(captions))

    @torch.no_grad()
    def generate(
        self, captions: list[str], *, z: Tensor | None = None, times: Tensor | None = None, ema: bool = True
    ) -> Video:
        """Clips `(b, 3, t, h, w)` for the captions; by default new noise and the instants of the experiment's clips."""
        generator: Any = self.ema_generator if ema else self.generator
        if z is None:
            z = torch.randn(len(captions), generator.z_dim)
        if times is None:
            clip = self.config.clip
            times = (torch.arange(clip.frames) * clip.duration_s / clip.frames).expand(len(captions), -1)
        return generator(z.to(self.device), self.encode(captions, ema=ema), times.to(self.device))

    def validation_step(self, clips: Clips, batch_idx: int) -> Video:
        return self.generate(clips.captions, z=self.noise(clips), times=clips.times)

    # ---- optimisation ------------------------------------------------------------------------------------------

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        game: list[tuple[Any, Any, Any]] = [
            (self.generator, self.text_encoder, self.config.g_optim),
            (self.discriminators, self.critic_text, self.config.d_optim),
        ]
        if self.config.text.lr is None:
            return [adam(parameters([player, text]), optim) for player, text, optim in game]
        return [adam(parameters([player]), optim, parameters([text])) for player, text, optim in game]

    def set_rates(self, *optims: Any) -> None:
        for optim, config in zip(optims, (self.config.g_optim, self.config.d_optim), strict=True):
            set_options(optim, config, seen=self.seen, total=self.config.clips, apart=self.config.text.lr)
