"""What an evaluation leaves behind: metrics.json as documented, a page that needs nothing beside it, clip results."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTED = ROOT / "docs" / "metrics_json.md"
SCHEMA = ROOT / "t2vgan" / "reports" / "metrics.schema.json"


@pytest.fixture(scope="module")
def report(runs: tuple[Path, Path]) -> dict[str, Any]:
    return json.loads((runs[0] / "evaluation" / "metrics.json").read_text())


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    else:
        yield path, value


def documented() -> list[re.Pattern[str]]:
    """The paths of the tables of docs/metrics_json.md, `<...>` standing for any name."""
    found = []
    for line in DOCUMENTED.read_text().splitlines():
        for path in re.findall(r"^\| `([^`]+)`", line):
            for one in expanded(path):
                found.append(re.compile(re.sub(r"<[a-z_]+>", r"[^.]+", one.replace(".", r"\.")) + r"(\..+)?"))
    return found


def expanded(path: str) -> list[str]:
    """`a.{b,c}` as `a.b` and `a.c`."""
    match = re.search(r"\{([^}]+)\}", path)
    if not match:
        return [path]
    return [one for part in match[1].split(",") for one in expanded(path[: match.start()] + part + path[match.end() :])]


def test_every_figure_is_documented_and_every_documented_one_is_there(report: dict[str, Any]) -> None:
    paths = [path for path, _ in leaves(report)]
    patterns = documented()
    assert len(patterns) > 40
    strays = [path for path in paths if not any(pattern.fullmatch(path) for pattern in patterns)]
    assert strays == []
    optional = ("warning", "fvd", "where_all_is_named", "left_out", "real", "clipsim", "retriever", "unused", "unlike")
    missing = [
        pattern.pattern
        for pattern in patterns
        if not any(pattern.fullmatch(path) for path in paths) and not any(word in pattern.pattern for word in optional)
    ]
    assert missing == []


def test_the_file_is_of_the_form_that_the_schema_tells(report: dict[str, Any]) -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert [error.message for error in validator.iter_errors(report)] == []
    for broken in (
        lambda r: r["splits"]["test"]["attributes"]["place"].pop("low"),
        lambda r: r["splits"]["test"]["all_correct"].update(accuracy=1.2),
        lambda r: r["splits"]["test"].update(fvd=3.0),
        lambda r: r["splits"]["test"]["fd_probe"].update(value="far"),
        lambda r: r["protocol"]["data"].pop("hash"),
    ):
        other = copy.deepcopy(report)
        broken(other)
        assert list(validator.iter_errors(other)), "a schema that takes anything is none"


def test_the_names_that_others_build_on(report: dict[str, Any]) -> None:
    for figures in report["splits"].values():
        for figure in [*figures["attributes"].values(), figures["all_correct"]]:
            assert {"accuracy", "ceiling", "floor", "normalised", "low", "high"} <= figure.keys()
        assert {"value", "floor"} <= figures["fd_probe"].keys()
        assert {"value", "low", "high"} <= figures["kid_probe"].keys()


def test_rows_whose_judge_errs_on_real_clips_do_not_count(report: dict[str, Any], runs: tuple[Path, Path]) -> None:
    """One epoch over 64 clips makes no judge; the page says so in every row."""
    figures = report["splits"]["test"]
    weak = [f for f in figures["attributes"].values() if f["ceiling"] < 0.97]
    assert weak and all(f["counts"] is False for f in weak)
    assert "<td class=words>does not count</td>" in (runs[0] / "evaluation" / "report.html").read_text()


def test_figures_are_numbers_or_null(report: dict[str, Any]) -> None:
    for path, value in leaves(report):
        assert value is None or not isinstance(value, float) or math.isfinite(value), path
    json.dumps(report, allow_nan=False)


def test_the_protocol_says_what_was_compared(report: dict[str, Any]) -> None:
    protocol = report["protocol"]
    assert (protocol["experiment"], protocol["clips"]) == ("smoke", 24)
    shape = {"frames": 8, "duration_s": 2.0, "size": 16}
    assert protocol["clip"] == {**shape, "frames_per_s": 4.0, "frame_stride": 1}
    assert set(protocol["features"]) == {"probe", "probe2", "retrieval"}
    assert all(about["hash"] for about in protocol["features"].values())


def test_floors_ceilings_and_intervals_are_in_order(report: dict[str, Any]) -> None:
    for figures in report["splits"].values():
        fd, kid = figures["fd_probe"], figures["kid_probe"]
        assert fd["low"] < fd["value"] < fd["high"] and kid["low"] < kid["value"] < kid["high"]
        assert fd["value"] > fd["floor"], "an untrained generator is farther away than real clips"
        for figure in [*figures["attributes"].values(), figures["all_correct"]]:
            if figure["low"] is not None:
                assert figure["low"] <= figure["normalised"] <= figure["high"]
        assert figures["r_precision"]["random"]["floor"] < 0.1 and figures["r_precision"]["hard"]["floor"] == 0.5
        assert "warning" in figures and "warning" in fd, "24 clips are few, and the numbers say so"


def test_each_control_moves_the_figure_that_is_made_for_it(report: dict[str, Any]) -> None:
    controls = report["splits"]["test"]["controls"]
    real = controls["real"]
    assert controls["static"]["static_share"] == 1 and controls["static"]["motion_energy"] == 0
    assert controls["half_frozen"]["motion_energy"] < 0.8
    assert controls["static"]["temporal_consistency"] == pytest.approx(1)
    assert controls["shuffled"]["temporal_consistency"] < real["temporal_consistency"]
    assert controls["flickering"]["flicker"] > real["flicker"] + 0.1
    assert controls["shuffled"]["motion_spectrum_gap_db"] > 2 > real["motion_spectrum_gap_db"]
    assert controls["noisy"]["motion_energy"] > 2
    assert controls["replayed"]["memorisation"] == 1 and abs(real["memorisation"] - 0.5) < 0.01
    assert controls["reversed"]["motion_spectrum_gap_db"] < 0.01, "backwards as fast as forwards"
    assert controls["blurred"]["motion_energy"] < 1
    assert controls["captions_shuffled"]["all_correct"] <= real["all_correct"]
    assert {"all_correct", "r_precision"} == controls["captions_shuffled"].keys()
    if real["arrow_of_time"] is not None:  # else the judge tells no time
        assert controls["reversed"]["arrow_of_time"] == pytest.approx(-real["arrow_of_time"])


def test_held_out_combinations_are_no_measure_of_memory(report: dict[str, Any]) -> None:
    """Real ones are far from training clips, too, so that anything would look copied beside them."""
    test, heldout = (report["splits"][name] for name in ("test", "heldout"))
    assert "memorisation" in test and "memorisation" not in heldout
    assert not any("memorisation" in control for control in heldout["controls"].values())


def test_the_page_needs_nothing_beside_it(runs: tuple[Path, Path]) -> None:
    page = (runs[0] / "evaluation" / "report.html").read_text()
    assert page.count('src="data:image/png;base64,') == 6, "best, middle and worst of two splits"
    assert not re.search(r'(src|href)="(?!data:)', page) and "<script" not in page
    for word in ("Protocol", "controls", "class=matrix", "best", "worst", "smoke"):
        assert word in page


def test_clip_results_add_up_to_the_figures(runs: tuple[Path, Path], report: dict[str, Any]) -> None:
    with np.load(runs[0] / "evaluation" / "clips_test.npz") as clips:
        right, names = clips["right"], clips["attributes"].tolist()
        assert len(clips["captions"]) == len(clips["fake"]) == 24
    for i, name in enumerate(names):
        figure = report["splits"]["test"]["attributes"][name]
        assert (right[:, i] == 1).sum() == figure["correct"] and (right[:, i] >= 0).sum() == figure["clips"]


@pytest.mark.slow
def test_two_processes_find_the_same_as_one(
    runs: tuple[Path, Path], call: Callable[..., None], report: dict[str, Any], tmp_path: Path
) -> None:
    call("--checkpoint", runs[0], "--num_clips", 24, "--devices", 2, "--output", tmp_path)
    other = dict(leaves(json.loads((tmp_path / "metrics.json").read_text())))
    for path, value in leaves(report):
        if isinstance(value, float):
            assert other[path] == pytest.approx(value, rel=1e-6, abs=1e-6), path
        else:
            assert other[path] == value, path
