"""What a run has to say in words: on the screen, and in its folder for later."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import Trainer


def tell(trainer: Trainer, folder: Path, clips_seen: int, sentence: str) -> None:
    """A line on the screen and in `<folder>/doctor.txt`, by rank zero."""
    if trainer.is_global_zero:
        line = f"{clips_seen:,} clips: {sentence}"
        trainer.print(line)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "doctor.txt").open("a") as file:
            file.write(line + "\n")
