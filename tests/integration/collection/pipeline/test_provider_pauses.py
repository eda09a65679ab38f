"""A server that asks for a pause delays the workspace and credential that it told, and the run says what it waits for.

Real Git servers and a real embedding provider on loopback; two workspaces share one database and one worker.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from functions.collection.runs.read import Run
from functions.collection.sources import sources
from functions.collection.sources.sources import Source, SourceChanges
from headwater.database.transactions import ALL_WORKSPACES
from tests.fakes.embedding_provider import EmbeddingProvider, embedding_provider
from tests.harness.databases import FreshDatabase
from tests.harness.git_server import GIT, Server, make_repository, password_of, serve
from tests.harness.pipeline import Pipeline, running_pipeline
from tests.harness.support import OTHER_WORKSPACE, WORKSPACE

pytestmark = pytest.mark.skipif(GIT is None, reason="needs git: serves repositories with it")

HOUR = 3600
PAGES: Any = {f"page-{n}.md": f"# Page {n}\n\nThe pump lifts water to mark {n}.\n".encode() for n in range(3)}


class Tenants:
    """Two workspaces of one installation."""

    def __init__(self, first: Pipeline, second: Pipeline) -> None:
        self.first = first
        self.second = second

    def collect(self, *sources: tuple[Pipeline, Source]) -> list[Run]:
        """Start runs in this order and drain the queues of both workspaces."""
        run_ids = [(pipeline, pipeline.start(source)) for pipeline, source in sources]
        self.first.drain()
        return [pipeline.read(run_id) for pipeline, run_id in run_ids]

    def end_pauses(self) -> None:
        self.first.end_pauses()

    def blocks(self) -> list[tuple[str, float]]:
        """Return the providers that are blocked, and for how many seconds."""
        statement = "select name, extract(epoch from blocked_until - now())::float8 from providers order by name"
        with self.first.database.transaction(ALL_WORKSPACES) as tx:
            return [(row[0], row[1]) for row in tx.execute(sa.text(statement))]


@contextmanager
def running_tenants(database: FreshDatabase, **changes: Any) -> Iterator[Tenants]:
    changes |= {"secret_key": Fernet.generate_key().decode()}
    with running_pipeline(database, **changes) as first:
        second = Pipeline(database, OTHER_WORKSPACE, **changes)
        with second.closing:
            yield Tenants(first, second)


@pytest.fixture
def tenants(database: FreshDatabase) -> Iterator[Tenants]:
    with running_tenants(database) as tenants:
        yield tenants


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Server]]:
    """Two servers on two ports of one host, each with two repositories."""
    for name in ("a", "b"):
        make_repository(tmp_path / f"{name}.git", PAGES)
    with ExitStack() as stack:
        yield [stack.enter_context(serve(tmp_path, partial=True)) for _ in range(2)]


def refuse(server: Server, *, retry_after: str = str(HOUR), path: str = "", token: str | None = None) -> None:
    """Answer requests of a path, and with a token, with 429."""

    def answer(handler: BaseHTTPRequestHandler) -> bool:
        sent = password_of(handler.headers.get("Authorization"))
        if not handler.path.startswith(path) or (token is not None and sent != token):
            return False
        handler.send_response(429)
        handler.send_header("Retry-After", retry_after)
        handler.end_headers()
        return True

    server.answer = answer


def url(server: Server, name: str = "a") -> str:
    return f"{server.url}/{name}.git"


def assert_waits(run: Run, server: Server, for_s: float = HOUR) -> None:
    """Check that a run says that it waits for a server, and until when."""
    assert run.state == "running"
    assert run.waiting is not None
    assert (run.waiting.kind, run.waiting.server) == ("provider", server.url.removeprefix("http://"))
    assert run.waiting.until is not None
    assert run.waiting.until.timestamp() == pytest.approx(time.time() + for_s, abs=90)
    assert "429" in run.waiting.reason


def test_pause_of_one_port_does_not_delay_another(tenants: Tenants, servers: list[Server]) -> None:
    refuse(servers[0])
    told, other, own = tenants.collect(
        (tenants.first, tenants.first.add_source(url(servers[0]))),
        (tenants.second, tenants.second.add_source(url(servers[1]))),
        (tenants.first, tenants.first.add_source(url(servers[1]))),
    )
    assert_waits(told, servers[0])
    assert (other.state, other.counts.added, other.waiting) == ("succeeded", 3, None)
    assert own.state == "succeeded"


def test_pause_of_one_credential_does_not_delay_another(tenants: Tenants, servers: list[Server]) -> None:
    refuse(servers[0], token="limited")
    told, other, own, anonymous = tenants.collect(
        (tenants.first, tenants.first.add_source(url(servers[0]), "limited")),
        (tenants.second, tenants.second.add_source(url(servers[0]), "free")),
        (tenants.first, tenants.first.add_source(url(servers[0]), "free")),
        (tenants.first, tenants.first.add_source(url(servers[0]))),
    )
    assert_waits(told, servers[0])
    assert [run.state for run in (other, own, anonymous)] == ["succeeded"] * 3


def test_pause_delays_a_workspaces_other_sources_with_the_credential(tenants: Tenants, servers: list[Server]) -> None:
    """The server isn't asked again by the same credential: one request, two runs that wait."""
    refuse(servers[0])
    for token in ("t", None):
        servers[0].reset()
        first, second = tenants.collect(
            (tenants.first, tenants.first.add_source(url(servers[0]), token)),
            (tenants.first, tenants.first.add_source(url(servers[0], "b"), token)),
        )
        assert_waits(first, servers[0])
        assert_waits(second, servers[0])
        assert len(servers[0].requests) == 1


