"""Every client of other servers against servers that keep it waiting, in each phase of an exchange."""

import threading
import uuid
from collections.abc import Callable, Generator
from types import SimpleNamespace
from typing import Any

import httpx
import httpx2
import pytest
from google.auth.transport.requests import AuthorizedSession
from google.oauth2.credentials import Credentials

from functions.chat.answers.pieces import Piece
from functions.chat.answers.prompt import ModelInput
from functions.chat.answers.token_batches import batch_tokens
from functions.chat.models.models import load_model
from functions.collection.connectors.git.config import GitConfig, GitLimits
from functions.collection.connectors.git.connector import GitConnector
from functions.collection.runs.bulk import JobStarter
from headwater.auth.jwks import Jwks
from headwater.blobs import open_blobs
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.embedding.registry import Embedders
from headwater.outbound.deadline import exceeded_limit_s, within
from headwater.outbound.google_session import limit_session
from headwater.outbound.guarded_http import guarded_http
from headwater.outbound.httpx_clients import limit_httpx
from headwater.queue.tickets import Ticket, Tickets
from tests.fakes.hostile_server import LIFE_S, WAYS, hostile_server
from tests.harness.stacks import wait_until

LIMIT_S = 1.0
FLOOD_S = 0.3  # both sides of a flood use the processor for so long
LONG = "x" * 20_000_000  # more than the buffers of two sockets take
NO_DATABASE = "postgresql+pg8000://app@127.0.0.1:1/none"

Call = Callable[[str, str, float], None]
"""A client's request: URL, text to send and time limit."""


def settings(**changes: Any) -> Settings:
    values = {"google_cloud_project": "p", "cloud_region": "r", "collection_url": "http://c", "job_name": "j"}
    return Settings(**{"database_url": NO_DATABASE, **values, **changes})


def post(url: str, text: str, limit_s: float) -> None:
    guarded_http(allow_private=True, timeout_s=limit_s).request("POST", url, body=text.encode())


def git_connector(limit_s: float) -> GitConnector:
    limits = GitLimits(check_s=limit_s, transfer_s=limit_s)
    http = guarded_http(allow_private=True)
    return GitConnector(http=http, blobs=open_blobs("memory:///"), stage_prefix="staged", limits=limits)


def check_git(url: str, _: str, limit_s: float) -> None:
    git_connector(limit_s).check(GitConfig(url=f"{url}/r.git"), None)


def list_git(url: str, _: str, limit_s: float) -> None:
    git_connector(limit_s).list(GitConfig(url=f"{url}/r.git"), None, None, frozenset())


def read_jwks(url: str, _: str, limit_s: float) -> None:
    keys = Jwks(url, timeout_s=limit_s)
    try:
        keys.find("ES256", "key")
    except Exception as error:
        raise error from keys.failure


def embed(url: str, text: str, limit_s: float) -> None:
    values = {"embedding_base_url": f"{url}/v1", "embedding_dim": 8, "embedding_timeout_s": limit_s}
    Embedders(settings(**values))("openai:m").embed_documents([text])


def answer(model: str, url: str, text: str, timeout_s: float) -> Generator[list[Piece], None, None]:
    urls = {"openai_base_url": f"{url}/v1", "anthropic_base_url": url}
    keys = {"openai_api_key": "k", "anthropic_api_key": "k"}
    loaded: Any = load_model(settings(chat_model=model, chat_timeout_s=60.0, **urls, **keys))
    assert loaded._client  # built before the time begins
    return batch_tokens(loaded.answer(ModelInput(text, "How?", [], [])), timeout_s=timeout_s, silence_s=0.1)


def ask(model: str) -> Call:
    def call(url: str, text: str, limit_s: float) -> None:
        list(answer(model, url, text, limit_s))

    return call


def send(client: type[httpx.Client] | type[httpx2.Client]) -> Call:
    def call(url: str, text: str, limit_s: float) -> None:
        with limit_httpx(client(timeout=60)) as http, within(limit_s):
            http.post(url, content=text, follow_redirects=True)

    return call


def send_ticket(url: str, _: str, limit_s: float) -> None:
    tickets = Tickets(Database(NO_DATABASE), settings(tasks_endpoint=url))
    tickets.send_timeout_s = limit_s
    assert tickets._client  # built before the time begins
    tickets._send(Ticket("collection", uuid.uuid4()), None)


def start_job(url: str, _: str, limit_s: float) -> None:
    database, values = Database(NO_DATABASE), settings(run_endpoint=url)
    starter = JobStarter(database, values, Tickets(database, values))
    starter.call_s = limit_s
    assert starter._client
    starter._execute(SimpleNamespace(id=uuid.uuid4(), source_id=uuid.uuid4()), 1)


def request_token(url: str, _: str, limit_s: float) -> None:
    credentials: Any = Credentials(None, refresh_token="r", token_uri=url, client_id="c", client_secret="s")  # type: ignore[no-untyped-call]
    session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]
    limit_session(session)
    with within(limit_s):
        session.post(url)


CLIENTS: dict[str, Call] = {
    "guarded client": post,
    "check of a Git source": check_git,
    "listing of a Git source": list_git,
    "JWKS": read_jwks,
    "embedding": embed,
    "OpenAI": ask("openai:m"),
    "Anthropic": ask("anthropic:m"),
    "httpx, as in Groq's and Google's models": send(httpx.Client),
    "httpx2": send(httpx2.Client),
    "Cloud Tasks": send_ticket,
    "Cloud Run": start_job,
    "Google token": request_token,
}

NOT_READ = {
    "check of a Git source": {"error", "event stream"},
    "listing of a Git source": {"error", "event stream"},
    "JWKS": {"error", "redirect"},
}
"""Answers that a client refuses without reading them."""


def limit_of(way: str) -> float:
    return FLOOD_S if way.startswith("flood") else LIMIT_S


@pytest.mark.parametrize("name", CLIENTS)
def test_client_gives_up_at_its_deadline(name: str) -> None:
    errors: dict[str, BaseException] = {}
    reached = []
    threads_before = threading.active_count()

    def call(way: str) -> None:
        with hostile_server(way) as server:
            try:
                CLIENTS[name](server.url, LONG if way == "unread requests" else "x", limit_of(way))
            except Exception as error:  # noqa: BLE001 - compared below
                errors[way] = error
            if server.opened:
                reached.append(way)

    threads = [threading.Thread(target=call, args=(way,)) for way in WAYS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors.keys() == WAYS.keys()
    assert len(reached) > len(WAYS) / 2, "too slow a machine: most deadlines ended before the clients had connected"
    # Clients limit the number or size of headers.
    for way in WAYS.keys() - NOT_READ.get(name, set()) - {"flood of headers"}:
        error, limit_s = errors[way], limit_of(way)
        assert exceeded_limit_s(error) == limit_s or f" {limit_s:g} s" in str(error), (way, error)
    wait_until(lambda: threading.active_count() <= threads_before, LIFE_S)


@pytest.mark.parametrize("way", ["silence", "header", "event stream"])
@pytest.mark.parametrize("model", ["openai:m", "anthropic:m"])
def test_thread_of_a_model_ends_when_its_answer_is_stopped(
    model: str, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with hostile_server(way) as server:
        batches = answer(model, server.url, "x", timeout_s=10 * LIFE_S)
        while not server.opened:
            assert next(batches) == []
        batches.close()
        wait_until(lambda: "token-batches" not in {thread.name for thread in threading.enumerate()}, LIFE_S / 2)
    assert "model.failed" not in capsys.readouterr().out
