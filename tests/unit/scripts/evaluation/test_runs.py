"""Measuring a run, and comparing two."""

from pathlib import Path
from typing import Any

from scripts.evaluation.questions import Question
from scripts.evaluation.runs import RANKINGS, compare, describe, measure, read_run, summarise, write_run

QUESTIONS = [
    *(Question(f"q{n}", f"{n}", {f"{n}.md": 1.0}) for n in range(20)),
    Question("off", "off", {}),
]


def search(text: str, by: str) -> list[dict[str, Any]]:
    """Find the right document first, by words third, as two passages of another document come before it."""
    hits = [{"key": f"{text}.md", "text": "", "relevant": text not in ("0", "off")}]
    other = {"key": "other.md", "text": "", "relevant": False}
    return [other, other, *hits] if by == "words" else hits


def test_run_has_measures_for_each_ranking_and_the_declined_questions(tmp_path: Path) -> None:
    run = measure("set", QUESTIONS, search, say=lambda line: None)
    means = summarise(run)
    assert means["hybrid nDCG@10"] == means["vectors MRR@10"] == 1.0
    assert means["words MRR@10"] == 0.5  # passages of one document take one place
    assert means["words recall@10"] == 1.0
    assert (means["declined"], means["answered"]) == (0.05, 0.0)
    assert "| words | 0.631 (0.631 to 0.631) |" in describe(run)
    write_run(run, tmp_path / "run.json")
    assert read_run(tmp_path / "run.json") == run


def test_expected_documents_that_no_ranking_finds_are_named() -> None:
    questions = [
        Question("a", "1", {"1.md": 1.0, "misspelt.md": 1.0}, ["a passage"]),
        Question("b", "2", {"2.md": 1.0}, ["2"]),
    ]

    def search_texts(text: str, by: str) -> list[dict[str, Any]]:
        return [{"key": f"{text}.md", "text": text, "relevant": True}] if by == "words" else []

    said: list[str] = []
    measure("set", questions, search_texts, say=said.append)
    assert said[-1].startswith("Found by no ranking: misspelt.md, “a passage”. Check")
    measure("set", questions, search_texts, say=said.append, checks_keys=False)
    assert said[-1] == "Asked 2 questions by hybrid."
    measure("set", QUESTIONS, search, say=said.append)
    assert said[-1] == "Asked 20 questions by hybrid."


def test_run_of_questions_without_an_answer_has_no_table() -> None:
    assert "|" not in describe(measure("off", QUESTIONS[-1:], search, say=lambda line: None))


def test_reranked_run_is_judged_by_its_reranked_searches() -> None:
    asked: list[tuple[str, str]] = []

    def search_reranked(text: str, by: str) -> list[dict[str, Any]]:
        asked.append((text, by))
        return search(text, "words" if by == "reranked" else by)

    run = measure("set", QUESTIONS, search_reranked, say=lambda line: None, rankings=RANKINGS)
    means = summarise(run)
    assert (means["hybrid MRR@10"], means["reranked MRR@10"]) == (1.0, 0.5)
    assert [by for text, by in asked if text == "off"] == ["reranked"]


def test_run_is_clearly_worse_only_if_the_whole_interval_is() -> None:
    def worse(share: float) -> bool:
        def search_worse(text: str, by: str) -> list[dict[str, Any]]:
            return [] if text != "off" and int(text) < share * 20 else search(text, by)

        return compare(old, measure("new", QUESTIONS, search_worse, say=lambda line: None))[1]

    old = measure("old", QUESTIONS, search, say=lambda line: None)
    assert not worse(0)
    assert not worse(0.1)
    assert worse(0.4)
