"""Where curves go: `metrics.csv`, Weights & Biases, TensorBoard; a run that goes on repeats no row and loses none."""

from __future__ import annotations

import atexit
import contextlib
import csv
import json
import netrc
import os
import re
import secrets
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only, rank_zero_warn

from t2vgan.config import ConfigError, Experiment, to_dict
from t2vgan.system import written_whole

RECORDS = ("metrics.csv", "evaluation.jsonl", "cost.jsonl", "doctor.txt")  # of a run folder: files that grow by lines
FLUSH_S = 0.1
FLUSH_TIMEOUT_S = 10.0
FINISH_TIMEOUT_S = 30.0  # for W&B to take what it has not yet when a run ends; WANDB_FINISH_TIMEOUT sets another
ALWAYS = {"clips_seen", "epoch"}  # in every row


def loggers(experiment: Experiment, run_dir: Path, *, rounds_done: int = 0) -> list[Logger]:
    """The loggers that the experiment asks for. `rounds_done`: of a run that goes on."""
    settings = experiment.logger
    found: list[Logger] = [ContinuedCsv(run_dir)] if settings.csv else []
    if settings.tensorboard:
        purge: dict[str, Any] = {"purge_step": rounds_done} if rounds_done else {}
        found.append(TensorBoardLogger(save_dir=run_dir, name="tensorboard", version="", **purge))
    if settings.wandb != "off":
        os.environ.setdefault("WANDB_SILENT", "true")
        wandb = ContinuedWandb(
            run_dir,
            project=settings.project,
            name=f"{experiment.name}/{run_dir.name}",
            id=wandb_id(run_dir),
            group=settings.group or experiment.name,
            job_type=settings.job_type,
            offline=wandb_offline(settings.wandb),
            config=to_dict(experiment),
            resume="allow",
        )
        wandb._wandb_init.pop("anonymous", None)  # Lightning hands on a setting that W&B no longer has and warns of
        found.append(wandb)
    return found


