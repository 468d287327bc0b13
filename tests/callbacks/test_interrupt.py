import os
import signal
import threading

import pytest
from lightning.pytorch import Callback

from t2vgan.callbacks.interrupt import Interrupt


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


class Watch(Callback):
    def __init__(self) -> None:
        self.seen: list[int] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.seen.append(int(pl_module.clips_seen))


def test_the_step_is_finished_and_the_run_stops(fit, capfd):
    module, watch, before = fit.Tiny(), Watch(), signal.getsignal(signal.SIGINT)
    module.midway = lambda seen: press() if seen == 8 else None
    with pytest.raises(SystemExit):
        fit(watch, Interrupt(), module=module)
    assert watch.seen == [4, 8, 12] and signal.getsignal(signal.SIGINT) is before
    assert capfd.readouterr().err.count("stopping after this step") == 1


def test_twice_stops_at_once(fit):
    module, watch = fit.Tiny(), Watch()

    def twice(seen: int) -> None:
        if seen == 8:
            press()
            press()

    module.midway = twice
    with pytest.raises(SystemExit):
        fit(watch, Interrupt(), module=module)
    assert watch.seen == [4, 8]


def test_at_once_in_validation(fit):
    class Press(Callback):
        reached = 0

        def on_validation_batch_end(self, *args, **kwargs) -> None:
            Press.reached += 1
            press()
            Press.reached += 10

    with pytest.raises(SystemExit):
        fit(Interrupt(), Press(), limit_val_batches=1.0)
    assert Press.reached == 1


def test_the_handler_is_given_back(fit):
    before = signal.getsignal(signal.SIGINT)
    during = []
    module = fit.Tiny()
    module.midway = lambda seen: during.append(signal.getsignal(signal.SIGINT))
    fit(Interrupt(), module=module)
    assert during[0] is not before and signal.getsignal(signal.SIGINT) is before

    def fail(seen: int) -> None:
        raise RuntimeError("out of luck")

    module.midway = fail
    with pytest.raises(RuntimeError, match="out of luck"):
        fit(Interrupt(), module=module)
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_of_the_main_thread_it_stays_away(fit):
    """Only the main thread may set handlers; elsewhere Ctrl-C is left as it is."""
    before, errors = signal.getsignal(signal.SIGINT), []

    def start() -> None:
        try:
            Interrupt().on_train_start(fit.trainer(), fit.Tiny())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert errors == [] and signal.getsignal(signal.SIGINT) is before


def test_being_asked_to_end_is_the_same(fit):
    module, watch, before = fit.Tiny(), Watch(), signal.getsignal(signal.SIGTERM)
    module.midway = lambda seen: os.kill(os.getpid(), signal.SIGTERM) if seen == 8 else None
    with pytest.raises(SystemExit):
        fit(watch, Interrupt(), module=module)
    assert watch.seen == [4, 8, 12] and signal.getsignal(signal.SIGTERM) is before


def test_between_a_round_and_its_validation(fit):
    class Late(Callback):
        validated = 0

        def on_train_batch_end(self, trainer, pl_module, *args) -> None:
            press()

        def on_validation_batch_end(self, *args, **kwargs) -> None:
            Late.validated += 1

    with pytest.raises(SystemExit):
        fit(Interrupt(), Late(), limit_val_batches=1.0, val_check_interval=1)
    assert Late.validated == 0
