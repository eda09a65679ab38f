"""How long a run may still go on."""

import pytest

from functions.collection.runs.metrics import PhaseProgress, seconds_left


def test_while_documents_are_read_embedding_all_of_them_is_still_to_come() -> None:
    assert seconds_left(PhaseProgress(100, 300, 10.0), None) == 150.0


def test_while_texts_are_embedded_the_rest_goes_like_what_is_done() -> None:
    assert seconds_left(PhaseProgress(400, 0, 60.0), PhaseProgress(3, 9, 20.0)) == 60.0


def test_documents_that_are_still_read_go_first() -> None:
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
    ids=["listing", "none read", "few read", "to be embedded", "none embedded", "all embedded"],
)
def test_what_cannot_be_told_is_not(documents: PhaseProgress, texts: PhaseProgress | None) -> None:
    assert seconds_left(documents, texts) is None