class ContinuedCsv(Logger):
    """`metrics.csv` of the run folder. A run that goes on appends to it; at any moment the file is whole.

    Not Lightning's, which deletes the file of an earlier process, and while it adds a column has nothing on the disk.
    """

    def __init__(self, run_dir: Path) -> None:
        super().__init__()
        self.file = run_dir / "metrics.csv"
        self._rows: list[dict[str, Any]] = []
        self._columns: list[str] | None = None

    @property
    def name(self) -> str:
        return ""

    @property
    def version(self) -> str:
        return ""

    @property
    def log_dir(self) -> str:
        return str(self.file.parent)

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """They are in config.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
        row = {name: value.item() if hasattr(value, "item") else value for name, value in metrics.items()}
        self._rows.append({**row, "step": step})

    @rank_zero_only
    def save(self) -> None:
        if not self._rows:
            return
        if self._columns is None:
            self._columns = self._header()
        columns = sorted({*self._columns, *(name for row in self._rows for name in row)})
        if columns != self._columns:
            self._widen(columns)
        with self.file.open("a", newline="") as file:
            csv.DictWriter(file, columns).writerows(self._rows)
        self._rows, self._columns = [], columns

    def _header(self) -> list[str]:
        if not self.file.is_file():
            return []
        with self.file.open(newline="") as file:
            return next(csv.reader(file), [])

    def _widen(self, columns: list[str]) -> None:
        rows: list[dict[str, Any]] = []
        if self.file.is_file():
            with self.file.open(newline="") as file:
                rows = list(csv.DictReader(file))
        with written_whole(self.file, durable=False) as part, part.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)


def finish_timeout() -> float:
    """Seconds; ConfigError for a WANDB_FINISH_TIMEOUT that says none."""
    said = os.environ.get("WANDB_FINISH_TIMEOUT", "")
    try:
        return float(said) if said else FINISH_TIMEOUT_S
    except ValueError:
        raise ConfigError(f"WANDB_FINISH_TIMEOUT is '{said}': give seconds, such as 30") from None


class ContinuedWandb(WandbLogger):
    """W&B, which cannot take a row back: what an earlier process of the run has on the disk already is passed over.

    A run that goes on repeats the rounds after its last checkpoint, to the same numbers; `flush` sees to it that those
    before it are on the disk, for what W&B still holds in memory is lost with a process that is killed.

    Training needs neither its server nor its service, the process that writes its files: without them it goes on, and
    ends in time, with a line that says what W&B has not got.
    """

    def __init__(self, run_dir: Path, **options: Any) -> None:
        import wandb

        options["settings"] = wandb.Settings(
            x_transaction_log_flush_interval=FLUSH_S,  # it would otherwise wait for 32 kB to come together
            finish_timeout=finish_timeout(),  # and here for ever
            finish_timeout_raises=True,
        )
        # W&B's service, which writes the files, may be that of another process, with another current folder.
        super().__init__(save_dir=run_dir.absolute(), **options)
        self._run_dir = run_dir
        self._earlier: tuple[int, set[str]] | None = None
        self._fresh = False  # whether there are rows since the last flush
        self._flushed = 0  # bytes of W&B's file that were there at the last flush
        self._lost = self._to_close = False  # whether W&B's service has ended; whether `close` will be called
        self._exit_code = 1  # until Lightning says otherwise

    @property
    def experiment(self) -> Any:
        """W&B's run; where its server does not answer one that is kept here, for training does not need it."""
        import wandb
        from wandb.errors import Error

        try:
            run = super().experiment
        except Error as error:
            if self._offline:
                raise
            wandb.teardown()  # its service, which otherwise takes the run for one that has begun
            self._offline = True
            self._wandb_init["mode"] = "offline"
            rank_zero_warn(
                f"W&B cannot be reached ({str(error).splitlines()[0]}): this run is recorded in its folder; later: "
                f"wandb sync {self._run_dir}/wandb/offline-run-*"
            )
            run = super().experiment
        if self._experiment is not None and not self._to_close:
            atexit.register(self.close)  # after all that a run does, and before W&B's own, which would say nothing
            self._to_close = True
        return run

    @rank_zero_only
    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Numbers and media alike."""
        if self._lost or not (fresh := self._not_there_yet(metrics)):
            return
        try:
            super().log_metrics(fresh, step)
            self._fresh = True
        except ConnectionError as error:
            self._lost = True
            rank_zero_warn(f"W&B's service has ended ({error}): from here on this run's rows are in metrics.csv alone")

    def _not_there_yet(self, metrics: Any) -> dict[str, Any]:
        if "clips_seen" not in metrics:
            return dict(metrics)
        if self._earlier is None:
            self._earlier = seen_by_wandb(self._run_dir)
        seen, (until, names) = int(metrics["clips_seen"]), self._earlier
        fresh = {name: value for name, value in metrics.items() if seen > until or name not in names or name in ALWAYS}
        return fresh if seen >= until and fresh.keys() - ALWAYS else {}

    @rank_zero_only
    def flush(self) -> None:
        """Waits until the rows so far are in the run's file; where W&B does not answer, training goes on without it."""
        if self._fresh:
            run: Any = self.experiment
            try:
                run.summary.keys()  # is answered after all that was sent before
                self._await_row(Path(run.settings.sync_file), run.step - 1)
            except Exception as error:  # of many kinds: its service may have ended
                rank_zero_warn(f"W&B does not answer ({type(error).__name__}): rows of this run may be missing there")
            self._fresh = False

    @rank_zero_only
    def finalize(self, status: str) -> None:
        super().finalize(status)
        self._exit_code = int(status != "success")

    def close(self) -> None:
        """The end of the run at W&B, which may take what it has not yet, but not as long as it likes."""
        import wandb

        run: Any = self._experiment
        try:
            run.finish(exit_code=self._exit_code)
        except (Exception, KeyboardInterrupt) as error:  # of many kinds: its service may have ended
            with contextlib.suppress(Exception):
                wandb.teardown()  # else its own, at exit, would end in a traceback
            why = str(error) or type(error).__name__
            if isinstance(error, TimeoutError):
                why = f"in {run.settings.finish_timeout:g} s"
            record = self._run_dir / "wandb" / Path(run.settings.sync_dir).name
            later = f"wandb sync --include-online {record}"
            text = f"W&B has not taken all rows and media of this run ({why}); later: {later}"
            print(f"t2vgan: warning: {text}", file=sys.stderr)  # too late for warnings in one line

    def _await_row(self, record: Path, step: int) -> None:
        """Until row `step` is in W&B's file: looks for its `_step` (protobuf: key, tag and length, value)."""
        row, until = re.compile(rb"_step[^\d]{2,4}%d\D" % step), time.monotonic() + FLUSH_TIMEOUT_S
        while time.monotonic() < until:
            time.sleep(FLUSH_S)
            if record.is_file():
                with record.open("rb") as file:
                    file.seek(self._flushed)
                    if row.search(file.read() + b"\n"):
                        self._flushed = record.stat().st_size
                        return
        rank_zero_warn(f"{record}: W&B has not written its last row after {FLUSH_TIMEOUT_S} s; a kill could lose it")


