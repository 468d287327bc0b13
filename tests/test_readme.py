"""Runs the shell commands of the pages for people as they are written, with everything made small.

A command that is not in KNOWN fails: nothing is passed over silently. What a page promises to find afterwards is
looked for, and its relative links have to lead somewhere.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PAGES = {page: (ROOT / page).read_text() for page in ("README.md", "CONTRIBUTING.md", "docs/your_own_data.md")}
RUN = "runs/lion_savanna/00000"
LIMIT_S = 120  # of one command

# Not run: installing would change the environment that runs these tests. `.ci/run` does it in a fresh one.
INSTALL = re.compile(r"pip install .*-e (\.|'\.\[dev\]')")

SMALL = (
    "clips=16 clip.size=16 clip.frames=8 data.batch=4 data.val_clips=8 samples.count=2 trainer.threads=1"
    " generator.width=16 generator.dim=32 text.encoder.dim=16 evaluation.every_clips=8 trainer.log_every_steps=1"
)
DRAWN = (
    " data.dataset.counts.train=16 data.dataset.counts.val=8 data.dataset.counts.test=8 data.dataset.counts.heldout=8"
)
DRAWN += " data.dataset.counts.probe=32"
JUDGE = " evaluation.probe.clips=32 evaluation.probe.epochs=1"
EYES = " discriminators.frames.see_size=32 discriminators.frames.width=16 discriminators.frames.channels=8"
RUN_FILES = (
    "config.yaml",
    "metrics.csv",
    "evaluation.jsonl",
    "curves.png",
    "samples/*.mp4",
    "samples/*.png",
    "checkpoints/generator.safetensors",
)


@dataclass(frozen=True)
class Known:
    """A command of the pages: how it is made small, what has to be run before it, what it leaves and says."""

    command: str
    small: str = ""
    after: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    says: str = ""


FIT = "python -m t2vgan.fit --experiment"
OWN = f"{FIT} own_clips data.dataset.root=my_clips"
DATA = "python -m t2vgan.data"
LION = '"A majestic lion stalks its prey across the golden savanna at sunset"'
KNOWN = [
    Known("pytest", small=f" -q {ROOT}/tests/test_config.py", says="passed"),
    Known(f"{FIT} lion_savanna", SMALL + DRAWN + JUDGE + EYES, makes=tuple(f"{RUN}/{name}" for name in RUN_FILES)),
    Known(
        f"{FIT} lion_savanna --fast_dev_run",
        SMALL + DRAWN + JUDGE + EYES,
        makes=("runs/fast_dev_run/*/samples/*.mp4",),
    ),
    Known(
        f"{FIT} lion_savanna clips=50000 g_optim.lr=1e-4 --print_config",
        says=r"clips: 50000\n(.*\n)*g_optim:\n +lr: 0.0001",
    ),
    Known(
        f"python -m t2vgan.fit --resume {RUN}",
        "clips=24",
        after=(f"{FIT} lion_savanna",),
        makes=(f"{RUN}/samples/000000024.mp4", f"{RUN}/checkpoints/previous.ckpt"),
    ),
    Known(f"python -m t2vgan.sample {LION} -o lion.mp4", after=(f"{FIT} lion_savanna",), makes=("lion.mp4",)),
    Known(
        'python -m t2vgan.sample "A zebra gallops to the left" "A young elephant rests at night" --count 2'
        f" -o animals.gif --checkpoint {RUN}",
        after=(f"{FIT} lion_savanna",),
        makes=("animals.gif",),
        says="4 clips of 8 frames",
    ),
    Known(
        f"python -m t2vgan.evaluate --checkpoint {RUN}",
        after=(f"{FIT} lion_savanna",),
        makes=(f"{RUN}/evaluation/metrics.json", f"{RUN}/evaluation/report.html"),
        says="fd_probe",
    ),
    Known(f"python -m t2vgan.text {LION}", says=r"T +majestic, lion, stalks, prey, golden, savanna, sunset"),
    Known(
        f"{FIT} essay",
        SMALL + DRAWN + JUDGE + " discriminators.clip.width=8",
        makes=("runs/essay/00000/samples/*.mp4",),
    ),
    Known(
        f"{DATA} check my_clips",
        " --size 16 --frames 8",
        makes=("my_clips/check/report.html", "my_clips/check/report.json"),
        says="usable",
    ),
    Known(f"{DATA} import my_clips -o data/mine", makes=("data/mine/manifest.jsonl",), says="8 clips of 8 videos"),
    Known(f"{DATA} check data/mine", " --size 16 --frames 8", after=(f"{DATA} import my_clips -o data/mine",)),
    Known(
        f"{FIT} own_clips data.dataset.name=manifest data.dataset.root=data/mine",
        SMALL + EYES,
        after=(f"{DATA} import my_clips -o data/mine",),
    ),
    Known(
        f"{DATA} shard data/mine -o shards/mine",
        after=(f"{DATA} import my_clips -o data/mine",),
        makes=("shards/mine/00000.tar", "shards/mine/index.jsonl"),
    ),
    Known(
        f"{FIT} own_clips data.dataset.name=shards data.dataset.root=shards/mine",
        SMALL + EYES,
        after=(f"{DATA} shard data/mine -o shards/mine",),
    ),
    Known(f"{OWN} --fast_dev_run", SMALL + EYES, makes=("runs/fast_dev_run/*/samples/*.mp4",)),
    Known(OWN, SMALL + EYES, makes=("runs/own_clips/00000/samples/*.mp4",)),
    Known(
        'python -m t2vgan.sample "A majestic lion strolls across the savanna" -o clip.mp4 --experiment own_clips',
        after=(OWN,),
        makes=("clip.mp4",),
    ),
]


def shell_commands(page: str) -> list[str]:
    """The lines of the page's bash blocks, without comments, continued lines as one."""
    blocks = re.findall(r"^```(?:bash|sh|shell)\n(.*?)^```", PAGES[page], re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


COMMANDS = sorted({command for page in PAGES for command in shell_commands(page) if not INSTALL.fullmatch(command)})


@dataclass
class Shell:
    """A folder of its own in which each command runs once, after those that it needs."""

    folder: Path
    done: dict[str, subprocess.CompletedProcess[str]] = field(default_factory=dict)

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        if command not in self.done:
            known = find(command)
            for earlier in known.after:
                assert self.run(earlier).returncode == 0, f"{earlier!r} has to work before {command!r} can"
            self.done[command] = self.bash(f"{command} {known.small}")
        return self.done[command]

    def bash(self, command: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        settings = {
            "PATH": path,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "WANDB_MODE": "offline",
            "COLUMNS": "120",
        }
        env = {**os.environ, **settings}
        env.pop("WANDB_SERVICE", None)  # of a test in this process: new ones would share its runs
        return subprocess.run(
            ["bash", "-c", command], cwd=self.folder, env=env, capture_output=True, text=True, timeout=LIMIT_S
        )


def find(command: str) -> Known:
    matching = [known for known in KNOWN if known.command == command]
    assert matching, f"a page tells people to run {command!r}: say in tests/test_readme.py how it is tested"
    return matching[0]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    from t2vgan.video.encode import write_mp4

    folder = tmp_path_factory.mktemp("readme")
    clips = folder / "my_clips"
    for i in range(8):
        frames = np.full((12, 24, 32, 3), 30 * i, dtype=np.uint8)
        frames[:, :, 4 : 4 + 2 * i] = 255
        write_mp4(clips / f"{i}.mp4", frames, fps=6)
        (clips / f"{i}.txt").write_text(f"A bar of {i} pixels\n")
    return Shell(folder)


@pytest.mark.parametrize("command", COMMANDS)
def test_command_runs_and_leaves_what_it_should(shell: Shell, command: str) -> None:
    done, known = shell.run(command), find(command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert re.search(known.says, done.stdout), done.stdout
    for pattern in known.makes:
        files = list(shell.folder.glob(pattern))
        assert files and all(file.stat().st_size for file in files), f"{command!r} left no {pattern}"


def test_every_known_command_is_still_on_a_page() -> None:
    assert {known.command for known in KNOWN} == set(COMMANDS)


def test_run_folder_is_as_the_readme_draws_it(shell: Shell) -> None:
    drawn = re.search(rf"^```\n{RUN}/\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert drawn
    for command in (f"python -m t2vgan.fit --resume {RUN}", f"python -m t2vgan.evaluate --checkpoint {RUN}"):
        shell.run(command)
    names = [name for line in drawn[1].splitlines() for name in re.split(r"  +", line.strip())[0].split(", ")]
    assert len(names) > 8
    for name in names:
        pattern = re.sub(r"\d{9}", "*", name).rstrip("/")
        assert list((shell.folder / RUN).glob(pattern)), f"README.md promises {name} in a run folder"
    for part in ("", "checkpoints"):
        for file in (shell.folder / RUN / part).iterdir():
            assert file.name in drawn[1], f"README.md does not mention {file.relative_to(shell.folder)}"


def test_wandb_files_are_where_the_readme_syncs_them_from(shell: Shell) -> None:
    assert "wandb sync <that folder>/offline-run-*" in README
    shell.run(f"{FIT} lion_savanna")
    assert list((shell.folder / RUN).glob("wandb/offline-run-*/run-*.wandb"))
    assert list((shell.folder / RUN).glob("wandb/offline-run-*/files/media/videos/**/*.mp4"))


def test_example_of_a_mistake_is_answered_as_shown(shell: Shell) -> None:
    examples = re.findall(r"^```\n\$ (.+)\n((?:.+\n)+?)```", README, re.MULTILINE)
    assert examples
    for command, answer in examples:
        done = shell.bash(command)
        assert done.returncode == 2
        assert done.stderr == answer


def make_clips(folder: Path, captions: dict[str, str | bytes | None]) -> None:
    folder.mkdir(parents=True)
    for name, caption in captions.items():
        (folder / f"{name}.mp4").write_bytes(b"not looked at")
        if caption is not None:
            (folder / f"{name}.txt").write_bytes(caption if isinstance(caption, bytes) else caption.encode())


MISTAKES: dict[str, dict[str, str | bytes | None] | None] = {
    "no such folder": None,
    "no clips (": {},
    "no captions": dict.fromkeys("abcdef"),
    "captions have to be UTF-8": {"a": b"caf\xe9"},
    "all clips have the same caption": {"a": "one", "b": "one", "c": "one"},
    "no clips for split 'val'": {"a": "one", "b": "two"},
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_messages_about_own_clips_are_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: str
) -> None:
    from t2vgan.datasets.captioned_folder import CaptionedFolder

    monkeypatch.chdir(tmp_path)
    captions = MISTAKES[mistake]
    if captions is not None:
        make_clips(tmp_path / "my_clips", captions)
    if mistake == "no clips (":
        make_clips(tmp_path / "my_clips" / "videos", {"a": "one"})
    with pytest.raises(ValueError) as raised:
        CaptionedFolder(root="my_clips", split="val")
    [told] = [
        row
        for row in re.findall(r"^\| `(my_clips.+?)` \|", PAGES["docs/your_own_data.md"], re.MULTILINE)
        if mistake in row
    ]
    assert re.fullmatch(re.escape(told).replace(r"\.\.\.", ".+"), str(raised.value))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if link.startswith(("http://", "https://")):
            continue
        file, _, heading = link.partition("#")
        target = (ROOT / page).parent / file if file else ROOT / page
        assert target.exists(), f"{page}: {link} leads nowhere"
        if heading:
            slugs = [slug(line) for line in target.read_text().splitlines() if line.startswith("#")]
            assert heading in slugs, f"{page}: {link} leads to no heading"


def slug(heading: str) -> str:
    """GitHub's name of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lstrip("#").strip().lower()).replace(" ", "-")
