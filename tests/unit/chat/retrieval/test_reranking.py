"""Reranking within a time budget."""

import threading
from collections.abc import Callable, Sequence

import pytest

from functions.chat.retrieval.merging import rescore
from functions.chat.retrieval.reranking import MAX_CHARS, MAX_CONCURRENT, Reranking
from headwater.errors import ConfigError
from tests.unit.chat.retrieval.test_merging import found


class Scorer:
    """Scores texts by a function."""

    def __init__(self, score: Callable[[Sequence[str]], Sequence[float]]) -> None:
        self._score = score

    def score(self, query: str, texts: Sequence[str], timeout_s: float) -> Sequence[float]:
        return self._score(texts)


def fail(error: Exception) -> Sequence[float]:
    raise error


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (lambda texts: [len(text) / MAX_CHARS for text in texts], [0.00025, 1.0]),
        (lambda texts: [0.5], "failed"),
        (lambda texts: [0.5, float("nan")], "failed"),
        (lambda texts: [0.5, None], "failed"),
        (lambda texts: fail(TimeoutError("secret")), "timeout"),
        (lambda texts: fail(ConfigError("no key")), "misconfigured"),
        (lambda texts: fail(ImportError("no package")), "misconfigured"),
        (lambda texts: fail(KeyError(0)), "failed"),
    ],
)
def test_reranking_returns_scores_or_the_problem(
    score: Callable[[Sequence[str]], Sequence[float]], expected: object, caplog: pytest.LogCaptureFixture
) -> None:
    reranking = Reranking("fake", lambda: Scorer(score), 30.0)
    assert reranking("query", ["x", "y" * 2 * MAX_CHARS]) == expected
    logged = [getattr(record, "fields", {}).get("problem") for record in caplog.records]
    assert logged == ([expected] if isinstance(expected, str) else [])
    assert "secret" not in caplog.text


def test_late_rerankings_time_out_and_then_others_find_it_busy() -> None:
    end = threading.Event()

    def wait(texts: Sequence[str]) -> Sequence[float]:
        end.wait(120)
        return [0.5 for _ in texts]

    reranking = Reranking("fake", lambda: Scorer(wait), 0.01)
    problems = [reranking("query", ["text"]) for _ in range(MAX_CONCURRENT + 1)]
    end.set()
    assert problems == [*["timeout"] * MAX_CONCURRENT, "busy"]
    reranking.timeout_s = 30.0
    while (result := reranking("query", ["text"])) == "busy":
        pass
    assert result == [0.5]


def test_failed_load_is_tried_again() -> None:
    loads: list[int] = []

    def load() -> Scorer:
        loads.append(1)
        if len(loads) == 1:
            raise OSError
        return Scorer(lambda texts: [0.5 for _ in texts])

    reranking = Reranking("fake", load, 30.0)
    assert [reranking("query", ["text"]) for _ in range(3)] == ["failed", [0.5], [0.5]]
    assert len(loads) == 2


def test_rescored_passages_keep_adjustments_and_come_before_the_others() -> None:
    passages = [found(name, points=points) for name, points in (("a", 2.0), ("b", 1.0), ("c", 0.9), ("d", -9.0))]
    rescored = rescore(passages, [0.5, 0.75])
    assert [round(one.match.points, 2) for one in rescored] == [0.0, 1.1, 0.0, -9.0]
    assert rescore(passages, []) == passages
