"""Sentences of an answer with citations, and the numbers in them."""

import uuid
from collections.abc import Sequence
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.chat.answers.grounding import check_grounding, cited_sentences, claims_of, is_denied
from functions.chat.retrieval.support import Statement, Support
from headwater.errors import UpstreamError
from tests.fakes.chat_provider import fake_passage

WORKSPACE = uuid.UUID(int=1)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("Use pip. [1] Wait.", [("Use pip.", [1])]),
        ("Use pip [1]. Wait [2, 3].", [("Use pip .", [1])]),
        ("Use pip [1][2].\n\n- Wait [2]\n- Go", [("Use pip .", [1, 2]), ("Wait", [2])]),
        ("Use pip.\n\n[1] says so.", [("says so.", [1])]),
        ("Unknown [3]. None.", []),
        ("```\na[1]\n```\n\n# Title [1]\n", []),
        ("", []),
    ],
)
def test_sentences_have_their_citations(answer: str, found: list[tuple[str, list[int]]]) -> None:
    assert [(one.text, [*one.sources]) for one in cited_sentences(answer, 2)] == found


@given(st.text(alphabet="ab .[]1\n2"))
def test_sentences_are_places_in_the_answer_in_order(answer: str) -> None:
    at = 0
    for one in cited_sentences(answer, 2):
        assert at <= one.start < one.end <= len(answer)
        assert "[" in answer[one.start : one.end]
        at = one.end


class Scripted:
    """Stands for the comparison: supports sentences without the word "wrong"."""

    def __init__(self, error: UpstreamError | None = None) -> None:
        self.statements: list[Statement] = []
        self.error = error

    def __call__(self, workspace_id: uuid.UUID, statements: Sequence[Statement]) -> list[bool]:
        if self.error:
            raise self.error
        self.statements = [*statements]
        return ["wrong" not in statement.text for statement in statements]


def check(answer: str, *texts: str, support: Scripted | None = None) -> list[Any]:
    passages = [fake_passage(text, title="Pump") for text in texts]
    parts = check_grounding(answer, passages, cast(Support, support or Scripted()), WORKSPACE)
    return cast(list[Any], msgspec.to_builtins(parts))


def test_weak_sentences_are_marked_with_their_places_and_reason() -> None:
    answer = "🧭 Fine [1]. This is wrong [2]. It holds 1024 litres [1][2]. It holds 2,048 litres [2]."
    [part] = check(answer, "Fine.", "It holds 2048 l.")
    assert (part["type"], part["id"]) == ("data-grounding", "grounding")
    weak = part["data"]["weak"]
    assert [(answer[one["start"] : one["end"]], one["sources"], one["reason"]) for one in weak] == [
        ("This is wrong [2].", ["2"], "meaning"),
        ("It holds 1024 litres [1][2].", ["1", "2"], "numbers"),
    ]


@pytest.mark.parametrize(
    ("sentence", "passage", "denied"),
    [
        ("The pump runs on Windows.", "The pump does not run on Windows.", True),
        ("You must not clean the filter.", "Clean it weekly. You must clean the filter.", True),
        ("Never use solvent on the seal.", "Use solvent on the seal.", True),
        ("The pump isn\u2019t safe.", "The pump is safe.", True),
        ("Die Pumpe ist nicht dicht.", "Die Pumpe ist dicht.", True),
        ("La pompe est étanche.", "La pompe n'est pas étanche.", True),
        ("La bomba no es segura.", "La bomba es segura.", True),
        ("It runs on Windows.", "Since the driver is missing, it does not run on Windows.", True),
        ("The pump works and needs no oil.", "The pump works and needs little oil, but not on Windows.", False),
        ("Install it with pip.", "Install it with pip, not with conda.", False),
        ("It runs on Linux but not on Windows.", "It runs on Linux but not on Windows.", False),
        ("The pump runs on Windows.", "It does not run on Linux. The pump runs on Windows.", False),
        ("The pump runs on Windows.", "Solvents are never used, so seals last.", False),
        ("Yes.", "No.", False),
        ("", "Not this.", False),
    ],
)
def test_sentences_are_denied_by_passages_that_negate_their_words(sentence: str, passage: str, denied: bool) -> None:
    assert is_denied(sentence, claims_of(passage)) is denied


def test_sentence_that_only_one_of_its_passages_denies_is_not_weak() -> None:
    denial, claim = "The pump does not run on Windows.", "The pump runs on Windows."
    [part] = check("The pump runs on Windows [1].", denial)
    assert [one["reason"] for one in part["data"]["weak"]] == ["negation"]
    assert check("The pump runs on Windows [1][2].", denial, claim) == []


def test_supported_answer_has_no_part() -> None:
    assert check("Fine [1]. In 5 steps [1].", "Fine.") == []
    assert check("No citation, but wrong.", "Fine.") == []


def test_failure_of_the_comparison_leaves_the_answer_as_it_is() -> None:
    assert check("This is wrong [1].", "Fine.", support=Scripted(UpstreamError("busy"))) == []
