"""Search on a real database: hits, their order, and documents that must not be found."""

import json
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from functions.chat.retrieval.search import Search
from headwater.database.migrations import register_model
from headwater.embedding.constant import ConstantEmbedder
from tests.harness.chat_app import ChatApp, RunApp, running_chat_app
from tests.harness.databases import FreshDatabase
from tests.harness.support import WORKSPACE


def axis(n: int, other: int | None = None, cosine: float = 1.0) -> list[float]:
    """Make a unit vector along axis n, or one with this cosine to it in the plane of n and `other`."""
    vector = [0.0] * 384
    vector[n] = cosine
    if other is not None:
        vector[other] = (1 - cosine**2) ** 0.5
    return vector


class FirstAxisEmbedder(ConstantEmbedder):
    """Embeds every question as the first axis."""

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return np.array(axis(0), np.float32)


@pytest.fixture
def chat(run_in_workspace: RunApp) -> Iterator[ChatApp]:
    with run_in_workspace(embedder=lambda name: FirstAxisEmbedder()) as made:
        yield made


def keys(hits: Sequence[dict[str, object]]) -> list[object]:
    return [hit["key"] for hit in hits]


def test_hits_of_words_and_vectors_are_fused(chat: ChatApp) -> None:
    chat.add_document("sense.md", "A feline rests.", vectors=[axis(0, 1, 0.9)])
    chat.add_document("words.md", "The cat sat on the mat.", vectors=[axis(2)])
    chat.add_document("both.md", "A cat sleeps.", vectors=[axis(0, 1, 0.8)])
    hits = chat.search(q="cat")
    assert keys(hits)[0] == "both.md"
    assert set(keys(hits)) == {"sense.md", "words.md", "both.md"}
    assert [hit["score"] for hit in hits] == sorted([hit["score"] for hit in hits], reverse=True)


def test_search_ranks_by_words_or_vectors_alone(chat: ChatApp) -> None:
    chat.add_document("sense.md", "A feline rests.", vectors=[axis(0, 1, 0.9)])
    chat.add_document("words.md", "The cat sat on the mat.", vectors=[axis(2)])
    assert keys(chat.search(q="cat", by="words")) == ["words.md"]
    assert keys(chat.search(q="cat", by="vectors")) == ["sense.md", "words.md"]
    assert {hit["key"]: hit["relevant"] for hit in chat.search(q="cat")} == {"sense.md": False, "words.md": True}


def test_passage_with_the_phrase_of_the_query_comes_first(chat: ChatApp) -> None:
    chat.add_document("scattered.md", "The engine of our car died; we search.", vectors=[axis(0)])
    chat.add_document("phrase.md", "We use the search engine of our site.", vectors=[axis(0)])
    assert keys(chat.search(q="Which search engines?")) == ["phrase.md", "scattered.md"]
    assert keys(chat.search(q="Which search engines?", by="words")) == ["scattered.md", "phrase.md"]


def test_hit_has_the_exact_text_and_offsets(chat: ChatApp) -> None:
    text = "# Über 😀\n\nDas Erste.\n\nThe needle is here, with an emoji 👩‍👩‍👧.\n"
    cut = text.index("The needle")
    document_id = chat.add_document("a/b.md", text, title="Über", headings=["Über", "Zwei"], cuts=[cut])
    hit = chat.search(q="needle", k=1)[0]
    assert hit == {
        "document_id": str(document_id),
        "title": "Über",
        "url": None,
        "key": "a/b.md",
        "heading_path": ["Über", "Zwei"],
        "text": text[cut:],
        "excerpt": text[cut:],
        "page": None,
        "start": cut,
        "end": len(text),
        "documents": 1,
        "score": hit["score"],
        "relevant": True,
    }


def test_hit_has_the_page_on_which_it_begins(chat: ChatApp) -> None:
    text = "First page.\n\nThe needle on page three."
    cut = text.index("The needle")
    chat.add_document("a.pdf", text, cuts=[cut])
    chat.rows(f"update documents set page_starts = '{{0, {cut}, {cut}, 1000}}'")
    assert [(hit["page"], hit["start"]) for hit in chat.search(q="needle", k=1)] == [(3, cut)]
    assert [hit["page"] for hit in chat.search(q="first", k=1)] == [1]


def test_headings_and_title_are_searched(chat: ChatApp) -> None:
    chat.add_document("a.md", "Run it.", title="Compass", headings=["Navigation"], vectors=())
    assert keys(chat.search(q="navigation")) == ["a.md"]
    assert keys(chat.search(q="compass")) == ["a.md"]


