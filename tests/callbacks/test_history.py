import pytest

from t2vgan.callbacks.history import read_curves, thinned

CSV = """clips_seen,d/total,step,val/fd_probe
16,1.0,0,
32,,1,
32,3.0,2,7.5
,9.0,3,
16,2.0,0,
48,nan,4,
"""
EVALUATIONS = """{"clips_seen": 32, "fd_probe": 7.5, "kid_probe": null}
{"clips_seen": 64, "fd_probe": 6.0, "accuracy/all": 0.25}

{"clips_seen": 32, "fd_probe": 7.0}
"""


def test_both_files(tmp_path):
    """What a resumed run measured again counts; empty places, NaN and rows without a count do not."""
    (tmp_path / "metrics.csv").write_text(CSV)
    (tmp_path / "evaluation.jsonl").write_text(EVALUATIONS)
    assert read_curves(tmp_path) == {
        "d/total": [(16, 2.0), (32, 3.0)],
        "step": [(16, 0.0), (32, 2.0), (48, 4.0)],
        "val/fd_probe": [(32, 7.0), (64, 6.0)],
        "val/accuracy/all": [(64, 0.25)],
    }


def test_no_files(tmp_path):
    assert read_curves(tmp_path) == {}


def test_thinned_keeps_the_mean():
    curve = [(float(i), float(i % 7)) for i in range(1000)]
    thin = thinned(curve, points=100)
    assert len(thin) == 100 and thin[0] == (4.5, pytest.approx(sum(i % 7 for i in range(10)) / 10))
    assert sum(y for _, y in thin) / 100 == pytest.approx(sum(y for _, y in curve) / 1000)
    assert thinned(curve[:100], points=100) == curve[:100]