def test_pause_does_not_delay_anonymous_requests_of_another_workspace(tenants: Tenants, servers: list[Server]) -> None:
    """A workspace could otherwise delay others by a repository whose requests the server limits."""
    refuse(servers[0], path="/a.git")
    told, other = tenants.collect(
        (tenants.first, tenants.first.add_source(url(servers[0], "a"))),
        (tenants.second, tenants.second.add_source(url(servers[0], "b"))),
    )
    assert_waits(told, servers[0])
    assert other.state == "succeeded"


def test_server_that_limits_the_installation_is_asked_once_by_each_workspace(
    tenants: Tenants, servers: list[Server]
) -> None:
    refuse(servers[0])
    runs = tenants.collect(
        (tenants.first, tenants.first.add_source(url(servers[0]))),
        (tenants.second, tenants.second.add_source(url(servers[0]))),
    )
    for run in runs:
        assert_waits(run, servers[0])
    assert len(servers[0].requests) == 2


def test_blocks_contain_no_token(tenants: Tenants, servers: list[Server]) -> None:
    refuse(servers[0])
    tenants.collect(
        (tenants.first, tenants.first.add_source(url(servers[0]), "s3cret-token")),
        (tenants.second, tenants.second.add_source(url(servers[0]), "s3cret-token")),
        (tenants.first, tenants.first.add_source(url(servers[0]))),
    )
    names = [name for name, _ in tenants.blocks()]
    assert len(set(names)) == 3
    assert not any("s3cret" in name for name in names)
    assert f"{servers[0].url} {WORKSPACE}" in names


def test_runs_continue_when_the_pause_ends(tenants: Tenants, servers: list[Server]) -> None:
    refuse(servers[0])
    source = tenants.first.add_source(url(servers[0]))
    [told] = tenants.collect((tenants.first, source))
    servers[0].answer = None
    tenants.end_pauses()
    run = tenants.first.read(told.id)
    assert (run.state, run.counts.added, run.waiting) == ("succeeded", 3, None)


def test_new_token_ends_the_wait_of_an_open_run(tenants: Tenants, servers: list[Server]) -> None:
    refuse(servers[0], token="old")
    source = tenants.first.add_source(url(servers[0]), "old")
    [told] = tenants.collect((tenants.first, source))
    assert_waits(told, servers[0])
    with tenants.first.database.transaction(WORKSPACE) as tx:
        sources.change_source(tx, WORKSPACE, source.id, SourceChanges(token="new"), settings=tenants.first.settings)
    tenants.first.drain()
    assert tenants.first.read(told.id).state == "succeeded"


def test_same_token_does_not_end_the_wait(tenants: Tenants, servers: list[Server]) -> None:
    refuse(servers[0])
    source = tenants.first.add_source(url(servers[0]), "old")
    [told] = tenants.collect((tenants.first, source))
    with tenants.first.database.transaction(WORKSPACE) as tx:
        sources.change_source(tx, WORKSPACE, source.id, SourceChanges(token="old"), settings=tenants.first.settings)
    tenants.first.drain()
    assert_waits(tenants.first.read(told.id), servers[0])
    assert len(servers[0].requests) == 1


@pytest.mark.parametrize(
    "retry_after",
    [
        *("7201", "86400", "31536000", "99999999999", "9" * 400, "9" * 5000),
        *(
            "Fri, 31 Dec 2099 23:59:59 GMT",
            "Fri, 31 Dec 9999 23:59:59 GMT",
            # Each process of a parallel run must make the same ids.
            pytest.param(formatdate(time.time() + 9000, usegmt=True), id="date in 9000 s"),
        ),
    ],
)
def test_pause_beyond_the_patience_fails_the_run_at_once(
    tenants: Tenants, servers: list[Server], retry_after: str
) -> None:
    refuse(servers[0], retry_after=retry_after)
    [run] = tenants.collect((tenants.first, tenants.first.add_source(url(servers[0]))))
    assert run.state == "failed"
    assert run.error is not None
    assert f"{servers[0].url.removeprefix('http://')} asks to wait until 2" in run.error["detail"]
    assert "PROVIDER_PATIENCE_S" in run.error["detail"]
    assert tenants.blocks() == []