def test_word_forms_match_and_any_word_suffices(chat: ChatApp) -> None:
    chat.add_document("one.md", "Installing is simple.", vectors=())
    chat.add_document("two.md", "Installing the database is simple.", vectors=())
    assert keys(chat.search(q="How do I install databases?")) == ["two.md", "one.md"]


def test_removed_and_foreign_documents_are_not_found(chat: ChatApp, run_in_workspace: RunApp) -> None:
    chat.add_document("mine.md", "A secret cat.")
    chat.add_document("removed.md", "A removed cat.")
    chat.rows("update documents set deleted_at = now() where key = 'removed.md'")
    with run_in_workspace(embedder=lambda name: FirstAxisEmbedder()) as other:
        other.add_document("theirs.md", "Their cat.", vectors=[axis(0)])
        assert keys(chat.search(q="cat")) == ["mine.md"]
        assert keys(other.search(q="cat")) == ["theirs.md"]


def test_search_can_be_limited_to_a_source(chat: ChatApp) -> None:
    source_id = chat.add_source()
    chat.add_document("here.md", "A cat.", source_id=source_id)
    chat.add_document("there.md", "A cat.")
    assert keys(chat.search(q="cat", source_id=source_id)) == ["here.md"]
    assert chat.search(q="cat", source_id=uuid.uuid4()) == []


def test_search_returns_at_most_k_passages(chat: ChatApp) -> None:
    for n in range(12):
        chat.add_document(f"{n}.md", f"The cat number {n}.", vectors=[axis(0)])
    assert len(chat.search(q="cat")) == 10
    assert len(chat.search(q="cat", k=50)) == 12


def test_identical_texts_take_one_place(chat: ChatApp) -> None:
    for n in range(13):
        chat.add_document(f"copies/{n}.md", "The lathe is oiled every week.", vectors=[axis(0)])
    chat.add_document("answer.md", "A lathe turns metal.", vectors=[axis(0, 1, 0.5)])
    assert keys(chat.search(q="What is oiled, the lathe?", k=2)) == ["copies/0.md", "answer.md"]


@pytest.mark.parametrize("vectors", [[axis(0)], ()])
def test_same_text_in_many_documents_is_one_hit(chat: ChatApp, vectors: list[list[float]]) -> None:
    source_id = chat.add_source()
    for n in range(120):
        chat.add_document(f"1.{n}/install.md", "The cat is installed by cat.", source_id=source_id, vectors=vectors)
    chat.add_document("elsewhere.md", "The cat is installed by cat.", vectors=vectors)
    chat.add_document("lathe.md", "On a lathe, a cat is dragged.", vectors=[axis(0, 1, 0.5)] if vectors else ())
    hits = chat.search(q="cat", k=8)
    assert [(hit["key"], hit["documents"]) for hit in hits] == [("1.0/install.md", 121), ("lathe.md", 1)]
    chat.rows("update documents set deleted_at = now() where key < '1.2'")
    [hit, _] = chat.search(q="cat", k=8)
    assert hit["key"].startswith("1.2")
    [hit] = chat.search(q="cat", k=8, source_id=source_id)
    assert hit["documents"] < 120


def test_excerpt_has_the_table_header_and_no_markup(chat: ChatApp) -> None:
    text = "| Valve | Bar |\n|---|---|\n| v1 | 7 |\n| cat %%x%% | 9 |"
    cut = text.index("| cat")
    chat.add_document("t.md", text, cuts=[cut])
    chat.rows(
        "update chunks set markup = '{6,12}', header_start = 0, header_end = 25 where start_offset = :cut", cut=cut
    )
    [hit] = [hit for hit in chat.search(q="cat") if hit["start"] == cut]
    assert hit["text"] == text[cut:]
    assert hit["excerpt"] == "| Valve | Bar |\n|---|---|\n| cat | 9 |"


def test_search_without_vectors_loads_no_model(database: FreshDatabase) -> None:
    def unexpected_embedder(name: str) -> ConstantEmbedder:
        raise AssertionError("No embedder is needed yet.")

    with running_chat_app(database, embedder=unexpected_embedder) as chat:
        chat.add_document("a.md", "A cat.", vectors=())
        assert keys(chat.search(q="cat")) == ["a.md"]
        assert chat.search(q="dog") == []


