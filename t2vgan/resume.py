"""Which run a command goes on with, and from where: nothing here changes a run, except that it is taken hold of."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import re
import socket
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2vgan import runs, sealed
from t2vgan.config import ConfigError, Experiment, load, to_dict, to_yaml
from t2vgan.system import written_whole

# How and where a run is computed, and not what: two commands that differ in these alone mean the same run.
CIRCUMSTANCES = ("extends", "run_dir", "logger", "cluster", "trainer.accelerator", "trainer.devices", "trainer.nodes")
CIRCUMSTANCES += ("trainer.threads", "trainer.checkpoints_kept", "data.workers", "data.prefetch", "data.pin_memory")
FINISHED = "finished.json"
LOCK = "lock"


@dataclass(frozen=True)
class Found:
    """The run of an experiment that is there already; `finished`: nothing is left to be done."""

    run: Path
    finished: bool


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as `{"g_optim.lr": 1e-4}`."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def differences(there: dict[str, Any], here: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The settings of two experiments (`config.to_dict`) that differ: `{key: (there, here)}`; None: not set."""
    old, new = flat(there), flat(here)
    keys = [key for key in {**old, **new} if not any(f"{key}.".startswith(f"{same}.") for same in CIRCUMSTANCES)]
    return {key: (old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)}


def told(differing: dict[str, tuple[Any, Any]], *, most: int = 6) -> str:
    """`g_optim.lr (0.0002 there, 0.001 here)`, for a message."""
    said = [f"{key} ({old} there, {new} here)" for key, (old, new) in sorted(differing.items())]
    return ", ".join(said[:most]) + (f" and {len(said) - most} more" if len(said) > most else "")


def existing(experiment: Experiment) -> Found | None:
    """The newest unfinished run of this very experiment, else a finished one, else None.

    With `run_dir` that folder alone is looked at; ConfigError when it holds something else.
    """
    if experiment.run_dir is not None:
        return _in_its_folder(experiment, Path(experiment.run_dir))
    same = [run for run in runs.run_dirs(experiment.name) if not differences(*_configs(run, experiment))]
    unfinished = [run for run in same if not is_finished(run, experiment.clips)]
    if unfinished:
        return Found(unfinished[-1], finished=False)
    return Found(same[-1], finished=True) if same else None


def _in_its_folder(experiment: Experiment, run: Path) -> Found | None:
    if not (run / "config.yaml").is_file():
        runs.refuse_used(run)
        return None
    if differing := differences(*_configs(run, experiment)):
        raise ConfigError(
            f"run_dir={run} holds a run with other settings: {told(differing)}; name another folder, or go on with "
            f"that run by --resume {run} and the settings to change"
        )
    return Found(run, finished=is_finished(run, experiment.clips))


def _configs(run: Path, experiment: Experiment) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        return to_dict(load(run / "config.yaml")), to_dict(experiment)
    except ConfigError as error:  # of a version that had other keys
        return {"unreadable": str(error)}, to_dict(experiment)


def is_finished(run: Path, clips: int) -> bool:
    """Whether the run has done all that a run of so many clips has to do."""
    try:
        return json.loads((run / FINISHED).read_text())["clips_seen"] >= clips
    except (OSError, ValueError, LookupError):
        return False


def write_settings(run_dir: Path, experiment: Experiment) -> None:
    """config.yaml, with which the run can be found and run again; other settings than before are kept beside it."""
    config, wanted = run_dir / "config.yaml", to_yaml(dataclasses.replace(experiment, extends=None, run_dir=None))
    if config.is_file() and config.read_text() != wanted:  # resumed with other settings: these hold from now on
        before = run_dir / f"config.before-{sum(1 for _ in run_dir.glob('config.before-*')) + 1}.yaml"
        with written_whole(before) as part:  # a copy: where the disk is full the run keeps the settings that it has
            part.write_text(config.read_text())
    with written_whole(config) as part:
        part.write_text(wanted)


def mark_finished(run: Path, clips_seen: int) -> None:
    with written_whole(run / FINISHED) as part:
        part.write_text(json.dumps({"clips_seen": clips_seen}) + "\n")


def newest_checkpoint(run: Path) -> Path | None:
    """The newest checkpoint that is whole; the damaged ones before it are named, and set aside.

    None where there is none yet. Raises ConfigError when there are some and all of them are damaged.
    """
    folder, set_aside = run / "checkpoints", []
    for unfinished in folder.glob(".*.part"):  # of a process that was killed as it wrote
        unfinished.unlink()
    for path in (folder / "last.ckpt", folder / "previous.ckpt", *sorted(folder.glob("previous-*.ckpt"), key=_age)):
        if not path.is_file():
            continue
        wrong = sealed.damage(path)
        if wrong is None:
            return path
        aside = path.with_name(f"{path.name}.damaged")
        os.replace(path, aside)  # else the next save would push it over a good one
        set_aside.append(aside)
        print(f"{path} is damaged ({wrong}): it is now {aside.name}, and the run goes on from the one before it")
    if set_aside:
        raise ConfigError(
            f"{folder}: every checkpoint is damaged ({', '.join(p.name for p in set_aside)}): copy one back from a "
            "backup, or train anew with --new"
        )
    return None


def _age(path: Path) -> int:
    number = re.search(r"previous-(\d+)\.ckpt", path.name)
    return int(number[1]) if number else 0


def hold(run: Path) -> None:
    """Takes hold of the run for as long as this process lives; ConfigError when another one has it."""
    try:
        held = try_to_hold(run)
    except OSError as error:
        why = error.strerror or error
        raise ConfigError(f"{run}: the run folder cannot be written to ({why}); name another by run_dir=") from None
    if not held:
        holder = (run / LOCK).read_text(errors="replace").strip() or "another process"
        raise ConfigError(f"{run} is being trained by {holder}: wait for it or stop it; --new trains another run")


def try_to_hold(folder: Path) -> bool:
    """Whether the folder is this process's from now on, and for as long as it lives.

    A lock of the operating system on a file: it goes with its process, however that ends, and works on the shared
    file systems of clusters. Children, such as loaders' workers, do not inherit it.
    """
    if folder.resolve() in _held:
        return True
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not _locked(handle):
            os.close(handle)
            return False
    except OSError as error:
        why = error.strerror or error
        warnings.warn(
            f"{folder}: its file system keeps no locks ({why}): a second process here would not be seen", stacklevel=2
        )
    os.truncate(handle, 0)
    os.write(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
    _held[folder.resolve()] = handle
    return True


def is_held(folder: Path) -> bool:
    """Whether another process has hold of the folder now."""
    if folder.resolve() in _held:  # by this one, which would give it back as the file is closed
        return False
    try:
        with (folder / LOCK).open("r+b") as file:
            return not _locked(file.fileno())
    except OSError:  # there is none, or no locks at all
        return False


def _locked(handle: int) -> bool:
    """Whether the open file is locked by this process now; False: by another one. OSError where locks are unknown."""
    try:
        import fcntl
    except ImportError:  # on Windows
        return True
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False


_held: dict[Path, int] = {}  # open for as long as the process lives: closing one would give the lock back
