"""The function serves others while a parser holds its interpreter, and refuses the document with the reason."""

import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

from headwater.database.migrations import register_model
from tests.harness.databases import FreshDatabase
from tests.harness.extensions import declare_parser
from tests.harness.function_server import serve_function
from tests.harness.pipeline import Repository

BEATS = 50


@pytest.fixture(scope="module")
def client(
    module_database: FreshDatabase, free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """The collection function, with a parser that does what the file says."""
    register_model(module_database.admin_url, "constant", 384)
    site = declare_parser(tmp_path_factory.mktemp("site"), ".bad", "tests.fakes.extensions:parse")
    environment = {
        "DATABASE_URL": module_database.url,
        "EMBEDDING_MODEL": "constant",
        "FETCH_FILE_URLS": "true",
        "PARSE_TIMEOUT_S": "2",
        "PYTHONPATH": str(site),
    }
    with serve_function("collection", free_port(), environment) as client:
        yield client


@pytest.fixture(scope="module")
def source_id(client: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> str:
    repository = Repository(tmp_path_factory.mktemp("repository"))
    repository.write({"a.md": "# A\n"})
    response = client.post("/api/sources", json={"kind": "git", "name": "docs", "config": {"url": repository.url}})
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


def upload(client: httpx.Client, source_id: str, key: str, text: str) -> httpx.Response:
    body = {"key": key, "text": text, "media_type": "text/x-other"}
    return client.put(f"/api/sources/{source_id}/documents", json=body)


def test_requests_are_answered_while_a_parser_holds_the_interpreter(client: httpx.Client, source_id: str) -> None:
    """Order of events: all heartbeats and lists are answered before the upload, which spins for its whole budget."""
    events: list[object] = []
    uploading = threading.Event()

    def spin() -> None:
        uploading.set()
        events.append(upload(client, source_id, "a.bad", "hold the interpreter"))

    thread = threading.Thread(target=spin)
    thread.start()
    uploading.wait()
    for n in range(BEATS):
        assert client.get("/heartbeat").status_code == 200
        assert client.get("/api/documents").status_code == 200
        events.append(n)
    thread.join()
    *beats, refused = events
    assert beats == [*range(BEATS)]
    assert isinstance(refused, httpx.Response)
    assert refused.status_code == 422
    assert refused.json()["detail"] == (
        "text: Parsing took longer than 2 s and was stopped. Split the file, or exclude it from the source."
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("exit", "ended in 'parse' (exit code 3)."),
        ("crash", "ended in 'parse' (signal 11)."),
        ("grow", "Parsing needed more than 384 MB of memory and was stopped."),
        ("raise", "failed in 'parse': ValueError: not a letter."),
    ],
)
def test_upload_that_breaks_its_parser_is_refused_with_the_reason(
    client: httpx.Client, source_id: str, text: str, reason: str
) -> None:
    refused = upload(client, source_id, "a.bad", text)
    assert (refused.status_code, reason in refused.json()["detail"]) == (422, True), refused.text
