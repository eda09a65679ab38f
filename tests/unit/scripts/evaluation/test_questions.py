"""Reading questions and the texts that they are about."""

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.evaluation.questions import InvalidQuestions, Text, rated_questions, read_questions, read_set, write_texts


def write_lines(file: Path, rows: list[Any]) -> None:
    file.write_text("\ufeff" + "".join(json.dumps(row) + "\r\n" for row in rows))


def write_set(folder: Path, qrels: str) -> None:
    write_lines(folder / "corpus.jsonl", [{"id": "x#1", "title": 'A "b"', "text": "One."}, {"id": "y", "text": "Two."}])
    write_lines(folder / "queries.jsonl", [{"id": "q1", "text": "First?"}, {"id": "q2", "text": "Unjudged?"}])
    (folder / "qrels.tsv").write_text(qrels)


def test_set_has_a_key_for_each_text_and_only_judged_questions(tmp_path: Path) -> None:
    write_set(tmp_path, "query-id\tcorpus-id\tscore\nq1\ty\t2\nq1\tx#1\t0\n")
    found = read_set(tmp_path)
    assert found.texts == [Text("000/000000.md", 'A "b"', "One."), Text("000/000001.md", "", "Two.")]
    assert [(question.text, dict(question.grades)) for question in found.questions] == [
        ("First?", {"000/000001.md": 2.0})
    ]
    write_texts(found.texts, tmp_path / "texts")
    assert (tmp_path / "texts/000/000000.md").read_text() == '---\ntitle: "A \\"b\\""\n---\nOne.'


def test_quotes_and_documents_are_found_in_hits(tmp_path: Path) -> None:
    file = tmp_path / "own.jsonl"
    write_lines(
        file,
        [
            {"question": "How?", "documents": ["a.md"], "quotes": ["every\nweek"]},
            {"question": "Is it raining?"},
        ],
    )
    how, raining = read_questions([file])
    assert how.grades == {"a.md": 1.0, "“every\nweek”": 1.0}
    assert how.found("b.md", "Oil it  every week.") == "“every\nweek”"
    assert how.found("a.md", "Oil it.") == "a.md"
    assert raining.grades == {}


def test_rated_questions_without_citations_are_left_out() -> None:
    rows = [{"question": "Thanks!", "documents": []}, {"question": "How?", "documents": ["a.md", "b.md"]}]
    assert [(question.text, question.grades) for question in rated_questions(rows)] == [
        ("How?", {"a.md": 1.0, "b.md": 1.0})
    ]


@pytest.mark.parametrize(
    "qrels", ["", "query\tdocument\tscore\nq1\ty\t1\n", "query-id\tcorpus-id\tscore\nq1\tmissing\t1\n"]
)
def test_invalid_grades_are_named(tmp_path: Path, qrels: str) -> None:
    write_set(tmp_path, qrels)
    if not qrels:
        assert read_set(tmp_path).questions == []
        return
    with pytest.raises(InvalidQuestions, match=r"qrels\.tsv"):
        read_set(tmp_path)


@pytest.mark.parametrize("line", ["not JSON", '{"text": "no question"}', '{"question": 1}', "[]"])
def test_invalid_line_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "own.jsonl"
    file.write_text('\n{"question": "Fine?"}\n' + line)
    with pytest.raises(InvalidQuestions, match=r"own\.jsonl, line 3"):
        read_questions([file])
