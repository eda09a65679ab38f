"""Search with filters: only documents that match, all of them, by vectors and by words."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from functions.chat.retrieval.search import Search
from headwater.embedding.constant import ConstantEmbedder
from headwater.filters.parse import parse_filter
from tests.harness.chat_app import ChatApp, running_chat_app
from tests.harness.databases import FreshDatabase
from tests.harness.support import WORKSPACE


def near(cosine: float) -> list[float]:
    """Make a unit vector with this cosine to every question."""
    return [cosine, (1 - cosine**2) ** 0.5, *[0.0] * 382]


class AxisEmbedder(ConstantEmbedder):
    """Embeds every question as the first axis."""

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return np.array(near(1.0), np.float32)


@pytest.fixture
def chat(database: FreshDatabase) -> Iterator[ChatApp]:
    with running_chat_app(database, embedder=lambda name: AxisEmbedder()) as made:
        yield made


def add(chat: ChatApp, key: str, text: str, cosine: float, **front_matter: Any) -> None:
    document_id = chat.add_document(key, text, vectors=[near(cosine)])
    values = json.dumps(front_matter)
    chat.rows("update documents set front_matter = cast(:v as jsonb) where id = :id", v=values, id=document_id)


def keys(chat: ChatApp, filter_: str) -> list[object]:
    return [hit["key"] for hit in chat.search(q="cat", filter=filter_, k=50)]


def test_only_matching_documents_are_found(chat: ChatApp) -> None:
    add(chat, "docs/a.md", "The first cat.", 0.9, tags=["pets"], date="2026-03-01")
    add(chat, "docs/b.md", "The second cat.", 0.8, tags=["pets", "draft"], author="Ann Lee")
    add(chat, "c.md", "A third dog.", 0.7, author="Bob")
    assert keys(chat, "tag:pets") == ["docs/a.md", "docs/b.md"]
    assert keys(chat, "tag:pets -tag:draft") == ["docs/a.md"]
    assert keys(chat, 'meta.author:"ann lee" OR date>=2026') == ["docs/a.md", "docs/b.md"]
    assert keys(chat, "path:*.md") == ["c.md"]
    assert keys(chat, "language:en kind:git") == ["docs/a.md", "docs/b.md", "c.md"]
    assert keys(chat, "tag:nothing") == []
    chat.rows("update documents set deleted_at = now() where key = 'docs/a.md'")
    assert keys(chat, "tag:pets") == ["docs/b.md"]


def test_identical_texts_count_matching_documents_only(chat: ChatApp) -> None:
    for n in range(3):
        add(chat, f"{n}.md", "The same cat.", 0.9, tags=["pets"] if n else [])
    [hit] = chat.search(q="cat", filter="tag:pets")
    assert (hit["key"], hit["documents"]) == ("1.md", 2)


@pytest.mark.parametrize("exact_limit", [50_000, 2])
def test_few_matches_are_found_behind_many_better_chunks(chat: ChatApp, exact_limit: int) -> None:
    """Three documents with a tag are worse, by words and by vectors, than all of 1,200 other chunks."""
    text = "".join(f"The cat number {n}. " for n in range(600))
    cuts = [place for place in range(1, len(text)) if text.startswith("The", place)]
    chat.add_document("many.md", text, cuts=cuts, vectors=[near(0.9)] * 600)
    for n in range(3):
        add(
            chat,
            f"{n}.md",
            f"There were once {n} dogs and horses, and then a cat came by.",
            0.1 + n / 10,
            tags=["rare"],
        )
    search = Search(chat.database, lambda name: AxisEmbedder(), exact_limit)
    found = search(WORKSPACE, "cat", 10, document_filter=parse_filter("tag:rare"))
    assert [passage.key for passage in found] == ["2.md", "1.md", "0.md"]
    assert [round(passage.similarity or 0, 1) for passage in found] == [0.3, 0.2, 0.1]
    assert all(passage.overlap == 1.0 for passage in found)


def test_invalid_filter_is_a_problem_with_its_position(chat: ChatApp) -> None:
    query = {"q": "cat", "filter": "tag:a date:soon"}
    for response in (chat.client.get("/api/search", query_string=query), chat.client.post("/api/search", json=query)):
        assert response.status_code == 422
        assert response.get_json()["position"] == 11
        assert response.get_json()["detail"] == (
            "Invalid filter at character 12: expected a date, such as 2026, 2026-01 or 2026-01-31, found `soon`."
        )