def test_repeated_pauses_end_with_the_patience(tenants: Tenants, servers: list[Server]) -> None:
    """The time since the first failure counts, not the single pause."""
    refuse(servers[0])
    [run] = tenants.collect((tenants.first, tenants.first.add_source(url(servers[0]))))
    for _ in range(2):
        assert_waits(tenants.first.read(run.id), servers[0])
        with tenants.first.database.transaction(WORKSPACE) as tx:
            tx.execute(sa.text("update steps set first_failed_at = first_failed_at - interval '50 min'"))
        tenants.end_pauses()
    after = tenants.first.read(run.id)
    assert (after.state, len(servers[0].requests)) == ("failed", 3)
    assert after.error is not None
    assert "longer than Headwater waits: 7200 seconds in total" in after.error["detail"]


@pytest.mark.parametrize("retry_after", ["-1", "-99999999999", "nan", "inf", "1e9", "0x7fffffff", "0", "", "soon", "²"])
def test_pause_that_is_no_time_delays_only_the_step(tenants: Tenants, servers: list[Server], retry_after: str) -> None:
    refuse(servers[0], retry_after=retry_after.encode().decode("latin-1"))
    first, second = tenants.collect(
        (tenants.first, tenants.first.add_source(url(servers[0]))),
        (tenants.first, tenants.first.add_source(url(servers[1]))),
    )
    assert second.state == "succeeded"
    assert tenants.blocks() == []
    assert first.waiting is not None
    assert (first.waiting.kind, first.waiting.max_attempts) == ("retry", 12)


@pytest.fixture
def embedding(empty_database: FreshDatabase) -> Iterator[tuple[Tenants, EmbeddingProvider]]:
    with embedding_provider(EmbeddingProvider(dim=384)) as provider:
        settings = {"embedding_model": "openai:small", "embedding_base_url": provider.url, "embedding_dim": 384}
        with running_tenants(empty_database, **settings, embed_batch=1, openai_api_key="k") as tenants:
            yield tenants, provider


def test_pause_of_the_installations_key_delays_every_workspace(
    embedding: tuple[Tenants, EmbeddingProvider], servers: list[Server]
) -> None:
    """The provider is told nothing more by any workspace, and each run says what it waits for."""
    tenants, provider = embedding
    provider.answers, provider.retry_after_s = iter([429]), HOUR
    runs = tenants.collect(
        (tenants.first, tenants.first.add_source(url(servers[0]))),
        (tenants.second, tenants.second.add_source(url(servers[1]))),
    )
    assert len(provider.batches) == 1
    for run in runs:
        assert (run.state, run.counts.added) == ("running", 3)
        assert run.waiting is not None
        assert (run.waiting.kind, run.waiting.server) == ("provider", provider.url.removeprefix("http://"))
        assert (run.waiting.reason, run.waiting.steps) == ("The rate limit or quota of openai:small is reached.", 3)
        assert run.waiting.until is not None
        assert run.waiting.until.timestamp() == pytest.approx(time.time() + HOUR, abs=90)
    tenants.end_pauses()
    for pipeline, run in zip((tenants.first, tenants.second), runs, strict=True):
        after = pipeline.read(run.id)
        assert (after.state, after.counts.embedded) == ("succeeded", 3)


def test_workspace_delays_others_no_longer_than_the_provider_asks(
    embedding: tuple[Tenants, EmbeddingProvider], servers: list[Server]
) -> None:
    """The back-off of a step that failed often, up to five minutes, is its own."""
    tenants, provider = embedding
    [run] = tenants.collect((tenants.first, tenants.first.add_source(url(servers[0]))))
    assert run.state == "succeeded"
    other = tenants.second.start(tenants.second.add_source(url(servers[1])))
    tenants.second.drain(queues=["collection"])
    with tenants.first.database.transaction(ALL_WORKSPACES) as tx:
        tx.execute(sa.text("update steps set attempt = 10 where state = 'ready'"))
    provider.answers, provider.retry_after_s = iter([429]), 7
    tenants.second.drain()
    assert [for_s for _, for_s in tenants.blocks()] == [pytest.approx(7, abs=2)]
    assert tenants.second.read(other).state == "running"


def test_pause_of_the_embedding_provider_beyond_the_patience_ends_the_run(
    embedding: tuple[Tenants, EmbeddingProvider], servers: list[Server]
) -> None:
    """The other steps of the run aren't tried, other runs aren't delayed, and no run says that it is waiting."""
    tenants, provider = embedding
    provider.answers, provider.retry_after_s = iter([429]), 31_536_000
    told, other = tenants.collect(
        (tenants.first, tenants.first.add_source(url(servers[0]))),
        (tenants.second, tenants.second.add_source(url(servers[1]))),
    )
    assert {told.state, other.state} == {"partial", "succeeded"}
    assert len(provider.batches) == 6, "one refused, two that measure the model, three texts"
    refused = told if told.state == "partial" else other
    assert refused.error is not None
    assert "asks to wait until" in refused.error["detail"]
    assert tenants.blocks() == []
