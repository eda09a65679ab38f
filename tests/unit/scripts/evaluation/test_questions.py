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
    "qrels",
    [
        "",
        "query\tdocument\tscore\nq1\ty\t1\n",
        "query-id\tcorpus-id\tscore\nq1\tmissing\t1\n",
        "query-id\tcorpus-id\tscore\nq1 y 1\n",
        "query-id\tcorpus-id\tscore\nother\ty\t1\n",
    ],
)
def test_invalid_grades_are_named(tmp_path: Path, qrels: str) -> None:
    write_set(tmp_path, qrels)
    with pytest.raises(InvalidQuestions, match=r"qrels\.tsv"):
        read_set(tmp_path)


def test_set_of_beir_has_other_names_of_ids(tmp_path: Path) -> None:
    write_set(tmp_path, "query-id\tcorpus-id\tscore\nq1\ty\t1\n")
    expected = read_set(tmp_path)
    for name in ("corpus.jsonl", "queries.jsonl"):
        file = tmp_path / name
        file.write_text(file.read_text().replace('"id"', '"_id"').replace("}", ', "metadata": {}}'))
    assert read_set(tmp_path) == expected


@pytest.mark.parametrize("row", [{"id": "y", "text": "Again."}, {"text": "No id."}])
def test_ids_are_there_and_unique(tmp_path: Path, row: dict[str, str]) -> None:
    write_set(tmp_path, "query-id\tcorpus-id\tscore\nq1\ty\t1\n")
    with (tmp_path / "corpus.jsonl").open("a") as file:
        file.write(json.dumps(row))
    with pytest.raises(InvalidQuestions, match=r"corpus\.jsonl, line 3"):
        read_set(tmp_path)


def test_files_of_one_name_and_binary_files_are_refused(tmp_path: Path) -> None:
    files = [tmp_path / folder / "own.jsonl" for folder in ("a", "b")]
    for file in files:
        file.parent.mkdir()
        file.write_text('{"question": "How?"}')
    with pytest.raises(InvalidQuestions, match="Two files are called own"):
        read_questions(files)
    files[0].write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidQuestions, match=r"own\.jsonl is not a text in UTF-8"):
        read_questions(files[:1])


@pytest.mark.parametrize(
    "line",
    [
        "not JSON",
        '{"text": "no question"}',
        '{"question": 1}',
        "[]",
        '{"question": " "}',
        '{"question": "A misspelt name?", "document": ["a.md"]}',
        '{"question": "A text in place of a list?", "documents": "a.md"}',
        '{"question": "A quote that is everywhere?", "quotes": [""]}',
    ],
)
def test_invalid_line_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "own.jsonl"
    file.write_text('\n{"question": "Fine?"}\n' + line)
    with pytest.raises(InvalidQuestions, match=r"own\.jsonl, line 3"):
        read_questions([file])
