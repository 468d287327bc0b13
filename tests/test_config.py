"""The experiment's configuration: what is merged over what, and one clear line for every mistake."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from t2vgan.config import ConfigError, Experiment, find, from_dict, load, nearest, to_dict, to_yaml

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes `experiments/<name>.yaml` of the working directory."""
    monkeypatch.chdir(tmp_path)
    folder = Path("experiments")
    folder.mkdir()

    def file(name: str, text: str) -> Path:
        (folder / f"{name}.yaml").write_text(text)
        return folder / f"{name}.yaml"

    return file


def mistake(experiment: str | Path, *overrides: str) -> str:
    """The one line that loading ends in."""
    with pytest.raises(ConfigError) as caught:
        load(experiment, overrides)
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)
    return str(caught.value)


# ---- what is merged over what


def test_an_experiment_without_keys_is_the_defaults_named_for_its_file(write: Write):
    write("plain", "")
    assert load("plain") == dataclasses.replace(Experiment(), name="plain")


def test_defaults_then_yaml_then_command_line(write: Write):
    write("one", "clips: 1000\nclip: {size: 64}\ng_optim: {lr: 1.0e-3}")
    one = load("one", ["clips=2000", "g_optim.eps=1e-6", "trainer.devices=2"])
    assert (one.clips, one.clip.size, one.clip.frames) == (2000, 64, Experiment().clip.frames)
    assert (one.g_optim.lr, one.g_optim.eps, one.d_optim.lr) == (1e-3, 1e-6, Experiment().d_optim.lr)
    assert one.trainer.devices == 2


def test_a_variant_says_only_what_differs(write: Write):
    write("base", "clips: 1000\nseed: 5\ndata: {batch: 4, workers: 1}")
    write("middle", "extends: base\nseed: 6\ndata: {workers: 2}")
    write("leaf", "extends: middle\ndata: {cache: false}")
    leaf = load("leaf")
    assert (leaf.name, leaf.clips, leaf.seed) == ("leaf", 1000, 6)
    assert (leaf.data.batch, leaf.data.workers, leaf.data.cache) == (4, 2, False)


def test_a_yaml_replaces_an_inherited_part_whole(write: Write):
    write(
        "base",
        "generator: {name: continuous, waves: 8}\nlosses: {d/frames/hinge: 1.0, g/frames/hinge: 1.0}\n"
        "data: {batch: 4, dataset: {name: savanna, seed: 3}}\ntext: {encoder: {name: conv, kernel: 5}}\n"
        "discriminators: {frames: {name: projected}, clip: {name: clip_level}}",
    )
    write(
        "leaf",
        "extends: base\ngenerator: {name: convlstm}\nlosses: {d/clip/minimax: 1.0}\ndata: {dataset: {name: manifest}}\n"
        "text: {encoder: {name: recurrent}}\ndiscriminators: {clip: {name: frame_level}}",
    )
    leaf = load("leaf")
    assert leaf.generator == {"name": "convlstm"} and leaf.losses == {"d/clip/minimax": 1.0}
    assert leaf.data.dataset == {"name": "manifest"} and leaf.data.batch == 4
    assert leaf.text.encoder == {"name": "recurrent"} and leaf.discriminators == {"clip": {"name": "frame_level"}}


def test_a_yaml_that_names_no_part_changes_options_of_the_inherited_one(write: Write):
    write("base", "generator: {name: continuous, waves: 8}\ndata: {dataset: {name: captioned_folder, root: a}}")
    write("leaf", "extends: base\ngenerator: {waves: 4}\ndata: {dataset: {root: b}}")
    leaf = load("leaf")
    assert leaf.generator == {"name": "continuous", "waves": 4}
    assert leaf.data.dataset == {"name": "captioned_folder", "root": "b"}


def test_a_part_that_is_not_mentioned_is_inherited(write: Write):
    write("base", "generator: {name: convlstm, width: 64}")
    write("leaf", "extends: base\nclips: 5")
    assert load("leaf").generator == {"name": "convlstm", "width": 64}


def test_the_command_line_changes_options_of_a_part(write: Write):
    write("base", "generator: {name: convlstm, width: 64}\nlosses: {d/frames/hinge: 1.0, g/frames/hinge: 1.0}")
    base = load("base", ["generator.width=32", "losses.d/frames/hinge=0.5", "losses.d/frames/r1.weight=2"])
    assert base.generator == {"name": "convlstm", "width": 32}
    assert base.losses == {"d/frames/hinge": 0.5, "g/frames/hinge": 1.0, "d/frames/r1": {"weight": 2}}


