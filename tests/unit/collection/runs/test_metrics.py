"""Estimate of a run's remaining time."""

import pytest

from functions.collection.runs.metrics import PhaseProgress, seconds_left


def test_estimate_while_fetching_includes_embedding() -> None:
    assert seconds_left(PhaseProgress(100, 300, 10.0), None) == 150.0


def test_estimate_while_embedding_assumes_the_same_speed() -> None:
    assert seconds_left(PhaseProgress(400, 0, 60.0), PhaseProgress(3, 9, 20.0)) == 60.0


def test_estimate_with_both_phases_open_is_that_of_fetching() -> None:
    assert seconds_left(PhaseProgress(100, 300, 10.0), PhaseProgress(3, 9, 20.0)) == 150.0


@pytest.mark.parametrize(
    ("documents", "texts"),
    [
        (PhaseProgress(0, 0, 1.0), None),
        (PhaseProgress(0, 400, 1.0), None),
        (PhaseProgress(19, 400, 1.0), None),
        (PhaseProgress(400, 0, 60.0), None),
        (PhaseProgress(400, 0, 60.0), PhaseProgress(0, 12, 2.0)),
        (PhaseProgress(400, 0, 60.0), PhaseProgress(12, 0, 80.0)),
    ],
    ids=["listing", "none fetched", "few fetched", "no embed steps yet", "none embedded", "all embedded"],
)
def test_estimate_is_none_without_enough_progress(documents: PhaseProgress, texts: PhaseProgress | None) -> None:
    assert seconds_left(documents, texts) is None
