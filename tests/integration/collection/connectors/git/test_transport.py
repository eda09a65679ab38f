"""Git over HTTP: transferred bytes, limits, tokens, redirects, and errors of servers."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from functions.collection.connectors.git.config import GitConfig, GitLimits
from functions.collection.connectors.git.connector import GitConnector
from headwater.blobs import Blobs, open_blobs
from headwater.connectors import Entry
from headwater.errors import HeadwaterError, PermanentError, SystemicError, UnprocessableContent, UpstreamError
from headwater.outbound.guarded_http import guarded_http
from tests.harness.git_server import GIT, File, Name, Server, commit, git, make_repository, serve

pytestmark = pytest.mark.skipif(GIT is None, reason="needs git on the PATH")

FILES: dict[Name, File] = {f"d{n % 40:02}/{n:04}.md": f"# Page {n}\n".encode() + bytes(2) * n for n in range(60)}
NOISE = random.Random(1)  # its bytes cannot be compressed
SECRET = "hw-s3cret-token"
ADVERTISEMENT = "application/x-git-upload-pack-advertisement"
Response = Callable[[BaseHTTPRequestHandler], bool]


def make_connector(
    *, limits: GitLimits | None = None, blobs: Blobs | None = None, allow_private: bool = True, files: bool = False
) -> GitConnector:
    return GitConnector(
        http=guarded_http(allow_private=allow_private),
        blobs=blobs or open_blobs("memory:///"),
        stage_prefix="staged/source",
        file_urls=files,
        limits=limits,
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "r.git", FILES)


@pytest.fixture
def server(repository: Path) -> Iterator[Server]:
    with serve(repository.parent, partial=True) as running:
        yield running


def config_of(server: Server) -> GitConfig:
    return GitConfig(url=f"{server.url}/r.git")


def contents(
    connector: GitConnector, config: GitConfig, snapshot: str, entries: list[Entry]
) -> dict[str, bytes | None]:
    return {file.key: file.content for file in connector.fetch(config, None, snapshot, entries)}


def status(code: int, **headers: str) -> Response:
    def respond(handler: BaseHTTPRequestHandler) -> bool:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        return True

    return respond


def body(content: bytes, content_type: str) -> Response:
    def respond(handler: BaseHTTPRequestHandler) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Type", content_type)
        handler.end_headers()
        handler.wfile.write(content)
        return True

    return respond


def failure(connector: GitConnector, config: GitConfig, token: str | None = None) -> HeadwaterError:
    """Return the error of `list`. Asserts that `check` has the same message."""
    with pytest.raises(HeadwaterError) as caught:
        connector.list(config, token, None, frozenset())
    with pytest.raises(UnprocessableContent) as checked:
        connector.check(config, token)
    assert checked.value.message == caught.value.message
    assert caught.value.message.endswith(".")
    assert SECRET not in repr(caught.value)
    return caught.value


def test_commit_of_one_file_transfers_under_a_twentieth_of_the_pack(tmp_path: Path) -> None:
    noise: dict[Name, File] = {f"n/{n}.md": NOISE.randbytes(30_000) for n in range(100)}
    repository = make_repository(tmp_path / "r.git", noise)
    whole = sum(file.stat().st_size for file in repository.rglob("*.pack"))
    assert whole > 2_000_000
    with serve(tmp_path, partial=True) as server:
        connector, config = make_connector(), config_of(server)
        before = {entry.fingerprint for entry in connector.list(config, None, None, frozenset()).entries}
        commit(repository, {"n/7.md": b"new\n"})
        server.reset()
        listing = connector.list(config, None, None, before)
        changed = [entry for entry in listing.entries if entry.fingerprint not in before]
        assert contents(connector, config, listing.snapshot, changed) == {"n/7.md": b"new\n"}
        assert 0 < server.bytes_sent < whole / 20


def test_batch_is_fetched_in_three_requests(server: Server) -> None:
    connector, config = make_connector(), config_of(server)
    listing = connector.list(config, None, None, frozenset())
    batch = listing.entries[10:30]
    server.reset()
    assert contents(connector, config, listing.snapshot, batch) == {entry.key: FILES[entry.key] for entry in batch}
    assert len(server.requests) == 3


def test_batch_over_the_transfer_limit_is_fetched_file_by_file(tmp_path: Path) -> None:
    noise: dict[Name, File] = {f"{n}.md": NOISE.randbytes(30_000) for n in range(5)}
    make_repository(tmp_path / "r.git", noise)
    with serve(tmp_path, partial=True) as server:
        connector, config = make_connector(limits=GitLimits(max_batch_bytes=50_000)), config_of(server)
        listing = connector.list(config, None, None, frozenset())
        server.reset()
        assert contents(connector, config, listing.snapshot, listing.entries) == noise
        assert len(server.requests) == 3 + len(noise)


@pytest.mark.parametrize("partial", [True, False])
def test_repository_with_too_large_folders_is_rejected(repository: Path, partial: bool) -> None:
    with serve(repository.parent, partial=partial) as server:
        connector = make_connector(limits=GitLimits(max_trees_bytes=2_000))
        with pytest.raises(PermanentError, match="its folders have more than 2,000 bytes"):
            connector.list(config_of(server), None, None, frozenset())


def test_repository_that_unpacks_to_too_much_is_rejected(tmp_path: Path) -> None:
    make_repository(tmp_path / "r.git", {"a.md": b"a\n", "zeros.md": bytes(300_000)})
    with serve(tmp_path, partial=False) as server:
        with pytest.raises(PermanentError, match="too large to read: it unpacks to more than 100,000 bytes"):
            make_connector(limits=GitLimits(min_unpacked_bytes=100_000)).list(
                config_of(server), None, None, frozenset()
            )
        assert len(make_connector().list(config_of(server), None, None, frozenset()).entries) == 2


def test_batch_that_unpacks_to_too_much_is_fetched_file_by_file(tmp_path: Path) -> None:
    zeros: dict[Name, File] = {f"{n}.md": bytes(60_000 + n) for n in range(3)}
    make_repository(tmp_path / "r.git", zeros)
    with serve(tmp_path, partial=True) as server:
        connector, config = make_connector(limits=GitLimits(min_unpacked_bytes=100_000)), config_of(server)
        listing = connector.list(config, None, None, frozenset())
        assert contents(connector, config, listing.snapshot, listing.entries) == zeros


def test_transfer_of_a_file_over_the_limit_is_aborted(tmp_path: Path) -> None:
    make_repository(tmp_path / "r.git", {"a.md": b"a\n", "big.md": NOISE.randbytes(20_000_000)})
    with serve(tmp_path, partial=True) as server:
        connector = make_connector(limits=GitLimits(max_file_bytes=1_000_000, max_batch_bytes=1_000_000))
        listing = connector.list(config_of(server), None, None, frozenset())
        server.reset()
        files = {file.key: file for file in connector.fetch(config_of(server), None, listing.snapshot, listing.entries)}
        assert files["a.md"].content == b"a\n"
        assert files["big.md"].error == "big.md has 20.0 MB, more than the limit of 1 MB (MAX_FILE_BYTES)"
        assert server.bytes_sent < 12_000_000  # two aborted transfers and the sockets' buffers


def test_token_opens_a_protected_repository(repository: Path) -> None:
    with serve(repository.parent, partial=True, token=SECRET) as server:
        connector, config = make_connector(), config_of(server)
        connector.check(config, SECRET)
        listing = connector.list(config, SECRET, None, frozenset())
        assert len(list(connector.fetch(config, SECRET, listing.snapshot, listing.entries))) == len(FILES)
        assert len(list(connector.fetch(config, f"user:{SECRET}", listing.snapshot, listing.entries))) == len(FILES)
        assert None not in server.authorizations


def test_missing_or_wrong_token_is_a_permanent_error(repository: Path) -> None:
    with serve(repository.parent, partial=True, token="another") as server:
        missing, wrong = (
            failure(make_connector(), config_of(server)),
            failure(make_connector(), config_of(server), SECRET),
        )
    assert isinstance(missing, PermanentError)
    assert "needs an access token" in missing.message
    assert isinstance(wrong, PermanentError)
    assert "token is wrong" in wrong.message


def test_redirect_on_the_same_host_is_followed_with_the_token(repository: Path) -> None:
    with serve(repository.parent, partial=True, token=SECRET) as server:

        def redirect(handler: BaseHTTPRequestHandler) -> bool:
            return handler.path.startswith("/old/") and status(302, Location=handler.path.removeprefix("/old"))(handler)

        server.answer = redirect
        connector, config = make_connector(), GitConfig(url=f"{server.url}/old/r.git")
        listing = connector.list(config, SECRET, None, frozenset())
        assert len(list(connector.fetch(config, SECRET, listing.snapshot, listing.entries))) == len(FILES)
        assert None not in server.authorizations


def test_token_is_not_sent_to_another_host_after_a_redirect(server: Server, tmp_path: Path) -> None:
    with serve(tmp_path, partial=True) as front:
        front.answer = lambda handler: status(301, Location=server.url + handler.path)(handler)
        listing = make_connector().list(config_of(front), SECRET, None, frozenset())
    assert len(listing.entries) == len(FILES)
    assert set(front.authorizations) != {None}
    assert set(server.authorizations) == {None}


def test_redirect_to_a_metadata_service_is_rejected(server: Server) -> None:
    server.answer = status(302, Location="http://169.254.169.254/r.git/info/refs?service=git-upload-pack")
    error = failure(make_connector(), config_of(server))
    assert isinstance(error, PermanentError)
    assert error.message == "169.254.169.254 has an address that Headwater never connects to."


def test_endless_redirects_are_a_permanent_error(server: Server) -> None:
    server.answer = lambda handler: status(302, Location=handler.path)(handler)
    error = failure(make_connector(), config_of(server))
    assert isinstance(error, PermanentError)
    assert "redirects too often" in error.message


def test_redirect_to_another_scheme_is_rejected(server: Server) -> None:
    server.answer = status(302, Location="ftp://example.org/r.git")
    error = failure(make_connector(), config_of(server))
    assert isinstance(error, PermanentError)
    assert "is an invalid address, or redirects to one" in error.message


def test_private_address_is_rejected_without_a_request(server: Server) -> None:
    error = failure(make_connector(allow_private=False), config_of(server))
    assert isinstance(error, PermanentError)
    assert error.message.startswith("The address of 127.0.0.1 is not public.")
    assert server.requests == []


def test_file_url_is_rejected_unless_allowed(repository: Path) -> None:
    error = failure(make_connector(), GitConfig(url=repository.as_uri()))
    assert isinstance(error, PermanentError)
    assert "FETCH_FILE_URLS" in error.message


def test_folder_without_a_repository_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        error = failure(make_connector(files=True), GitConfig(url=folder.as_uri()))
        assert error.message.startswith(f"There is no Git repository at {folder}.")


@pytest.mark.parametrize(
    ("response", "error_type", "message"),
    [
        (status(404), SystemicError, "There is no Git repository at"),
        (status(410), SystemicError, "There is no Git repository at"),
        (status(401), SystemicError, "needs an access token"),
        (status(403), SystemicError, "needs an access token"),
        (status(418), SystemicError, "HTTP 418"),
        (status(500), UpstreamError, "HTTP 500"),
        (status(503), UpstreamError, "HTTP 503"),
        (status(429), UpstreamError, "HTTP 429"),
        (body(b"<html>", "text/html"), SystemicError, "is not a Git repository"),
        (
            body(b"", ADVERTISEMENT),
            UpstreamError,
            "ended the transfer early",
        ),
        (body(b"000dERR boom\n", ADVERTISEMENT), UpstreamError, "boom"),
        (body(b"zzzz", ADVERTISEMENT), UpstreamError, "Try again later"),
        (
            body(b"\0" * 99, ADVERTISEMENT),
            UpstreamError,
            "Try again later",
        ),
        (
            body(b"0004" * 9, ADVERTISEMENT),
            UpstreamError,
            "Try again later",
        ),
    ],
)
def test_response_of_a_server_becomes_an_error(
    server: Server, response: Response, error_type: type[HeadwaterError], message: str
) -> None:
    server.answer = response
    error = failure(make_connector(), config_of(server))
    assert type(error) is error_type
    assert message in error.message


def test_retry_after_of_a_busy_server_is_kept(server: Server) -> None:
    for code in (429, 503, 403):
        server.answer = status(code, Retry_After="17")
        error = failure(make_connector(), config_of(server))
        assert isinstance(error, UpstreamError)
        assert error.retry_after_s == 17


def test_failure_of_the_second_request_is_an_upstream_error(server: Server) -> None:
    server.answer = lambda handler: handler.command == "POST" and status(502)(handler)
    assert isinstance(failure(make_connector(), config_of(server)), UpstreamError)


def test_unreachable_host_is_an_upstream_error(free_port: Callable[[], int]) -> None:
    error = failure(make_connector(), GitConfig(url=f"http://127.0.0.1:{free_port()}/r.git"))
    assert isinstance(error, UpstreamError)
    assert "cannot be reached (Connection refused)" in error.message


def test_unknown_host_name_is_an_upstream_error() -> None:
    error = failure(make_connector(), GitConfig(url="https://no-such-host.invalid/r.git"))
    assert isinstance(error, UpstreamError)
    assert error.message.startswith("The host no-such-host.invalid was not found")


def test_invalid_host_name_is_a_permanent_error() -> None:
    error = failure(make_connector(), GitConfig(url="https://ho%st.example/r.git"))
    assert isinstance(error, PermanentError)
    assert error.message.startswith("https://ho%st.example/r.git is an invalid address")


def test_server_without_tls_is_an_upstream_error(server: Server) -> None:
    error = failure(make_connector(), GitConfig(url=server.url.replace("http://", "https://") + "/r.git"))
    assert isinstance(error, UpstreamError)
    assert "TLS" in error.message


def test_endless_headers_are_an_upstream_error(server: Server) -> None:
    server.answer = status(200, **{f"X_{n}": "x" for n in range(200)})
    error = failure(make_connector(), config_of(server))
    assert isinstance(error, UpstreamError)
    assert error.message == (
        "127.0.0.1 ended the connection, or its answer is not HTTP (got more than 100 headers). Try again later."
    )


def test_server_that_does_not_answer_is_an_upstream_error(server: Server) -> None:
    released = threading.Event()
    server.answer = lambda handler: released.wait(120) and status(500)(handler)
    try:
        error = failure(make_connector(limits=GitLimits(transfer_s=0.2, check_s=0.2)), config_of(server))
    finally:
        released.set()
    assert isinstance(error, UpstreamError)
    assert error.message == "127.0.0.1 did not finish its answer in 0.2 s. Try again later."


def test_slow_transfer_is_aborted_at_the_deadline(server: Server) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> bool:
        body(b"fff0", ADVERTISEMENT)(handler)  # the length of one line
        try:
            for _ in range(60):
                handler.wfile.write(b"0")
                time.sleep(0.05)
        except ConnectionError:
            handler.close_connection = True
        return True

    server.answer = drip
    with pytest.raises(UpstreamError, match=r"did not finish its answer in 0.15 s"):
        make_connector(limits=GitLimits(transfer_s=0.15)).list(config_of(server), None, None, frozenset())


def test_blob_missing_on_the_server_is_a_permanent_error(server: Server) -> None:
    connector, config = make_connector(), config_of(server)
    listing = connector.list(config, None, None, frozenset())
    with pytest.raises(PermanentError, match="Collect again"):
        list(connector.fetch(config, None, "1" * 40, [*listing.entries[:2], Entry("gone.md", "2" * 40)]))


def test_check_transfers_one_of_many_branches(server: Server, repository: Path) -> None:
    head = git("rev-parse", "HEAD", cwd=repository)
    lines = "".join(f"create refs/heads/branch-{n:05} {head}\n" for n in range(2_000))
    git("update-ref", "--stdin", cwd=repository, stdin=lines.encode())
    make_connector().check(config_of(server), None)
    assert server.bytes_sent < 2_000