def test_overrides_may_come_from_any_iterable(write: Write):
    write("one", "")
    assert load("one", (text for text in ["clips=7"])).clips == 7


def test_experiments_here_come_before_those_that_ship(write: Write):
    assert find("smoke").is_absolute()
    assert find("smoke") != write("smoke", "clips: 1") == find("smoke")


def test_a_file_may_be_named_by_its_path(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("clips: 12")
    assert load(tmp_path / "mine.yaml").clips == load(str(tmp_path / "mine.yaml")).clips == 12


def test_whole_numbers_serve_as_fractions(write: Write):
    write("one", "clip: {duration_s: 2}\ng_optim: {betas: [0, 0.9]}")
    assert load("one").g_optim.betas == [0.0, 0.9] and isinstance(load("one").clip.duration_s, float)


# ---- there and back


def test_to_dict_and_back(write: Write):
    experiment = load("smoke", ["trainer.devices=2", "samples.prompts=[a lion runs]"])
    plain = to_dict(experiment)
    assert from_dict(plain) == experiment
    assert from_dict(json.loads(json.dumps(plain))) == experiment  # as it lies in a checkpoint


def test_a_saved_experiment_keeps_no_parts_of_the_defaults(write: Write):
    write(
        "one", "discriminators: {clip: {name: clip_level}}\nlosses: {d/clip/minimax: 1.0}\ngenerator: {name: convlstm}"
    )
    again = from_dict(to_dict(load("one")))
    assert again.discriminators == {"clip": {"name": "clip_level"}} and again.losses == {"d/clip/minimax": 1.0}


def test_a_saved_value_of_the_wrong_type():
    with pytest.raises(ConfigError, match="saved experiment: clips: Value 'many'"):
        from_dict({"clips": "many"})


def test_to_yaml_and_back(write: Write):
    experiment = load("lion_savanna_minimax", ["seed=3"])
    path = write("again", to_yaml(dataclasses.replace(experiment, extends=None)))
    assert load(path) == dataclasses.replace(experiment, extends=None)


def test_a_saved_experiment_with_an_unknown_key():
    with pytest.raises(ConfigError, match=r"saved experiment: unknown key 'clip.sizes', did you mean 'size'"):
        from_dict({"clip": {"sizes": 3}})


# ---- mistakes


def test_unknown_experiment():
    message = mistake("lion_savana")
    assert message.startswith("no experiment 'lion_savana', did you mean 'lion_savanna'?; there are: ")
    assert "essay" in message and "smoke" in message


def test_unknown_file():
    assert mistake("nowhere/mine.yaml") == "no such experiment file: nowhere/mine.yaml"


def test_unknown_parent(write: Write):
    write("leaf", "extends: lion_savannah")
    assert "no experiment 'lion_savannah', did you mean 'lion_savanna'?" in mistake("leaf")


def test_extends_in_a_circle(write: Write):
    write("a", "extends: b")
    write("b", "extends: c")
    write("c", "extends: a")
    assert "'extends' goes round in a circle: a -> b -> c -> a" in mistake("a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sed: 1", "experiments/one.yaml: unknown key 'sed', did you mean 'seed'?"),
        ("qqq: 1", "experiments/one.yaml: unknown key 'qqq'"),
        ("1: 2", "experiments/one.yaml: unknown key '1'"),
        ("g_optim: {beta: 1}", "experiments/one.yaml: unknown key 'g_optim.beta', did you mean 'betas'?"),
        ("clip: 3", "experiments/one.yaml: 'clip' is a section with the keys size, frames, duration_s, not a value"),
        ("clip:", "experiments/one.yaml: 'clip' is a section with the keys size, frames, duration_s, not a value"),
        ("- 1", "experiments/one.yaml: expected 'key: value' lines at the top level"),
    ],
)
def test_mistakes_in_a_yaml(write: Write, text: str, expected: str):
    write("one", text)
    assert mistake("one") == expected


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("clips: many", "clips: "),
        ("data: {batch: 1.5}", "data.batch: "),
        ("g_optim: {betas: 0.9}", "g_optim.betas: "),
        ("g_optim: {betas: [a]}", "g_optim.betas[0]: "),
        ("data: {cache: perhaps}", "data.cache: "),
    ],
)
def test_values_of_the_wrong_type(write: Write, text: str, where: str):
    write("one", text)
    assert mistake("one").startswith(f"experiments/one.yaml: {where}")


