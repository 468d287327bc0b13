import pytest

from t2vgan.callbacks import pace
from t2vgan.callbacks.pace import Pace, duration


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    return now


def test_speed_of_the_steps_and_time_left_of_everything(clock):
    """Two steps of one second and 16 clips each, then 6 s of validation: 16 clips/s, but 4 clips/s until the end."""
    run = Pace(first=1000, total=1132)
    for _ in range(2):
        run.step_begins()
        clock[0] += 1
        run.step_ends(16)
    clock[0] += 6
    assert run.look(1032) == "1,032 / 1,132 clips  16 clips/s  25 s left"


def test_the_speed_is_of_the_steps_since_the_last_look(clock):
    run = Pace(first=0, total=10_000)
    for seconds, expected in ((1, "16 clips/s"), (4, "4 clips/s"), (0.01, "1,600 clips/s")):
        run.step_begins()
        clock[0] += seconds
        run.step_ends(16)
        assert expected in run.look(16)


def test_before_the_first_step_and_at_the_end(clock):
    assert Pace(first=50, total=100).look(50) == "50 / 100 clips"
    run = Pace(first=50, total=100)
    clock[0] += 5
    assert run.look(100) == run.look(112).replace("112", "100") == "100 / 100 clips"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (89.4, "89 s"), (90, "2 min"), (5340, "89 min"), (5400, "1 h 30 min"), (11_100.0, "3 h 05 min")],
)
def test_duration(seconds, text):
    assert duration(seconds) == text
