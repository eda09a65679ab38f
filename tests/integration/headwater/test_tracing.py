"""Traces sent to Google: the real exporter and credentials against servers on loopback that check the token."""

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.config import Settings
from headwater.tracing import Tracing
from tests.fakes.api_server import ApiServer, Reply, Request, running
from tests.fakes.google_token import service_account_key
from tests.fakes.http_target import Hit, Target, http_target
from tests.fakes.http_target import Reply as Status
from tests.harness.spans import received_projects, received_spans


class TokenServer(ApiServer):
    """Google's token endpoint: issues `token-1`, `token-2`, …"""

    numbers = itertools.count(1)
    newest = ""

    def answer(self, request: Request) -> Reply:
        assert request.body["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        self.newest = f"token-{next(self.numbers)}"
        return Reply({"access_token": self.newest, "expires_in": 3600, "token_type": "Bearer"})


@pytest.fixture
def tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenServer]:
    with running(TokenServer()) as server:
        key = tmp_path / "key.json"
        key.write_text(service_account_key(f"{server.origin}/token"))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        yield server


@pytest.fixture
def collector() -> Iterator[Target]:
    with http_target() as target:
        yield target


def test_token_is_sent_and_renewed_when_google_refuses_it(tokens: TokenServer, collector: Target) -> None:
    revoked: set[str] = set()
    received: list[Hit] = []
    is_received = threading.Event()

    def check(hit: Hit) -> Status:
        scheme, _, token = hit.headers.get("authorization", "").partition(" ")
        if (scheme, token) != ("Bearer", tokens.newest) or token in revoked:
            return Status(401)
        received.append(hit)
        is_received.set()
        return Status()

    collector.reply = check
    settings = Settings(
        database_url="x", otel_exporter_otlp_endpoint=collector.url, traces_google_credentials=True, k_service="chat"
    )
    tracing = Tracing(settings, "test")
    for name in ("first", "second", "third"):
        is_received.clear()
        tracing.start(name, "server", None).end()
        tracing.flush(60)
        assert is_received.wait(60)
        if name == "second":
            revoked.add(tokens.newest)
    assert [span.name for span in received_spans(received)] == ["first", "second", "third"]
    assert [hit.headers["authorization"] for hit in received] == ["Bearer token-1"] * 2 + ["Bearer token-2"]
    assert received_projects(received) == {"project"}
    assert tokens.take_statuses() == [200, 200]
