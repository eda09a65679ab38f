"""The test corpus: documentation of a fictitious product, and questions about it.

`FILES`: its Markdown and MDX pages by key. `QUESTIONS`: each with the keys of the pages that answer it, and words that
all of these pages contain.
"""

import json

import msgspec

from tests.harness.paths import DATA

ROOT = DATA / "markdown"
FILES = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in sorted(ROOT.rglob("*.md*"))}


class Question(msgspec.Struct, frozen=True):
    """A question, the keys of the pages that answer it, and words of the answer."""

    question: str
    keys: list[str]
    answer: str


QUESTIONS = [
    msgspec.convert(question, Question)
    for question in json.loads(ROOT.with_name("markdown-questions.json").read_text("utf-8"))
]