@pytest.mark.parametrize("text", [
    "generator: convlstm", "losses: 3", "data: {dataset: savanna}",
    "generator: [continuous]", "losses: [hinge]", "data: {dataset: [savanna]}",
])  # fmt: skip
def test_a_part_that_is_only_a_name(write: Write, text: str):
    write("one", text)
    part = {"g": "generator", "l": "losses", "d": "data.dataset"}[text[0]]
    assert mistake("one").startswith("experiments/one.yaml: ") and part in mistake("one")


def test_lists_and_mappings_in_each_others_place(write: Write):
    write("one", "augment: [noise]")
    assert mistake("one") == "experiments/one.yaml: augment is a list: 'key: value' lines belong there"
    write("two", "extends: smoke\nsamples: {prompts: {a: b}}")
    assert mistake("two") == "experiments/two.yaml: samples.prompts has 'key: value' lines: a list belongs there"
    assert mistake("smoke", "losses=[]") == "command line: losses is a list: 'key: value' lines belong there"


def test_not_yaml_at_all(write: Write):
    write("one", "clips: [1, 2\nseed: 3")
    message = mistake("one")
    assert message.startswith("experiments/one.yaml: not readable as YAML: ") and "line 2" in message


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("clips", "command line: 'clips' is not an override of the form key=value, e.g. clips=50000"),
        ("--clips=3", "command line: '--clips=3' is not an override of the form key=value, e.g. clips=50000"),
        ("clip.frame=3", "command line: unknown key 'clip.frame', did you mean 'frames'?"),
        ("trainer=3", "command line: 'trainer' is a section with the keys accelerator, "),
        ("clips=many", "command line: clips: Value 'many' of type 'str' could not be converted to Integer"),
        ("clips=[1", "command line: "),
    ],
)
def test_mistakes_on_the_command_line(override: str, expected: str):
    assert mistake("smoke", override).startswith(expected)


@pytest.mark.parametrize(
    "key",
    [
        "clips", "clip.size", "clip.frames", "clip.duration_s", "data.batch", "samples.every_clips",
        "samples.count", "evaluation.every_clips", "ema.halflife_clips",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", ["0", "-2"])
def test_what_has_to_be_positive(key: str, value: str):
    assert mistake("smoke", f"{key}={value}").startswith(f"{key} is {value}")


def test_an_average_cannot_look_ahead():
    assert mistake("smoke", "ema.rampup=-0.5").startswith("ema.rampup is -0.5")


@pytest.mark.parametrize("betas", ["[0.5]", "[0.9,0.99,0.999]", "[0,1]", "[-0.1,0.9]"])
def test_betas_that_adam_cannot_take(betas: str):
    assert mistake("smoke", f"d_optim.betas={betas}").startswith("d_optim.betas is [")


def test_a_reference_that_leads_nowhere(write: Write):
    write("one", "seed: ${clip.frames}\nclips: ${nothing}")
    assert mistake("one").startswith("one: clips: Interpolation key 'nothing' not found")


def test_sizes_that_no_generator_reaches():
    assert mistake("smoke", "clip.size=48").startswith("clip.size is 48: generators double their pixels")


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("trainer.precision=bf16", "trainer.precision is 'bf16'; choose one of: auto, 32-true, bf16-mixed"),
        ("trainer.precision=16-mixed", "trainer.precision is '16-mixed', did you mean 'bf16-mixed'?"),
        ("logger.wandb=onlin", "logger.wandb is 'onlin', did you mean 'online'?"),
        ("data.decoder=decor", "data.decoder is 'decor', did you mean 'decord'?"),
        ("text.critic=none", "text.critic is 'none'; choose one of: own, shared"),
        ("evaluation.mode=low", "evaluation.mode is 'low'; choose one of: min, max"),
    ],
)
def test_what_is_chosen_from_a_list(override: str, expected: str):
    assert mistake("smoke", override).startswith(expected)


def test_the_nearest_name():
    assert nearest("hing", ["hinge", "r1"]) == ", did you mean 'hinge'?"
    assert nearest("wasserstein", ["hinge", "r1"]) == ""