def test_only_vectors_of_the_active_model_are_searched(database: FreshDatabase) -> None:
    with running_chat_app(database, embedder=lambda name: FirstAxisEmbedder()) as chat:
        chat.add_document("sense.md", "A feline.", vectors=[axis(0)])
        assert keys(chat.search(q="cat")) == ["sense.md"]
        register_model(database.admin_url, "another", 384)
        assert keys(chat.search(q="cat")) == ["sense.md"]  # "another" is built first
        chat.rows("select activate_embedding_model('test', id, true) from embedding_models where name = 'another'")
        assert chat.search(q="cat") == []


def test_vectors_without_chunks_hide_no_hits(chat: ChatApp) -> None:
    chat.add_document("live.md", "A feline.", vectors=[axis(0, 1, 0.5)])
    chat.rows(
        """insert into vectors (model_id, workspace_id, input_hash, embedding)
        select model_id, workspace_id, sha256(n::text::bytea), cast(:v as halfvec)
        from vectors, generate_series(1, 500) n""",
        v=str(axis(0)),
    )
    assert keys(chat.search(q="cat")) == ["live.md"]


def test_nearest_chunks_are_found_in_order(chat: ChatApp) -> None:
    for n in range(150):
        chat.add_document(f"{n}.md", f"{n:03}", vectors=[axis(0, 1, 0.2 + n / 200)])
    assert [hit["text"] for hit in chat.search(q="cat", k=3)] == ["149", "148", "147"]


def test_chunks_like_the_best_ones_come_before_those_near_the_query_only(chat: ChatApp) -> None:
    for n in range(5):
        chat.add_document(f"best/{n}.md", f"The cat sat on mat {n}.", vectors=[axis(0, 1, 0.8)])
    chat.add_document("alike.md", "A feline rests.", vectors=[axis(0, 1, 0.6)])
    chat.add_document("near.md", "A bird sings.", vectors=[axis(0, 2, 0.62)])
    for n in range(12):
        chat.add_document(f"far/{n}.md", f"Dogs bark {n} times.", vectors=[axis(0, 3 + n, 0.3)])
    few = keys(chat.search(q="cat"))
    assert few.index("near.md") < few.index("alike.md"), "19 chunks are too few to correct the query by the best 5"
    chat.add_document("far/last.md", "Dogs bark again.", vectors=[axis(0, 99, 0.3)])
    hits = chat.search(q="cat", k=7)
    assert keys(hits)[5:] == ["alike.md", "near.md"]
    assert [hit["score"] for hit in hits] == sorted([hit["score"] for hit in hits], reverse=True)
    assert keys(chat.search(q="cat", by="vectors", k=7))[5:] == ["near.md", "alike.md"]


def test_neighbouring_chunks_are_one_passage(chat: ChatApp) -> None:
    parts = ["The cat sat.", "<!-- x -->\n\nThe cat ran.", "Dogs bark.", "The cat slept."]
    text = "\n\n".join(parts)
    starts = [text.index(part.split("\n\n")[-1]) for part in parts]
    document_id = chat.add_document("a.md", text, cuts=starts[1:], vectors=[axis(0), axis(0), axis(5), axis(0)])
    chat.rows("update chunks set end_offset = start_offset + 12, heading_path = '{A,B}' where ordinal < 2")
    chat.rows("update chunks set heading_path = '{A,C}' where ordinal = 1")
    for n in range(6):
        chat.add_document(f"other/{n}.md", f"A bird {n}.", vectors=[axis(5)])
    joined, last = chat.search(q="cat", k=2)
    assert (joined["start"], joined["end"], joined["heading_path"]) == (0, starts[1] + 12, ["A"])
    assert joined["text"] == text[: joined["end"]] == "The cat sat.\n\n<!-- x -->\n\nThe cat ran."
    assert joined["excerpt"] == "The cat sat.\n\n\n\nThe cat ran."
    assert (last["document_id"], last["text"]) == (str(document_id), "The cat slept.")


def test_same_text_under_other_headings_takes_one_place(chat: ChatApp) -> None:
    for n in range(40):
        text = f"## Version {n}\n\nThe lathe is oiled every week."
        chat.add_document(f"{n}.md", text, title=f"Manual {n}", headings=[f"Version {n}"], vectors=[axis(0)])
    chat.add_document("answer.md", "A lathe turns metal.", vectors=[axis(0, 1, 0.5)])
    first, second = chat.search(q="Is the lathe of version 7 oiled?", k=2)
    assert (first["key"], first["documents"], second["key"]) == ("7.md", 40, "answer.md")


