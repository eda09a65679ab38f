"""Reranked searches: providers' real clients against a loopback server, a local model, and what goes wrong."""

import json
import threading
import uuid
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.pool import QueuePool

from functions.chat.retrieval.reranking import Reranking
from functions.chat.retrieval.search import Search
from headwater.embedding.constant import ConstantEmbedder
from headwater.filters.sql import where
from tests.fakes.rerank_provider import FakeRerankProvider, fake_rerank_provider
from tests.harness.chat_app import ChatApp, running_chat_app
from tests.harness.cross_encoder import write_cross_encoder
from tests.harness.databases import FreshDatabase
from tests.harness.support import WORKSPACE

KEY = "key-of-the-reranker"
PATHS = {"cohere": "/v2/rerank", "jina": "/jina/rerank", "voyage": "/voyage/rerank"}


@pytest.fixture
def provider() -> Iterator[FakeRerankProvider]:
    with fake_rerank_provider() as provider:
        yield provider


def search(database: FreshDatabase, **settings: Any) -> dict[str, Any]:
    """Search documents whose fused order is 0, 1, 2."""
    with running_chat_app(database, **settings) as chat:
        add_documents(chat)
        answer: dict[str, Any] = chat.client.get("/api/search?q=pump").get_json()
    return answer | {"keys": [hit["key"] for hit in answer["hits"]]}


def add_documents(chat: ChatApp) -> None:
    for n in range(3):
        chat.add_document(f"{n}.md", f"The pump {'pump ' * (2 - n)}of yard {n}.", title=f"Yard {n}", vectors=())


@pytest.mark.parametrize("kind", PATHS)
def test_provider_ranks_passages(database: FreshDatabase, provider: FakeRerankProvider, kind: str) -> None:
    provider.score = lambda text: int(text.rpartition("yard ")[2][0]) / 10
    url = provider.url if kind == "cohere" else f"{provider.url}/{kind}"
    settings = {"reranker": f"{kind}:model-1", f"{kind}_api_key": KEY, "reranker_timeout_s": 30.0}
    answer = search(database, **settings, reranker_base_url=url)
    assert (answer["keys"], answer["reranked"], answer["rerank_problem"]) == (["2.md", "1.md", "0.md"], True, None)
    assert [round(hit["score"], 3) for hit in answer["hits"]] == [0.2, 0.1, 0.0]
    [(path, key, request)] = provider.requests
    assert (path, key, request["model"], request["query"]) == (PATHS[kind], f"Bearer {KEY}", "model-1", "pump")
    assert request["documents"][0] == "Yard 0\n\nThe pump pump pump of yard 0."


def test_rerankings_are_counted_with_their_cost(database: FreshDatabase, provider: FakeRerankProvider) -> None:
    settings = {"reranker": "cohere:rerank-v3.5", "cohere_api_key": KEY, "reranker_timeout_s": 30.0}
    with running_chat_app(database, **settings, reranker_base_url=provider.url) as chat:
        add_documents(chat)
        chat.client.get("/api/search?q=pump")
        chat.client.get("/api/search?q=pump&rerank=false")
        body = {"query": "pump", "documents": ["The pump.", "The yard."]}
        assert chat.client.post("/v1/rerank", json=body).status_code == 200
        provider.status = 500
        chat.client.get("/api/search?q=pump")
        used = chat.rows("select model, member_id, calls, cost from usage where kind = 'rerank' order by member_id")
    assert used == [
        ("cohere:rerank-v3.5", "local", 1, Decimal("0.002")),
        ("cohere:rerank-v3.5", None, 1, Decimal("0.002")),
    ]


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"status": 401}, "failed"),
        ({"status": 429}, "failed"),
        ({"status": 500}, "failed"),
        ({"body": {"results": [], "data": []}}, "failed"),
        ({"body": [1]}, "failed"),
        ({"wait": True}, "timeout"),
    ],
)
def test_failing_provider_leaves_the_fused_order(
    changes: dict[str, Any],
    problem: str,
    kind: str,
    module_database: FreshDatabase,
    provider: FakeRerankProvider,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in changes.items():
        setattr(provider, name, threading.Event() if name == "wait" else value)
    url = provider.url if kind == "cohere" else f"{provider.url}/{kind}"
    settings = {
        "reranker": f"{kind}:m",
        f"{kind}_api_key": KEY,
        "reranker_timeout_s": 1.0 if problem == "timeout" else 30.0,
    }
    with running_chat_app(module_database, workspace_id=uuid.uuid4(), **settings, reranker_base_url=url) as chat:
        add_documents(chat)
        answer = chat.client.get("/api/search?q=pump").get_json()
        assert [hit["key"] for hit in answer["hits"]] == ["0.md", "1.md", "2.md"]
        assert (answer["reranked"], answer["rerank_problem"]) == (False, problem)
    logged = capsys.readouterr().out
    [failure] = [entry for line in logged.splitlines() if (entry := json.loads(line))["message"] == "rerank.failed"]
    assert (failure["problem"], failure["reranker"]) == (problem, f"{kind}:m")
    assert KEY not in logged
    assert "secret words" not in logged


@pytest.mark.parametrize(
    "settings",
    [{"reranker": "cohere:model"}, {"reranker": "cohere:"}, {"reranker": "best"}, {"reranker": "onnx:/nowhere"}],
)
def test_misconfigured_reranker_leaves_the_fused_order(database: FreshDatabase, settings: dict[str, Any]) -> None:
    answer = search(database, **settings, reranker_timeout_s=30.0)
    assert answer["keys"] == ["0.md", "1.md", "2.md"]
    assert (answer["reranked"], answer["rerank_problem"]) == (False, "misconfigured")


def test_local_cross_encoder_ranks_passages_unless_told_otherwise(database: FreshDatabase, tmp_path: Path) -> None:
    folder = write_cross_encoder(tmp_path / "model", {"1": 3.0, "2": 1.0})
    with running_chat_app(database, reranker=f"onnx:{folder}", reranker_timeout_s=30.0) as chat:
        add_documents(chat)
        orders = {}
        for options in ("", "&rerank=false", "&by=words"):
            answer = chat.client.get(f"/api/search?q=pump{options}").get_json()
            orders[options] = ([hit["key"][0] for hit in answer["hits"]], answer["reranked"], answer["rerank_problem"])
        cited = [event.part for event in chat.ask("c1", "Where is the pump?") if isinstance(event.part, dict)]
        assert [part["filename"] for part in cited if "filename" in part] == ["1.md", "2.md", "0.md"]
    assert orders == {
        "": (["1", "2", "0"], True, None),
        "&rerank=false": (["0", "1", "2"], False, None),
        "&by=words": (["0", "1", "2"], False, None),
    }


def test_no_connection_is_in_use_while_reranking(database: FreshDatabase) -> None:
    in_use: list[int] = []

    class Spy:
        def score(self, query: str, texts: Sequence[str], timeout_s: float) -> Sequence[float]:
            pool = chat.database.engine.pool
            assert isinstance(pool, QueuePool)
            in_use.append(pool.checkedout())
            return [0.5 for _ in texts]

    with running_chat_app(database) as chat:
        add_documents(chat)
        reranking = Reranking("spy", Spy, 30.0)
        searching = Search(chat.database, lambda name: ConstantEmbedder(), reranking=reranking)
        assert searching.find(WORKSPACE, "pump", 3, where(None, None)).reranked
        searching.check()
    assert in_use == [0, 0]