def seen_by_wandb(run_dir: Path) -> tuple[int, set[str]]:
    """How far the rows in the run's W&B files have come: clips seen, and the names that were logged at that count."""
    until, names = -1, set[str]()
    for record in sorted(run_dir.glob("wandb/*run-*/run-*.wandb")):
        command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(record)]
        offline = {**os.environ, "WANDB_MODE": "offline"}  # else it would report its use to W&B
        said = subprocess.run(command, capture_output=True, env=offline, check=False)
        if said.returncode:
            rank_zero_warn(f"{record}: W&B cannot read its own file; rows that it has may be logged again")
        for line in said.stdout.splitlines():
            with contextlib.suppress(ValueError, LookupError, TypeError):  # other records, a cut end
                row = json.loads(line)["history"]["item"]
                if (seen := int(row["clips_seen"])) > until:
                    until, names = seen, set()
                if seen == until:
                    names |= {name.split(".")[0] for name in row}  # of media: samples/video.path
    return until, names


def wandb_id(run_dir: Path) -> str:
    """The run's W&B name, kept in the folder, so that a resumed run goes on in the same curves."""
    path = run_dir / "wandb_id.txt"
    by_agent = os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None  # of `wandb agent`
    with contextlib.suppress(FileExistsError), path.open("x") as file:  # of several processes, the first one
        file.write((by_agent or secrets.token_hex(4)) + "\n")
    return path.read_text().strip()


def wandb_offline(mode: str) -> bool:
    """`auto` asks nobody: online only where a key is known. `online` without one is an error before training starts."""
    if mode == "offline" or (mode == "auto" and os.environ.get("WANDB_MODE") in ("offline", "disabled", "dryrun")):
        return True
    if mode == "online" and not _wandb_key():
        raise ConfigError("logger.wandb is 'online', but no key is configured: run 'wandb login', or take 'offline'")
    return not _wandb_key()


def _wandb_key() -> bool:
    """Whether `wandb login` has been done here, without asking W&B itself, which would prompt."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urllib.parse.urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def lengths(run_dir: Path) -> dict[str, int]:
    """Lines of each of the run's records, by name: what a checkpoint knows of them."""
    return {name: len((run_dir / name).read_bytes().splitlines()) for name in RECORDS if (run_dir / name).is_file()}


def cut(run_dir: Path, lines: dict[str, int]) -> None:
    """Takes back the lines that were written after the checkpoint with these `lengths`: they will come again."""
    for name in RECORDS:
        path = run_dir / name
        if not path.is_file():
            continue
        kept = path.read_bytes().splitlines(keepends=True)[: lines.get(name, 0)]
        if kept:
            with written_whole(path) as part:
                part.write_bytes(b"".join(kept))
        else:
            path.unlink()
