"""The documentation set that the project carries, of a made-up product, and questions that it answers.

`FILES` are its Markdown and MDX pages by key; in `QUESTIONS` each has the keys of the pages that answer it, and words
that stand in all of them.
"""

import json

import msgspec

from tests.harness.paths import DATA

ROOT = DATA / "markdown"
FILES = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in sorted(ROOT.rglob("*.md*"))}


class Question(msgspec.Struct, frozen=True):
    """A question, where its answer stands, and words of the answer."""

    question: str
    keys: list[str]
    answer: str


QUESTIONS = [
    msgspec.convert(question, Question)
    for question in json.loads(ROOT.with_name("markdown-questions.json").read_text("utf-8"))
]
