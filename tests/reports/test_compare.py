import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from t2vgan.reports.compare import between, check_alike, common_splits, names_of, paired_tests, same_reference


def clips(right: np.ndarray, *, shift: float = 0.0, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    n = len(right)
    features = np.random.default_rng(5).normal(size=(n, 4)).astype(np.float32)
    return {
        "features_name": np.array("probe abc"),
        "captions": np.array([f"caption {i}" for i in range(n)]),
        "keys": np.array([str(i) for i in range(n)]),
        "fake": (features + shift).astype(np.float32),
        "reference": rng.normal(size=(n, 4)).astype(np.float32),
        "energy": np.full(n, 0.1),
        "energy_real": np.full(n, 0.1),
        "right": right.astype(np.int8),
        "attributes": np.array(["subject", "place"]),
    }


def test_a_real_difference_is_found_and_none_where_there_is_none():
    rng = np.random.default_rng(0)
    base = rng.integers(0, 2, (200, 2))
    better = base.copy()
    better[:60, 0] = 1
    found = paired_tests(clips(base), clips(better))
    assert found["accuracy/subject"]["difference"] > 0.1 and found["accuracy/subject"]["p"] < 1e-6
    assert found["accuracy/place"]["difference"] == 0 and found["accuracy/place"]["p"] == 1
    assert found["accuracy/all"]["second"] > found["accuracy/all"]["first"]
    assert found["fd"]["difference"] == 0 and found["fd"]["p"] > 0.9


def test_features_that_are_farther_away_are_told():
    right = np.ones((100, 2), int)
    found = paired_tests(clips(right), clips(right, shift=2.0))
    assert found["fd"]["difference"] > 10 and found["fd"]["p"] < 0.05
    assert found["fd"]["low"] < found["fd"]["difference"] < found["fd"]["high"]


def test_attributes_that_a_caption_does_not_name_do_not_count():
    right = np.ones((50, 2), int)
    right[:25, 1] = -1
    found = paired_tests(clips(right), clips(np.where(right == 1, 0, right)))
    assert found["accuracy/place"]["clips"] == 25 and found["accuracy/place"]["second"] == 0
    assert found["accuracy/all"]["first"] == 1


def test_captions_that_name_nothing_the_judge_knows_leave_the_distances():
    none = np.full((20, 2), -1)
    assert paired_tests(clips(none), clips(none)).keys() == {"motion/off_real", "fd", "kid"}


def test_distances_from_other_real_clips_are_not_compared_and_accuracies_are():
    one, two = clips(np.ones((20, 2), int)), clips(np.ones((20, 2), int), seed=1)
    assert same_reference([one, one]) and not same_reference([one, two])
    assert not same_reference([one, {**two, "reference": two["reference"][:9]}])
    check_alike([one, two], ["a", "b"], "test")
    assert paired_tests(one, two, near=False).keys() >= {"accuracy/subject", "accuracy/all", "motion/off_real"}
    assert "fd" not in paired_tests(one, two, near=False)


@pytest.mark.parametrize(("key", "value"), [("features_name", "probe other"), ("keys", "9"), ("captions", "other")])
def test_runs_that_cannot_be_compared_are_refused(key: str, value: str):
    one, two = clips(np.ones((10, 2), int)), clips(np.ones((10, 2), int))
    two[key] = np.array(value) if key == "features_name" else np.array([value] * 10)
    with pytest.raises(ValueError, match="evaluate both again"):
        check_alike([one, two], ["a", "b"], "test")


def test_runs_without_an_evaluation_are_named(tmp_path: Path):
    part = tmp_path / "other" / "evaluation" / "quick"
    part.mkdir(parents=True)
    (part / "clips_test.npz").touch()
    with pytest.raises(ValueError, match="only a part has been evaluated: name its folder, "):
        common_splits([tmp_path / "other"])
    with pytest.raises(ValueError, match="has not been evaluated yet"):
        common_splits([tmp_path])


def test_names_tell_runs_apart():
    assert names_of([Path("/x/lion/00001"), Path("/x/lion/00002")]) == ["lion-00001", "lion-00002"]
    assert names_of([Path("/x/lion/00001"), Path("/y/lion/00001")]) == ["x-lion-00001", "y-lion-00001"]
    with pytest.raises(ValueError, match="twice"):
        names_of([Path("/x/a"), Path("/x/a")])


def test_the_command_writes_a_table_and_a_page(
    runs: tuple[Path, Path], call: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    call("--compare", *runs, "--output", tmp_path)
    assert "smoke-00001 against smoke-00000" in capsys.readouterr().out
    found = json.loads((tmp_path / "compare.json").read_text())
    row = found["splits"]["test"]["smoke-00001 - smoke-00000"]["fd"]
    assert row["first"] != row["second"] and 0 < row["p"] <= 1
    page = (tmp_path / "compare.html").read_text()
    assert "data:image/png" in page and "p: the chance" in page


def test_differences_have_as_many_decimals_as_their_intervals():
    assert between({"difference": 0.065, "low": -0.0373, "high": 0.1}) == "+0.065 (-0.037 to +0.100)"
    assert between({"difference": -7.216, "low": -8.3, "high": -6.15}) == "-7.22 (-8.30 to -6.15)"
