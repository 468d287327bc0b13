"""Mistakes on a command line end in one line on stderr, and mistakes of the program in a traceback."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest

from t2vgan import command
from t2vgan.command import run_command
from t2vgan.config import ConfigError


def fails_with(error: BaseException) -> Callable[[], None]:
    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConfigError("clips is 0"), "clips is 0"),
        (ValueError("first line\n   second line"), "first line second line"),
        (
            FileNotFoundError(2, "No such file or directory", "lion.mp4"),
            "[Errno 2] No such file or directory: 'lion.mp4'",
        ),
        (
            OSError(28, "No space left on device"),
            "no room is left on the disk ([Errno 28] No space left on device): make room, then give the same command "
            "again",
        ),
    ],
)
def test_a_mistake_of_the_user(error: Exception, said: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        run_command(fails_with(error))
    captured = capsys.readouterr()
    assert stop.value.code == 2
    assert captured.err == f"t2vgan: error: {said}\n" and captured.out == ""


def test_stopping_by_hand(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        run_command(fails_with(KeyboardInterrupt()))
    assert stop.value.code == 130 and capsys.readouterr().err == "\nt2vgan: stopped\n"


def test_a_traceback_on_request(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("T2VGAN_TRACEBACK", "1")
    with pytest.raises(ConfigError, match="clips is 0"):
        run_command(fails_with(ConfigError("clips is 0")))


def test_a_mistake_of_the_program_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_command(fails_with(ZeroDivisionError()))


def test_success_says_nothing(capsys: pytest.CaptureFixture[str]):
    done = []
    run_command(lambda: done.append("ran"))
    assert done == ["ran"] and capsys.readouterr() == ("", "")


def test_a_warning_of_t2vgan_is_one_line():
    before, told = warnings.formatwarning, []

    def main() -> None:
        told.append(warnings.formatwarning("2 clips\n are left out", UserWarning, command.__file__, 7))
        told.append(warnings.formatwarning("old", DeprecationWarning, command.__file__, 7))
        told.append(warnings.formatwarning("theirs", UserWarning, "/else/where.py", 7))

    run_command(main)
    assert told[0] == "t2vgan: warning: 2 clips are left out\n"
    assert "command.py:7: DeprecationWarning: old" in told[1] and "/else/where.py:7: UserWarning: theirs" in told[2]
    assert warnings.formatwarning is before
