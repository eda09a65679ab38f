"""Passages of a conversation's files beside those of documents."""

import uuid
from typing import Any

import numpy as np
import pytest

from functions.chat.answers.continuation import evidence_of
from functions.chat.answers.evidence import MIN_BEGINNINGS, rank_attached, source_part
from functions.chat.retrieval.attached import Attached, FilePassage
from functions.chat.retrieval.words import weigh_words
from functions.chat.streams.ui_message_stream import SourcePart, encode
from tests.fakes.chat_provider import fake_passage

QUERY = weigh_words("Which oil does the turbine need?", ["en"], ())
VECTOR = np.ones(3, np.float32)


def of_file(text: str, n: int = 0, **changes: Any) -> FilePassage:
    passage = fake_passage(text, document_id=uuid.UUID(int=100 + n), key="turbine.md", **changes)
    return FilePassage(**{name: getattr(passage, name) for name in passage.__struct_fields__})


def documents(count: int) -> list[Any]:
    return [fake_passage(f"Lunch number {n}.", document_id=uuid.UUID(int=n + 1), similarity=0.1) for n in range(count)]


def test_relevant_passage_of_a_file_comes_before_worse_ones_of_documents() -> None:
    best = of_file("The turbine needs sunflower oil.", similarity=0.9)
    ranked = rank_attached(documents(8), Attached([best], [best], QUERY, VECTOR), 8, with_beginnings=True)
    assert ranked[0].document_id == best.document_id
    assert isinstance(ranked[0], FilePassage)
    assert len(ranked) == 8


def test_one_file_may_have_all_passages() -> None:
    of_one = [of_file(f"The turbine needs oil, part {part}.", start=part, end=part + 1) for part in range(8)]
    assert len(rank_attached([], Attached(of_one, [], QUERY, VECTOR), 8, with_beginnings=False)) == 8


@pytest.mark.parametrize(("found", "kept"), [(0, 0), (3, 3), (8, 8 - MIN_BEGINNINGS)])
def test_beginnings_follow_documents_if_no_file_is_relevant(found: int, kept: int) -> None:
    beginnings = [of_file(f"Part {n}.", relevant=False) for n in range(8)]
    ranked = rank_attached(documents(found), Attached([], beginnings, QUERY, VECTOR), 8, with_beginnings=True)
    assert [isinstance(one, FilePassage) for one in ranked] == [False] * kept + [True] * (8 - kept)


def test_documents_stay_as_they_are_without_files_or_beginnings() -> None:
    found = documents(8)
    assert rank_attached(found, Attached(), 8, with_beginnings=True) == found
    unlike = Attached([], [of_file("Part 1.", relevant=False)], QUERY, VECTOR)
    assert rank_attached(found, unlike, 8, with_beginnings=False) == found


def test_continued_answer_still_cites_a_file() -> None:
    part = source_part(1, of_file("The turbine needs oil."))
    assert isinstance(part, SourcePart)
    [evidence] = evidence_of([part])
    assert isinstance(evidence, FilePassage)
    assert source_part(1, evidence) == part
    assert "conversationFile" not in encode(source_part(1, fake_passage("Lunch.")))
