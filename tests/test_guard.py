"""What the guard of ./x bench decides from its pairs of measurements."""
import json

import pytest

from bench import guard

RECORDED = 3.0


def run(ratio):
    return [(ratio * floor, floor) for floor in (10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0)]


def judged(*ratios):
    """Whether it fails when its runs give these ratios, and how many of them it asked for."""
    waiting = [run(ratio) for ratio in ratios]
    runs, failed = guard.judge(lambda: waiting.pop(0), RECORDED)
    return failed, len(runs)


def test_twice_the_ratio_in_both_runs_fails():
    assert judged(6.0, 6.0) == (True, 2)


def test_twice_the_ratio_in_one_run_passes():
    assert judged(6.0, 3.0) == (False, 2)


def test_the_recorded_ratio_passes_without_a_second_run():
    assert judged(3.0) == (False, 1)


@pytest.mark.parametrize(("ratio", "failed"), [(4.49, False), (4.51, True)])
def test_the_limit_is_one_and_a_half_times_the_recorded_ratio(ratio, failed):
    assert judged(ratio, ratio)[0] is failed


def test_a_pair_that_something_disturbed_counts_for_nothing():
    disturbed = run(3.0)[:4] + [(1000.0, 10.0), (1000.0, 10.0), (1000.0, 10.0)]
    assert guard.ratio(disturbed) == pytest.approx(3.0)


def test_the_ratio_is_of_pairs_not_of_medians():
    # A machine that is twice as slow for half of the time slows both of a pair.
    assert guard.ratio([(30.0, 10.0), (60.0, 20.0), (30.0, 10.0)]) == pytest.approx(3.0)
    assert guard.ratio([(30.0, 10.0), (60.0, 10.0), (60.0, 20.0)]) == pytest.approx(3.0)


def test_every_row_has_a_recorded_ratio():
    recorded = json.loads(guard.RECORDED.read_text())["ratios"]
    assert set(recorded) == set(guard.ROWS) and all(ratio > 0 for ratio in recorded.values())
