"""Label selectors."""

import pytest

from localcloud.rest.router import ApiError
from localcloud.run.v1.selectors import matches

LABELS = {"run.googleapis.com/job": "j", "team": "docs"}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("", True),
        ("run.googleapis.com/job = j", True),
        ("run.googleapis.com/job=k", False),
        ("team==docs,run.googleapis.com/job != k", True),
        ("team != docs", False),
        ("other != x", True),
        ("team in (ops, docs),run.googleapis.com/job in (j)", True),
        ("team notin (ops, docs)", False),
        ("team", True),
        ("!team", False),
        ("!other,team", True),
    ],
)
def test_selector_matches_labels(selector: str, *, expected: bool) -> None:
    assert matches(selector, LABELS) is expected


@pytest.mark.parametrize("selector", ["a = b c", "in (a)", "a in b", ",", "a > 1"])
def test_invalid_selector_is_rejected(selector: str) -> None:
    with pytest.raises(ApiError, match="Invalid label selector"):
        matches(selector, LABELS)
