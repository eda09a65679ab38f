"""How many job workers fit a number of documents."""

import pytest

from functions.collection.runs.bulk import job_workers


@pytest.mark.parametrize(
    ("documents", "workers"), [(1_001, 2), (2_000, 2), (2_500, 3), (4_000, 4), (9_745, 4), (1, 1), (0, 1)]
)
def test_each_thousand_that_is_begun_gets_a_worker_up_to_the_most(documents: int, workers: int) -> None:
    assert job_workers(documents, threshold=1000, max_workers=4) == workers


def test_without_a_threshold_every_run_gets_all() -> None:
    assert job_workers(3, threshold=0, max_workers=4) == 3
    assert job_workers(30, threshold=0, max_workers=4) == 4
