"""Listings whose cursor the service refuses: the list is read again from its beginning, once, and misses nothing."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from functions.collection.connectors.api_values import Refused
from functions.collection.connectors.confluence import connector as confluence
from functions.collection.connectors.google_drive import connector as google_drive
from functions.collection.connectors.notion import connector as notion
from functions.collection.connectors.registry import SourceReader, kind_for_new_source
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials
from headwater.config import Settings
from tests.fakes.api_server import ApiServer, running
from tests.fakes.confluence import API_TOKEN, Confluence
from tests.fakes.google_drive import FOLDER, ROOT, GoogleDrive
from tests.fakes.notion import TOKEN, Notion
from tests.harness.support import WORKSPACE

ITEMS = 6


@pytest.fixture(autouse=True)
def _one_request_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    for connector in (confluence, google_drive, notion):
        monkeypatch.setattr(connector, "DELAY_S", 0.0)
        monkeypatch.setattr(connector, "SLICE_S", 0.0)


def _notion() -> tuple[ApiServer, str, dict[str, Any]]:
    server = Notion()
    rows = server.add_data_source("Tickets", server.add_page("Handbook"))
    for number in range(ITEMS - 1):
        server.add_page(f"Ticket {number}", parent=rows)
    server.hidden = {page_id for page_id, one in server.objects.items() if one["parent"].get("data_source_id")}
    server.page_size = 2
    return server, TOKEN, {}


def _confluence() -> tuple[ApiServer, str, dict[str, Any]]:
    server = Confluence()
    pages = [server.add(f"Page {number}") for number in range(ITEMS - 3)]
    for number in range(3):
        server.attach(pages[0], f"{number}.txt", b"Text", "text/plain")
    return server, API_TOKEN, {"edition": "cloud"}


def _google_drive() -> tuple[ApiServer, str, dict[str, Any]]:
    server = GoogleDrive()
    folder = server.add("Manuals", FOLDER)
    for number in range(ITEMS):
        server.add(f"{number}.txt", "text/plain", b"Text", parent=folder if number % 2 else ROOT)
    return server, json.dumps(server.secret), {"folder": ROOT}


KINDS = {"notion": _notion, "confluence": _confluence, "google_drive": _google_drive}


@pytest.fixture(params=sorted(KINDS))
def service(request: pytest.FixtureRequest) -> Iterator[tuple[ApiServer, SourceReader]]:
    server, token, config = KINDS[request.param]()
    with running(server):
        stored = kind_for_new_source(request.param).normalise({"url": server.origin, **config})
        opener = SourceOpener(Settings(database_url="unused", fetch_private=True))
        yield server, opener.open(Credentials(WORKSPACE, request.param, stored, token, None))


def list_in_steps(reader: SourceReader, between: Callable[[int], None]) -> tuple[int, int]:
    """List by one request a step. Calls `between` with the number of steps so far. Returns the entries and steps."""
    resume, steps = None, 1
    while (listing := reader.list(resume, frozenset())).resume:
        between(steps)
        resume, steps = listing.resume, steps + 1
    return len(listing.entries), steps


def test_list_is_read_again_after_its_cursor_has_expired(service: tuple[ApiServer, SourceReader]) -> None:
    server, reader = service
    entries, steps = list_in_steps(reader, lambda step: None)
    assert entries == ITEMS
    assert steps >= 4
    for number in range(1, steps):
        entries, _ = list_in_steps(reader, lambda step, last=number: server.expire_cursors() if step == last else None)  # type: ignore[misc]
        assert (number, entries) == (number, ITEMS)


def test_cursors_that_are_always_refused_fail_the_listing(service: tuple[ApiServer, SourceReader]) -> None:
    server, reader = service
    with pytest.raises(Refused, match="HTTP 400"):
        list_in_steps(reader, lambda step: server.expire_cursors())
