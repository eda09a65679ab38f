"""Number of job workers for a number of documents."""

import pytest

from functions.collection.runs.bulk import job_workers


@pytest.mark.parametrize(
    ("documents", "workers"), [(1_001, 2), (2_000, 2), (2_500, 3), (4_000, 4), (9_745, 4), (1, 1), (0, 1)]
)
def test_job_workers_is_one_per_started_thousand_up_to_the_maximum(documents: int, workers: int) -> None:
    assert job_workers(documents, threshold=1000, max_workers=4) == workers


def test_job_workers_without_a_threshold_is_one_per_document() -> None:
    assert job_workers(3, threshold=0, max_workers=4) == 3
    assert job_workers(30, threshold=0, max_workers=4) == 4
