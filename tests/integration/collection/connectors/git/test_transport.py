"""How the Git connector behaves on the wire: bytes, tokens, redirects, staging, and every way a server can fail."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from functions.collection.connectors.git.config import GitConfig
from functions.collection.connectors.git.connector import GitConnector
from functions.collection.connectors.git.limits import GitLimits
from headwater.blobs import Blobs, open_blobs
from headwater.connectors import Entry
from headwater.errors import HeadwaterError, PermanentError, SystemicError, UnprocessableContent, UpstreamError
from headwater.outbound import guarded_http
from tests.harness.git_server import GIT, File, Name, Server, commit, git, make_repository, serve

pytestmark = pytest.mark.skipif(GIT is None, reason="needs git on the PATH")

FILES: dict[Name, File] = {f"d{n % 40:02}/{n:04}.md": f"# Page {n}\n".encode() + bytes(2) * n for n in range(60)}
NOISE = random.Random(1)  # what can't be compressed
SECRET = "hw-s3cret-token"
Answer = Callable[[BaseHTTPRequestHandler], bool]


def connector(
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


def contents(source: GitConnector, config: GitConfig, snapshot: str, entries: list[Entry]) -> dict[str, bytes | None]:
    return {file.key: file.content for file in source.fetch(config, None, snapshot, entries)}


def refuse(status: int, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> bool:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        return True

    return answer


def send(body: bytes, content_type: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Type", content_type)
        handler.end_headers()
        handler.wfile.write(body)
        return True

    return answer


def failure(source: GitConnector, config: GitConfig, token: str | None = None) -> HeadwaterError:
    """List, and return the error that this ends with, having seen that `check` says the same."""
    with pytest.raises(HeadwaterError) as caught:
        source.list(config, token, None, frozenset())
    with pytest.raises(UnprocessableContent) as checked:
        source.check(config, token)
    assert checked.value.message == caught.value.message
    assert caught.value.message.endswith(".")
    assert SECRET not in repr(caught.value)
    return caught.value


def test_a_commit_of_one_file_costs_a_twentieth_of_the_repository_at_most(tmp_path: Path) -> None:
    noise: dict[Name, File] = {f"n/{n}.md": NOISE.randbytes(30_000) for n in range(100)}
    repository = make_repository(tmp_path / "r.git", noise)
    whole = sum(file.stat().st_size for file in repository.rglob("*.pack"))
    assert whole > 2_000_000
    with serve(tmp_path, partial=True) as server:
        source, config = connector(), config_of(server)
        before = {entry.fingerprint for entry in source.list(config, None, None, frozenset()).entries}
        commit(repository, {"n/7.md": b"new\n"})
        server.reset()
        listing = source.list(config, None, None, before)
        changed = [entry for entry in listing.entries if entry.fingerprint not in before]
        assert contents(source, config, listing.snapshot, changed) == {"n/7.md": b"new\n"}
        assert 0 < server.bytes_sent < whole / 20


def test_a_batch_is_fetched_in_three_requests_and_brings_its_own_files_only(server: Server) -> None:
    source, config = connector(), config_of(server)
    listing = source.list(config, None, None, frozenset())
    batch = listing.entries[10:30]
    server.reset()
    assert contents(source, config, listing.snapshot, batch) == {entry.key: FILES[entry.key] for entry in batch}
    assert len(server.requests) == 3


def test_a_batch_over_the_transfer_limit_is_fetched_file_by_file(tmp_path: Path) -> None:
    noise: dict[Name, File] = {f"{n}.md": NOISE.randbytes(30_000) for n in range(5)}
    make_repository(tmp_path / "r.git", noise)
    with serve(tmp_path, partial=True) as server:
        source, config = connector(limits=GitLimits(max_batch_bytes=50_000)), config_of(server)
        listing = source.list(config, None, None, frozenset())
        server.reset()
        assert contents(source, config, listing.snapshot, listing.entries) == noise
        assert len(server.requests) == 3 + len(noise)


@pytest.mark.parametrize("partial", [True, False])
def test_a_repository_whose_folders_take_too_much_is_refused(repository: Path, partial: bool) -> None:
    with serve(repository.parent, partial=partial) as server:
        source = connector(limits=GitLimits(max_trees_bytes=2_000))
        with pytest.raises(PermanentError, match="its folders take more than 2,000 bytes"):
            source.list(config_of(server), None, None, frozenset())


def test_a_repository_that_unpacks_to_far_more_than_arrived_is_refused(tmp_path: Path) -> None:
    make_repository(tmp_path / "r.git", {"a.md": b"a\n", "zeros.md": bytes(300_000)})
    with serve(tmp_path, partial=False) as server:
        with pytest.raises(PermanentError, match="more than can be read: it unpacks to more than 100,000 bytes"):
            connector(limits=GitLimits(min_unpacked_bytes=100_000)).list(config_of(server), None, None, frozenset())
        assert len(connector().list(config_of(server), None, None, frozenset()).entries) == 2


def test_a_batch_that_unpacks_to_far_more_than_arrived_is_fetched_file_by_file(tmp_path: Path) -> None:
    zeros: dict[Name, File] = {f"{n}.md": bytes(60_000 + n) for n in range(3)}
    make_repository(tmp_path / "r.git", zeros)
    with serve(tmp_path, partial=True) as server:
        source, config = connector(limits=GitLimits(min_unpacked_bytes=100_000)), config_of(server)
        listing = source.list(config, None, None, frozenset())
        assert contents(source, config, listing.snapshot, listing.entries) == zeros


def test_a_file_far_over_the_limit_is_given_up_after_its_first_bytes(tmp_path: Path) -> None:
    make_repository(tmp_path / "r.git", {"a.md": b"a\n", "big.md": NOISE.randbytes(20_000_000)})
    with serve(tmp_path, partial=True) as server:
        source = connector(limits=GitLimits(max_file_bytes=1_000_000, max_batch_bytes=1_000_000))
        listing = source.list(config_of(server), None, None, frozenset())
        server.reset()
        files = {file.key: file for file in source.fetch(config_of(server), None, listing.snapshot, listing.entries)}
        assert files["a.md"].content == b"a\n"
        assert files["big.md"].error == "big.md is 20.0 MB, over the limit of 1 MB (MAX_FILE_BYTES)"
        assert server.bytes_sent < 12_000_000  # two aborted transfers, and what was in the sockets' buffers


def test_a_token_opens_a_protected_repository(repository: Path) -> None:
    with serve(repository.parent, partial=True, token=SECRET) as server:
        source, config = connector(), config_of(server)
        source.check(config, SECRET)
        listing = source.list(config, SECRET, None, frozenset())
        assert len(list(source.fetch(config, SECRET, listing.snapshot, listing.entries))) == len(FILES)
        assert len(list(source.fetch(config, f"anybody:{SECRET}", listing.snapshot, listing.entries))) == len(FILES)
        assert None not in server.authorizations


def test_a_protected_repository_says_that_it_needs_a_token_or_a_better_one(repository: Path) -> None:
    with serve(repository.parent, partial=True, token="another") as server:
        without, wrong = failure(connector(), config_of(server)), failure(connector(), config_of(server), SECRET)
    assert isinstance(without, PermanentError)
    assert "needs a token" in without.message
    assert isinstance(wrong, PermanentError)
    assert "token is wrong" in wrong.message


def test_a_redirect_on_the_same_host_is_followed_with_the_token(repository: Path) -> None:
    with serve(repository.parent, partial=True, token=SECRET) as server:

        def move(handler: BaseHTTPRequestHandler) -> bool:
            return handler.path.startswith("/old/") and refuse(302, Location=handler.path.removeprefix("/old"))(handler)

        server.answer = move
        source, config = connector(), GitConfig(url=f"{server.url}/old/r.git")
        listing = source.list(config, SECRET, None, frozenset())
        assert len(list(source.fetch(config, SECRET, listing.snapshot, listing.entries))) == len(FILES)
        assert None not in server.authorizations


def test_a_token_stays_behind_when_a_redirect_leads_to_another_host(server: Server, tmp_path: Path) -> None:
    with serve(tmp_path, partial=True) as front:
        front.answer = lambda handler: refuse(301, Location=server.url + handler.path)(handler)
        listing = connector().list(config_of(front), SECRET, None, frozenset())
    assert len(listing.entries) == len(FILES)
    assert set(front.authorizations) != {None}
    assert set(server.authorizations) == {None}


def test_a_redirect_to_a_metadata_service_is_refused(server: Server) -> None:
    server.answer = refuse(302, Location="http://169.254.169.254/r.git/info/refs?service=git-upload-pack")
    error = failure(connector(), config_of(server))
    assert isinstance(error, PermanentError)
    assert error.message == "169.254.169.254 is a metadata address. Headwater does not fetch from such addresses."


def test_endless_redirects_are_given_up(server: Server) -> None:
    server.answer = lambda handler: refuse(302, Location=handler.path)(handler)
    error = failure(connector(), config_of(server))
    assert isinstance(error, PermanentError)
    assert "redirects too often" in error.message


def test_a_redirect_to_another_scheme_is_refused(server: Server) -> None:
    server.answer = refuse(302, Location="ftp://example.org/r.git")
    assert isinstance(failure(connector(), config_of(server)), PermanentError)


def test_a_private_address_is_refused_where_it_is_not_allowed(server: Server) -> None:
    error = failure(connector(allow_private=False), config_of(server))
    assert isinstance(error, PermanentError)
    assert error.message.startswith("127.0.0.1 is a loopback address. This installation does not fetch from private")
    assert server.requests == []


def test_file_urls_are_refused_where_they_are_not_allowed(repository: Path) -> None:
    error = failure(connector(), GitConfig(url=repository.as_uri()))
    assert isinstance(error, PermanentError)
    assert "FETCH_FILE_URLS" in error.message


def test_a_folder_that_is_no_repository_is_named(tmp_path: Path) -> None:
    assert str(tmp_path) in failure(connector(files=True), GitConfig(url=tmp_path.as_uri())).message
    assert "No Git" not in failure(connector(files=True), GitConfig(url=f"{tmp_path.as_uri()}/nope")).message


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (refuse(404), SystemicError, "There is no Git repository at"),
        (refuse(410), SystemicError, "There is no Git repository at"),
        (refuse(401), SystemicError, "needs a token"),
        (refuse(403), SystemicError, "needs a token"),
        (refuse(418), SystemicError, "HTTP 418"),
        (refuse(500), UpstreamError, "HTTP 500"),
        (refuse(503), UpstreamError, "HTTP 503"),
        (refuse(429), UpstreamError, "HTTP 429"),
        (send(b"<html>", "text/html"), SystemicError, "isn't a Git repository"),
        (send(b"", "application/x-git-upload-pack-advertisement"), UpstreamError, "ended the transfer early"),
        (send(b"000dERR boom\n", "application/x-git-upload-pack-advertisement"), UpstreamError, "boom"),
        (send(b"zzzz", "application/x-git-upload-pack-advertisement"), UpstreamError, "try again later"),
        (send(b"\0" * 99, "application/x-git-upload-pack-advertisement"), UpstreamError, "try again later"),
        (send(b"0004" * 9, "application/x-git-upload-pack-advertisement"), UpstreamError, "try again later"),
    ],
)
def test_what_a_server_answers_becomes_an_error_that_says_what_to_do(
    server: Server, answer: Answer, kind: type[HeadwaterError], said: str
) -> None:
    server.answer = answer
    error = failure(connector(), config_of(server))
    assert type(error) is kind
    assert said in error.message


def test_a_server_that_is_busy_says_for_how_long(server: Server) -> None:
    for status in (429, 503, 403):
        server.answer = refuse(status, Retry_After="17")
        error = failure(connector(), config_of(server))
        assert isinstance(error, UpstreamError)
        assert error.retry_after_s == 17


def test_a_server_that_fails_between_two_requests_is_an_upstream_error(server: Server) -> None:
    server.answer = lambda handler: handler.command == "POST" and refuse(502)(handler)
    assert isinstance(failure(connector(), config_of(server)), UpstreamError)


def test_a_host_that_is_not_there_is_an_upstream_error(free_port: Callable[[], int]) -> None:
    error = failure(connector(), GitConfig(url=f"http://127.0.0.1:{free_port()}/r.git"))
    assert isinstance(error, UpstreamError)
    assert "can't be reached" in error.message


def test_a_host_name_that_does_not_resolve_is_told_as_that() -> None:
    error = failure(connector(), GitConfig(url="https://no-such-host.invalid/r.git"))
    assert isinstance(error, UpstreamError)
    assert error.message.startswith("The host no-such-host.invalid was not found")


def test_a_host_name_that_cannot_be_one_is_told_as_that() -> None:
    assert isinstance(failure(connector(), GitConfig(url="https://ho%st.example/r.git")), PermanentError)


def test_a_server_without_tls_is_told_as_that(server: Server) -> None:
    error = failure(connector(), GitConfig(url=server.url.replace("http://", "https://") + "/r.git"))
    assert isinstance(error, UpstreamError)
    assert "TLS" in error.message


def test_a_server_that_does_not_answer_is_given_up(server: Server) -> None:
    released = threading.Event()
    server.answer = lambda handler: released.wait(30) and refuse(500)(handler)
    try:
        error = failure(connector(limits=GitLimits(transfer_s=0.2, check_s=0.2)), config_of(server))
    finally:
        released.set()
    assert isinstance(error, UpstreamError)
    assert "did not answer in time" in error.message


def test_a_server_that_drips_is_given_up_at_the_deadline(server: Server) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> bool:
        send(b"", "application/x-git-upload-pack-advertisement")(handler)
        try:
            for _ in range(600):
                handler.wfile.write(b"0")
                time.sleep(0.05)
        except ConnectionError:
            handler.close_connection = True
        return True

    server.answer = drip
    with pytest.raises(UpstreamError, match=r"too slow|isn't Git's protocol|don't understand"):
        connector(limits=GitLimits(transfer_s=0.15)).list(config_of(server), None, None, frozenset())


def test_a_blob_that_is_gone_from_the_server_is_a_lasting_error_that_says_so(server: Server) -> None:
    source, config = connector(), config_of(server)
    listing = source.list(config, None, None, frozenset())
    with pytest.raises(PermanentError, match="collect again"):
        list(source.fetch(config, None, "1" * 40, [*listing.entries[:2], Entry("gone.md", "2" * 40)]))


def test_a_shallow_clone_stages_what_is_not_known_below_its_prefix(repository: Path) -> None:
    blobs = open_blobs("memory:///")
    source = connector(blobs=blobs)
    with serve(repository.parent, partial=False) as server:
        config = config_of(server)
        fingerprints = [entry.fingerprint for entry in source.list(config, None, None, frozenset()).entries]
        blobs.delete_prefix("staged/source")
        listing = source.list(config, None, None, frozenset(fingerprints[1:]))
        staged = [f"staged/source/{listing.snapshot}/{fingerprint}" for fingerprint in fingerprints]
        assert [blobs.exists(key) for key in staged] == [True] + [False] * (len(FILES) - 1)
        server.reset()
        first = listing.entries[:1]
        assert contents(source, config, listing.snapshot, first) == {first[0].key: FILES[first[0].key]}
        assert server.bytes_sent < 1_000  # only what the server says of itself


def test_staged_files_that_are_gone_are_staged_again(repository: Path) -> None:
    blobs = open_blobs("memory:///")
    source = connector(blobs=blobs)
    with serve(repository.parent, partial=False) as server:
        config = config_of(server)
        listing = source.list(config, None, None, frozenset())
        commit(repository, {"later.md": b"later\n"})
        blobs.delete_prefix("staged/source")
        assert contents(source, config, listing.snapshot, listing.entries) == FILES
        server.reset()
        assert contents(source, config, listing.snapshot, listing.entries) == FILES
        assert server.bytes_sent < 1_000


def test_a_file_that_was_taken_for_known_can_still_be_fetched(repository: Path) -> None:
    blobs = open_blobs("memory:///")
    source = connector(blobs=blobs)
    with serve(repository.parent, partial=False) as server:
        config = config_of(server)
        known = frozenset(entry.fingerprint for entry in source.list(config, None, None, frozenset()).entries)
        blobs.delete_prefix("staged/source")
        commit(repository, {"moved.md": FILES["d00/0000.md"], "d00/0000.md": None})
        listing = source.list(config, None, None, known)
        moved = [entry for entry in listing.entries if entry.key == "moved.md"]
        assert contents(source, config, listing.snapshot, moved) == {"moved.md": FILES["d00/0000.md"]}


def test_a_staged_file_the_server_no_longer_has_is_a_lasting_error_that_says_so(repository: Path) -> None:
    blobs = open_blobs("memory:///")
    source = connector(blobs=blobs)
    with serve(repository.parent, partial=False, protocol_v2=False) as server:
        config = config_of(server)
        listing = source.list(config, None, None, frozenset())
        blobs.delete_prefix("staged/source")
        git("update-ref", "-d", "refs/heads/main", cwd=repository)
        commit(repository, {"later.md": b"later\n"})  # protocol 0 gives out only what a branch leads to
        with pytest.raises(PermanentError, match="collect again"):
            list(source.fetch(config, None, listing.snapshot, listing.entries))


def test_a_repository_of_many_branches_is_asked_for_one_only(server: Server, repository: Path) -> None:
    head = git("rev-parse", "HEAD", cwd=repository)
    lines = "".join(f"create refs/heads/branch-{n:05} {head}\n" for n in range(2_000))
    git("update-ref", "--stdin", cwd=repository, stdin=lines.encode())
    connector().check(config_of(server), None)
    assert server.bytes_sent < 2_000
