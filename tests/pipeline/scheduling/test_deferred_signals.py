"""Signals that wait until Ray has started."""

import os
import signal
import threading

import pytest

from pipeline.scheduling.deferred_signals import SIGNALS, deferred_signals


@pytest.fixture(autouse=True)
def handlers():
    """As a command has them: a signal raises KeyboardInterrupt."""
    before = {number: signal.signal(number, _interrupt) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def _interrupt(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_waits_for_the_end_and_the_handlers_come_back(number):
    done = []

    def start():
        with deferred_signals():
            os.kill(os.getpid(), number)
            done.append("started")

    with pytest.raises(KeyboardInterrupt):
        start()
    assert done == ["started"]
    assert {signal.getsignal(other) for other in SIGNALS} == {_interrupt}


def test_the_second_acts_at_once():
    done = []

    def start():
        with deferred_signals():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("one")
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("two")

    with pytest.raises(KeyboardInterrupt):
        start()
    assert done == ["one"]


def test_the_first_may_act_at_once_too():
    done = []

    def start():
        with deferred_signals(first_waits=False):
            os.kill(os.getpid(), signal.SIGINT)
            done.append("one")

    with pytest.raises(KeyboardInterrupt):
        start()
    assert done == []


def test_without_a_signal_nothing_happens():
    with deferred_signals():
        pass
    assert {signal.getsignal(number) for number in SIGNALS} == {_interrupt}


@pytest.mark.parametrize("action", [signal.SIG_DFL, signal.SIG_IGN])
def test_an_action_of_the_system_comes_back_too(action):
    """Ray installs a handler of its own, which must not stay behind in a Python caller."""
    signal.signal(signal.SIGTERM, action)
    with deferred_signals():
        assert signal.getsignal(signal.SIGTERM) is action
        signal.signal(signal.SIGTERM, _interrupt)
    assert signal.getsignal(signal.SIGTERM) is action


def test_other_threads_are_left_alone():
    done = []

    def start():
        with deferred_signals():
            done.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert done == [_interrupt]
