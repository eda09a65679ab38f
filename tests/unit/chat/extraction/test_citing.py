"""Citations of values: checked against the passages that a model was given."""

from typing import Any

import pytest

from functions.chat.extraction.citing import check_citations
from tests.fakes.chat_provider import fake_passage

TEXT = (
    "The pump costs **1,250.50 EUR**.\n\nIt weighs 15 kg,\nand 1.5 kg of it is steel, at -20 degrees. İ "
    "[See](http://x.example/) it."
)
PASSAGES = [
    fake_passage("Nothing."),
    fake_passage(TEXT, excerpt=TEXT.replace("[See](http://x.example/)", "See"), start=100),
]


def claim(path: str, quote: Any, passage: Any = 2) -> dict[str, Any]:
    return {"path": path, "passage": passage, "quote": quote}


def place(claimed: dict[str, Any], value: Any = {"a": 1}) -> str | None:  # noqa: B006 - never changed
    citations = check_citations(value, [claimed], PASSAGES).citations
    if not citations:
        return None
    [citation] = citations
    assert TEXT[citation.start - 100 : citation.end - 100] == citation.quote
    return citation.quote


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("costs 1,250.50 EUR", "costs **1,250.50 EUR"),
        ("IT WEIGHS 15 KG, AND", "It weighs 15 kg,\nand"),
        ("1.5 kg", "1.5 kg"),
        ("15 kg", "15 kg"),
        ("-20 degrees", "-20 degrees"),
        ("at 20 degrees", None),
        ("İ", "İ"),
        ("See it", TEXT),
        ("250.50 EUR", None),
        ("5 kg of it", None),
        ("125050 EUR", None),
        ("free of charge", None),
        ("…", None),
        ("", None),
        (None, None),
    ],
)
def test_quotation_is_found_in_its_passage(quote: Any, found: str | None) -> None:
    assert place(claim("/a", quote)) == found


@pytest.mark.parametrize("passage", [0, -1, 1, 3, True, "2", None, 10**30])
def test_quotation_of_another_passage_is_left_out(passage: Any) -> None:
    assert place(claim("/a", "15 kg", passage)) is None


@pytest.mark.parametrize(
    ("path", "is_found"),
    [("", True), ("/a/0/b~1c", True), ("#/a", True), ("/a/1", False), ("/x", False), ("a", False), ("/a/-1", False)],
)
def test_path_has_to_exist(path: str, is_found: bool) -> None:
    assert (place(claim(path, "15 kg"), {"a": [{"b/c": 1}]}) is not None) is is_found


def test_values_without_a_citation_are_named() -> None:
    value = {"items": [{"name": "pump", "price": 3}, {"name": "hose", "price": None}], "total": 3, "empty": []}
    claims = [claim("/items/0", "15 kg"), claim("/items/1/name", "15 kg"), claim("/total", "invented")]
    cited = check_citations(value, [*claims, "no object", None], PASSAGES)
    assert ([each.path for each in cited.citations], cited.uncited) == (["/items/0", "/items/1/name"], ["/total"])


def test_claims_of_another_shape_are_ignored() -> None:
    assert check_citations("x", {"path": ""}, PASSAGES).uncited == [""]


def test_same_citation_is_kept_once() -> None:
    assert len(check_citations({"a": 1}, [claim("/a", "15 kg")] * 5_000, PASSAGES).citations) == 1
