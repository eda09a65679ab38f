"""Read questions and the texts that they are about."""

import csv
import json
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class InvalidQuestions(Exception):
    """A file of questions can't be read."""


@dataclass(frozen=True)
class Question:
    """A question, and what should be found: keys of documents with their grades, and quotes of passages.

    A question without either can't be answered from the documents, and should be declined.
    """

    id: str
    text: str
    documents: Mapping[str, float]
    quotes: Sequence[str] = ()

    @property
    def grades(self) -> dict[str, float]:
        """Grades by what `found` returns."""
        return {**self.documents, **{_quote_item(quote): 1.0 for quote in self.quotes}}

    def found(self, key: str, text: str) -> str:
        """Return what a hit counts as: an expected quote that it contains, or its document."""
        shown = " ".join(text.split())
        contained = (quote for quote in self.quotes if " ".join(quote.split()) in shown)
        return next(map(_quote_item, contained), key)


@dataclass(frozen=True)
class Text:
    """A text of a set. `key` is the key that its document gets."""

    key: str
    title: str
    text: str


@dataclass(frozen=True)
class QuestionSet:
    """Texts, and questions about them."""

    name: str
    texts: Sequence[Text]
    questions: Sequence[Question]


def read_set(folder: Path) -> QuestionSet:
    """Read `corpus.jsonl` (id, title, text), `queries.jsonl` (id, text) and `qrels.tsv` (query, text, grade).

    Queries without an entry in `qrels.tsv` are left out. Raises InvalidQuestions.
    """
    keys: dict[str, str] = {}
    texts = []
    for number, row in enumerate(_rows(folder / "corpus.jsonl", "id", "text")):
        keys[row["id"]] = f"{number // 1000:03}/{number:06}.md"
        texts.append(Text(keys[row["id"]], row.get("title") or "", row["text"]))
    grades = _read_grades(folder / "qrels.tsv", keys)
    queries = _rows(folder / "queries.jsonl", "id", "text")
    questions = [Question(row["id"], row["text"], grades[row["id"]]) for row in queries if row["id"] in grades]
    return QuestionSet(folder.name, texts, questions)


def read_questions(files: Sequence[Path]) -> list[Question]:
    """Read questions about the documents of a workspace: `question`, `documents` (keys) and `quotes`, a line each.

    Raises InvalidQuestions.
    """
    return [
        Question(
            f"{file.stem}:{number}",
            row["question"],
            dict.fromkeys(row.get("documents", ()), 1.0),
            row.get("quotes", ()),
        )
        for file in files
        for number, row in enumerate(_rows(file, "question"), 1)
    ]


def read_off_topic(file: Path) -> list[Question]:
    """Read `queries.jsonl` of another set, as questions that should be declined. Raises InvalidQuestions."""
    name = f"{file.parent.name}/{file.stem}"
    return [Question(f"{name}:{row['id']}", row["text"], {}) for row in _rows(file, "id", "text")]


def rated_questions(rows: Sequence[Mapping[str, Any]]) -> list[Question]:
    """Return questions whose answers were rated as helpful, with the documents that the answers cite."""
    cited = (row for row in rows if row["documents"])
    return [Question(f"feedback:{n}", row["question"], _grades(row)) for n, row in enumerate(cited, 1)]


def write_texts(texts: Sequence[Text], folder: Path) -> None:
    """Write each text as a Markdown file."""
    for text in texts:
        file = folder / text.key
        file.parent.mkdir(parents=True, exist_ok=True)
        title = f"---\ntitle: {json.dumps(text.title, ensure_ascii=False)}\n---\n" if text.title else ""
        file.write_text(title + text.text, encoding="utf-8")


def write_repository(texts: Sequence[Text], folder: Path) -> None:
    """Write texts into a new Git repository. Raises InvalidQuestions if git is missing."""
    git = shutil.which("git")
    if git is None:
        raise InvalidQuestions("git is not installed. Install it, or use --repository.")
    write_texts(texts, folder)
    author = ["-c", "user.name=evaluation", "-c", "user.email=evaluation@example.com", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "-A"], [*author, "commit", "-q", "-m", "Texts"]):
        subprocess.run([git, "-C", str(folder), *command], check=True)


def _grades(row: Mapping[str, Any]) -> dict[str, float]:
    return dict.fromkeys(row.get("documents", ()), 1.0)


def _read_grades(file: Path, keys: Mapping[str, str]) -> dict[str, dict[str, float]]:
    grades: defaultdict[str, dict[str, float]] = defaultdict(dict)
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
                if (grade := float(row["score"])) > 0:
                    grades[row["query-id"]][keys[row["corpus-id"]]] = grade
    except (OSError, KeyError, ValueError) as error:
        raise InvalidQuestions(
            f"{file}: {error!r}. It needs query-id, corpus-id and score, separated by tabs."
        ) from error
    return grades


def _rows(file: Path, *required: str) -> Iterator[dict[str, Any]]:
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise InvalidQuestions(f"{file}: {error.strerror}.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            missing = [name for name in required if not isinstance(row[name], str)]
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidQuestions(f"{file}, line {number}: {error!r}. A line is an object with {required}.") from error
        if missing:
            raise InvalidQuestions(f"{file}, line {number}: {missing[0]} must be a string.")
        yield row


def _quote_item(quote: str) -> str:
    return f"“{quote}”"