def test_recent_documents_come_first_with_a_half_life(chat: ChatApp) -> None:
    ages = {"old.md": "2001-01-01", "new.md": "2999-12-31", "undated.md": None}
    for n, (key, date) in enumerate(ages.items()):
        chat.add_document(key, f"The cat sat on mat {n}.", vectors=[axis(0, 1, 0.9)])
        fields = {"params": {"Last-Modified": date}} if date else {"title": "2001-01-01"}
        chat.rows("update documents set front_matter = cast(:f as jsonb) where key = :k", f=json.dumps(fields), k=key)
    assert keys(chat.search(q="cat")) == ["old.md", "new.md", "undated.md"]
    assert keys(chat.search(q="cat", half_life_days=30)) == ["new.md", "undated.md", "old.md"]
    assert keys(chat.search(q="cat", half_life_days=0)) == ["old.md", "new.md", "undated.md"]


def test_passage_has_similarity_and_overlap(chat: ChatApp) -> None:
    chat.add_document("near.md", "The cat sat.", vectors=[axis(0, 1, 0.75)])
    chat.add_document("bare.md", "The cat sat on a mat.", vectors=())
    found = Search(chat.database, lambda name: FirstAxisEmbedder())(
        chat.workspace_id, "Where has the cat gone, and the mat?", 10
    )
    by_key = {passage.key: passage for passage in found}
    assert by_key["near.md"].similarity == pytest.approx(0.75, abs=1e-3)
    assert by_key["bare.md"].similarity is None
    assert by_key["near.md"].overlap == pytest.approx(0.30, abs=0.01)  # of "cat", "mat", and "gone" by half
    assert by_key["bare.md"].overlap == pytest.approx(0.71, abs=0.01)


def test_vectors_in_a_language_that_the_model_does_not_know_do_not_count(database: FreshDatabase) -> None:
    with running_chat_app(database, embedder=lambda name: FirstAxisEmbedder()) as chat:
        register_model(database.admin_url, "all-MiniLM-L6-v2", 384)
        chat.add_document("words.md", "Pumpen repareres for hånd.", vectors=[axis(2)])
        chat.add_document("near.md", "Været er fint i dag.", vectors=[axis(0)])
        search = Search(chat.database, lambda name: FirstAxisEmbedder())
        chat.rows("update documents set language = 'no'")
        assert [(hit.key, hit.similarity) for hit in search(WORKSPACE, "pumpen", 5)] == [
            ("words.md", None),
            ("near.md", None),
        ]
        chat.rows("update documents set language = 'en'")
        assert {hit.key: hit.similarity for hit in search(WORKSPACE, "pumpen", 5)} == {"words.md": 0.0, "near.md": 1.0}


def test_half_life_of_the_workspace_holds_unless_a_request_has_its_own(chat: ChatApp) -> None:
    for key, date in {"old.md": "2001-01-01", "new.md": "2999-12-31"}.items():
        chat.add_document(key, f"The cat is {key}.", vectors=[axis(0)])
        chat.rows(
            "update documents set front_matter = cast(:f as jsonb) where key = :k", f=json.dumps({"date": date}), k=key
        )
    assert chat.client.get("/api/search/settings").get_json() == {"half_life_days": 0}
    for _ in range(2):
        assert chat.client.put("/api/search/settings", json={"half_life_days": 30}).get_json() == {"half_life_days": 30}
    assert keys(chat.search(q="cat")) == ["new.md", "old.md"]
    assert keys(chat.search(q="cat", half_life_days=0)) == ["old.md", "new.md"]
    bodies: dict[str, dict[str, Any]] = {"c1": {}, "c2": {"half_life_days": 0}}
    for name, options in bodies.items():
        events = chat.ask(name, "Where is the cat?", **options)
        cited = [
            event.part["filename"] for event in events if isinstance(event.part, dict) and "filename" in event.part
        ]
        assert cited == (["new.md", "old.md"] if name == "c1" else ["old.md", "new.md"])
    assert chat.rows("select action, details from audit_log") == [("search.changed", {"half_life_days": 30.0})]
    for invalid in (-1, 36_501, None, "30"):
        assert chat.client.put("/api/search/settings", json={"half_life_days": invalid}).status_code == 422


def test_hidden_documents_are_neither_found_nor_counted(chat: ChatApp) -> None:
    for n in range(3):
        chat.add_document(f"{n}.md", "The cat sat.", vectors=[axis(0)])
    chat.add_document("only.md", "A cat alone.", vectors=[axis(0)])
    chat.rows("update documents set placement = 'hidden' where key in ('0.md', 'only.md')")
    for by in ("hybrid", "words", "vectors"):
        [hit] = chat.search(q="cat", by=by)
        assert (hit["key"], hit["documents"]) == ("1.md", 2)


