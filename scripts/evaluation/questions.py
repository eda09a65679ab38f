"""Read questions and the texts that they are about."""

import csv
import io
import json
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

Line = TypeVar("Line", bound=msgspec.Struct)


class InvalidQuestions(Exception):
    """A file of questions can't be read."""


Filled = Annotated[str, msgspec.Meta(pattern=r"\S")]
"""A text that is not blank."""


class _OwnQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of a file of questions."""

    question: Filled
    documents: list[Filled] = []
    quotes: list[Filled] = []


class _Entry(msgspec.Struct, frozen=True):
    """A line of `corpus.jsonl` or `queries.jsonl`. BEIR's files have `_id`."""

    text: str
    title: str | None = None
    name: str = msgspec.field(default="", name="id")
    beir_name: str = msgspec.field(default="", name="_id")

    @property
    def id(self) -> str:
        """The id."""
        return self.name or self.beir_name


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
    for number, entry in enumerate(_entries(folder / "corpus.jsonl")):
        keys[entry.id] = f"{number // 1000:03}/{number:06}.md"
        texts.append(Text(keys[entry.id], entry.title or "", entry.text))
    grades = _read_grades(folder / "qrels.tsv", keys)
    queries = _entries(folder / "queries.jsonl")
    questions = [Question(entry.id, entry.text, grades[entry.id]) for entry in queries if entry.id in grades]
    if not questions:
        raise InvalidQuestions(f"{folder}: no query of queries.jsonl has a text in qrels.tsv. Compare the ids.")
    return QuestionSet(folder.name, texts, questions)


def read_questions(files: Sequence[Path]) -> list[Question]:
    """Read questions about the documents of a workspace: `question`, `documents` (keys) and `quotes`, a line each.

    Raises InvalidQuestions.
    """
    questions: dict[str, Question] = {}
    for file in files:
        for number, (_, row) in enumerate(_lines(file, _OwnQuestion), 1):
            name = f"{file.stem}:{number}"
            if name in questions:
                raise InvalidQuestions(f"Two files are called {file.stem}. Rename one: a run names questions by them.")
            questions[name] = Question(name, row.question, dict.fromkeys(row.documents, 1.0), row.quotes)
    return [*questions.values()]


def read_off_topic(file: Path) -> list[Question]:
    """Read `queries.jsonl` of another set, as questions that should be declined. Raises InvalidQuestions."""
    name = f"{file.parent.name}/{file.stem}"
    return [Question(f"{name}:{entry.id}", entry.text, {}) for entry in _entries(file)]


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
    lines = csv.DictReader(io.StringIO(_read(file), newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    for number, row in enumerate(lines, 2):
        try:
            if (grade := float(row["score"])) > 0:
                grades[row["query-id"]][keys[row["corpus-id"]]] = grade
        except (KeyError, ValueError, TypeError):
            raise InvalidQuestions(
                f"{file}, line {number}: expected the ids of a query and of a text in corpus.jsonl and a number, "
                "separated by tabs, below the header `query-id`, `corpus-id`, `score`."
            ) from None
    return grades


def _entries(file: Path) -> Iterator[_Entry]:
    """Yield the lines of `corpus.jsonl` or `queries.jsonl`."""
    seen: set[str] = set()
    for number, entry in _lines(file, _Entry):
        if entry.id in seen or not entry.id:
            problem = f"the id `{entry.id}` is that of an earlier line" if entry.id else "`id` is missing"
            raise InvalidQuestions(f"{file}, line {number}: {problem}.")
        seen.add(entry.id)
        yield entry


def _lines(file: Path, kind: type[Line]) -> Iterator[tuple[int, Line]]:
    """Yield the lines that are not blank with their numbers."""
    for number, line in enumerate(_read(file).split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, msgspec.json.decode(line, type=kind)
        except msgspec.DecodeError as error:
            names = [field.encode_name for field in msgspec.structs.fields(kind)]
            raise InvalidQuestions(
                f"{file}, line {number}: {error}. A line is a JSON object with {', '.join(names)}."
            ) from None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidQuestions(f"{file}: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise InvalidQuestions(f"{file} is not a text in UTF-8.") from None


def _quote_item(quote: str) -> str:
    return f"“{quote}”"
