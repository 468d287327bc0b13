import pytest

from t2vgan.callbacks.clock import due


@pytest.mark.parametrize("clips", [1, 4, 7, 16])
@pytest.mark.parametrize("every", [5, 16, 40])
def test_once_for_each_multiple(clips, every):
    """A batch may jump over a multiple, or over several: each is noticed in the step that passes it."""
    seen = range(clips, 400, clips)
    times = [n for n in seen if due(clips_seen=n, clips=clips, every=every)]
    assert times == sorted({next(n for n in seen if n >= m) for m in range(every, seen[-1] + 1, every)})


def test_never():
    assert not any(due(clips_seen=n, clips=1, every=0) for n in range(100))


def test_not_before_the_first():
    assert not due(clips_seen=8, clips=8, every=10)
