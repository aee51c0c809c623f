"""Waiting for something to become true, with a deadline: the tests' only way to wait."""
import os
import time


def until(condition, seconds=20.0, what="the condition", every=0.02):
    """Calls `condition` until it gives something true, and returns that; AssertionError after `seconds`."""
    if os.environ.get("STILLPOINT_DUMMY"):
        seconds = min(seconds, 0.2)
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {seconds} s; last: {value!r}")
        time.sleep(every)


def elapsed(seconds):
    """A condition that comes true after that time: for tests whose point is that time passes."""
    deadline = time.monotonic() + seconds
    return lambda: time.monotonic() >= deadline