def test_pinned_documents_rank_higher_for_a_query_that_they_match(chat: ChatApp) -> None:
    for n in range(30):
        chat.add_document(f"{n}.md", f"The cat sat on mat {n}.", vectors=[axis(0, 1, 0.6 - n / 100)])
    chat.add_document("best.md", "The cat, the cat, the cat.", vectors=[axis(0)])
    chat.add_document("far.md", "A lathe turns metal.", vectors=[axis(0, 1, 0.1)])
    chat.rows("update documents set placement = 'pinned' where key in ('2.md', 'far.md')")
    found = keys(chat.search(q="cat", k=50))
    assert [*found[:4], found[-1]] == ["best.md", "2.md", "0.md", "1.md", "far.md"]


@pytest.mark.parametrize(
    "query",
    [{}, {"q": ""}, {"q": " \n"}, {"q": "\0"}, {"q": "x" * 32_001}]
    + [{"q": "cat", "k": k} for k in (0, 51, -1, "ten", "", 10**30)]
    + [{"q": "cat", "half_life_days": days} for days in (-1, "nan", "inf", 1e9, "soon")]
    + [{"q": "cat", "source_id": "none"}],
)
def test_invalid_query_is_a_problem(chat: ChatApp, query: dict[str, object]) -> None:
    for response in (
        chat.client.get("/api/search", query_string=query),
        chat.client.post("/api/search", json=query),
    ):
        assert response.status_code == 422
        assert response.content_type == "application/problem+json"


def test_post_finds_the_same_as_get(chat: ChatApp) -> None:
    source_id = chat.add_source()
    for n, source in enumerate((source_id, source_id, None)):
        text = f"The cat number {n} sat on the mat."
        chat.add_document(f"{n}.md", text, source_id=source, vectors=[axis(0, 1, 0.9 - n / 10)])
    queries: list[dict[str, Any]] = [{"q": "cat"}, {"q": "cat", "k": 1}, {"q": "cat", "source_id": str(source_id)}]
    answers = [chat.client.post("/api/search", json=query).get_json()["hits"] for query in queries]
    assert answers == [chat.search(**query) for query in queries]
    assert [len(hits) for hits in answers] == [3, 1, 2]


def test_emoji_finds_the_documents_that_have_it(chat: ChatApp) -> None:
    chat.add_document("launch.md", "The launch 🚀 was on Monday.", vectors=[axis(1)])
    chat.add_document("emoji.md", "👍🏽🚀", vectors=[axis(2)])
    chat.add_document("other.md", "A cat and a dog. 🐱", vectors=[axis(3)])
    for q in ("🚀", "🚀🏽 !"):
        hits = chat.search(q=q)
        assert {hit["key"] for hit in hits if hit["relevant"]} == {"emoji.md", "launch.md"}, q
    assert keys(chat.search(q="👍", by="words")) == ["emoji.md"]


def test_nul_character_separates_the_words_of_a_query(chat: ChatApp) -> None:
    chat.add_document("a.md", "A cat and a dog.")
    assert keys(chat.search(q="dog\0cat", by="words")) == ["a.md"]


@pytest.mark.parametrize("character", ["x", "ü", "漢", "😀", "\\", '"', "\x1f"])
def test_post_accepts_the_longest_question(chat: ChatApp, character: str) -> None:
    chat.add_document("a.md", "A cat and a dog.")
    response = chat.client.post("/api/search", data=json.dumps({"q": character * 31_999 + "x"}))
    assert keys(response.get_json()["hits"]) == ["a.md"]


@pytest.mark.parametrize(
    "question",
    [
        "the of and",
        "'; drop table chunks; --",
        "cat & (dog | !bird):* <-> 'x' \\",
        ":x :workspace_id %s %(a)s",
        "cat\0dog",
        "😀 \u202e \ufeff",
        "word " * 6_400,
        "x" * 32_000,
        " ".join(f"word{n}" for n in range(3_000)),
        "https://example.org/a?b=c&d=e#f me@example.org 1.5e10 -7 /etc/passwd",
    ],
)
def test_unusual_question_does_not_fail(chat: ChatApp, question: str) -> None:
    chat.add_document("a.md", "A cat and a dog.")
    assert keys(chat.search(q=question)) == ["a.md"]  # found by its vector


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60))
def test_any_question_gets_hits_or_a_problem(chat: ChatApp, question: str) -> None:
    response = chat.client.get("/api/search", query_string={"q": question})
    assert response.status_code == (200 if question.replace("\0", " ").strip() else 422)
