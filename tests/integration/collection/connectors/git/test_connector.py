"""Listings and files of the Git connector, from real repositories over HTTP and from disk."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from functions.collection.connectors.git.config import GitConfig, GitLimits
from functions.collection.connectors.git.connector import NO_COMMIT, GitConnector
from functions.collection.connectors.registry import SourceReader
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials
from headwater.blobs import Blobs, open_blobs
from headwater.config import Settings
from headwater.connectors import Fetched, Listing
from headwater.errors import PermanentError, UnprocessableContent
from headwater.outbound.guarded_http import guarded_http
from tests.harness.git_server import GIT, File, Name, Submodule, Symlink, commit, git, make_repository, serve

pytestmark = pytest.mark.skipif(GIT is None, reason="needs git on the PATH")

TRANSPORTS = ["partial clone", "shallow clone", "shallow clone, protocol 0", "file"]
UrlOf = Callable[[Path], str]

NOISE = bytes(range(256)) * 8
FILES: dict[Name, File] = {
    "README.md": b"# Read me\n",
    "readme.md": b"# read me\n",
    "docs/guide.md": b"# Guide\n" + b"text\n" * 500,
    "docs/guide2.md": b"# Guide\n" + b"text\n" * 500 + b"more\n",
    "docs/deep/er/page.mdx": b"<Page/>\n",
    "docs/copy.md": b"# Read me\n",
    "docs/empty.md": b"",
    "docs/binary.md": NOISE,
    "docs/picture.png": NOISE,
    "docs/über \n\t'\"#?.md": b"odd\n",
    "docs/link.md": Symlink("guide.md"),
    "docs/folder-link": Symlink("deep"),
    b"docs/latin-\xe9.md": b"caf\xe9\n",
    b"docs/latin-\xe9.png": b"",
    "vendor/lib": Submodule("1" * 40),
    "src/main.py": b"print()\n",
}
COLLECTED = {
    key: content for key, content in FILES.items() if str(key).endswith((".md", ".mdx")) and isinstance(key, str)
}
COLLECTED.pop("docs/link.md")


def make_connector(*, limits: GitLimits | None = None, blobs: Blobs | None = None) -> GitConnector:
    return GitConnector(
        http=guarded_http(allow_private=True),
        blobs=blobs or open_blobs("memory:///"),
        stage_prefix="staged/source",
        file_urls=True,
        limits=limits,
    )


@contextmanager
def serving(transport: str, repositories: Path) -> Iterator[UrlOf]:
    """Make the repositories available; yields the function that returns a repository's URL."""
    if transport == "file":
        yield lambda repository: repository.as_uri()
        return
    with serve(repositories, partial=transport == "partial clone", protocol_v2="protocol 0" not in transport) as server:
        yield lambda repository: f"{server.url}/{repository.name}"


@pytest.fixture(params=TRANSPORTS)
def url_of(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[UrlOf]:
    with serving(request.param, tmp_path) as url_of:
        yield url_of


def files_of(connector: GitConnector, config: GitConfig, listing: Listing) -> dict[str, Fetched]:
    fetched = list(connector.fetch(config, None, listing.snapshot, listing.entries))
    assert len({file.key for file in fetched}) == len(fetched)
    return {file.key: file for file in fetched}


def test_listing_and_files_are_the_same_over_every_transport(url_of: UrlOf, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "r.git", FILES)
    connector, config = make_connector(), GitConfig(url=url_of(repository))
    connector.check(config, None)

    listing = connector.list(config, None, None, frozenset())
    assert listing.snapshot == git("rev-parse", "HEAD", cwd=repository)
    assert {entry.key for entry in listing.entries} == set(COLLECTED)
    for entry in listing.entries:
        assert entry.fingerprint == git("rev-parse", f"HEAD:{entry.key}", cwd=repository)

    fetched = files_of(connector, config, listing)
    assert {key: file.content for key, file in fetched.items()} == COLLECTED
    assert {file.error for file in fetched.values()} == {None}
    assert {file.media_type for file in fetched.values()} == {"text/markdown"}


def test_listing_reports_skipped_entries_with_the_reason(url_of: UrlOf, tmp_path: Path) -> None:
    config = GitConfig(url=url_of(make_repository(tmp_path / "r.git", FILES)))
    skipped = dict(make_connector().list(config, None, None, frozenset()).skipped)
    assert set(skipped) == {"docs/link.md", "docs/latin-\\xe9.md", "vendor/lib"}
    assert "symbolic link" in skipped["docs/link.md"]
    assert "UTF-8" in skipped["docs/latin-\\xe9.md"]
    assert "submodule" in skipped["vendor/lib"]


def test_path_and_patterns_limit_the_listing(url_of: UrlOf, tmp_path: Path) -> None:
    url = url_of(make_repository(tmp_path / "r.git", FILES))

    def keys(**fields: object) -> set[str]:
        listing = make_connector().list(GitConfig(url=url, **fields), None, None, frozenset())  # type: ignore[arg-type]
        return {entry.key for entry in listing.entries}

    assert keys(path="docs/deep") == {"docs/deep/er/page.mdx"}
    assert keys(path="docs/guide.md") == {"docs/guide.md"}
    assert keys(path="docs", include=("*.md",)) == set()  # patterns match the whole path
    assert keys(include=("*.md",)) == {"README.md", "readme.md"}
    assert keys(include=("**/*.py", "**/*.mdx")) == {"src/main.py", "docs/deep/er/page.mdx"}
    assert keys(exclude=("docs/",)) == {"README.md", "readme.md"}


@pytest.mark.parametrize("path", ["nope", "docs/nope", "Docs", "README.md/x"])
def test_missing_path_is_a_permanent_error(url_of: UrlOf, tmp_path: Path, path: str) -> None:
    config = GitConfig(url=url_of(make_repository(tmp_path / "r.git", FILES)), path=path)
    with pytest.raises(PermanentError, match=path.rpartition("/")[2]):
        make_connector().list(config, None, None, frozenset())


def test_listing_of_a_repository_without_commits_is_empty(url_of: UrlOf, tmp_path: Path) -> None:
    config = GitConfig(url=url_of(make_repository(tmp_path / "r.git", {})))
    connector = make_connector()
    connector.check(config, None)
    assert connector.list(config, None, None, frozenset()) == Listing(snapshot=NO_COMMIT, entries=[])
    assert list(connector.fetch(config, None, NO_COMMIT, [])) == []


def test_branch_is_listed_and_an_unknown_one_names_the_branches(url_of: UrlOf, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "r.git", {"a.md": b"main\n"})
    commit(repository, {"b.md": b"dev\n"}, branch="dev/next")
    url, connector = url_of(repository), make_connector()
    listing = connector.list(GitConfig(url=url, branch="dev/next"), None, None, frozenset())
    assert [entry.key for entry in listing.entries] == ["b.md"]
    config = GitConfig(url=url, branch="dev")
    with pytest.raises(UnprocessableContent, match=r"no branch 'dev'\. Branches: dev/next, main\."):
        connector.check(config, None)
    with pytest.raises(PermanentError, match=r"no branch 'dev'\. Branches: dev/next, main\."):
        connector.list(config, None, None, frozenset())


def test_default_branch_without_commits_names_the_other_branches(url_of: UrlOf, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "r.git", {"a.md": b"a\n"})
    git("symbolic-ref", "HEAD", "refs/heads/gone", cwd=repository)
    with pytest.raises(PermanentError, match=r"default branch has no commits\. Set `branch` to one of: main\."):
        make_connector().list(GitConfig(url=url_of(repository)), None, None, frozenset())


def test_fetch_reads_the_listed_commit_after_the_branch_moved(url_of: UrlOf, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "r.git", {"a.md": b"old\n", "b.md": b"same\n"})
    connector, config = make_connector(), GitConfig(url=url_of(repository))
    listing = connector.list(config, None, None, frozenset())
    commit(repository, {"a.md": b"new\n"})
    assert files_of(connector, config, listing)["a.md"].content == b"old\n"


@pytest.fixture(scope="module")
def repository_with_a_large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files: dict[Name, File] = {"a.md": b"a\n", "big.md": b"\n" * 60_000_000, "z.md": b"z\n"}
    return make_repository(tmp_path_factory.mktemp("big") / "r.git", files)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_file_over_the_limit_fails_alone(transport: str, repository_with_a_large_file: Path) -> None:
    with serving(transport, repository_with_a_large_file.parent) as url_of:
        connector, config = make_connector(), GitConfig(url=url_of(repository_with_a_large_file))
        fetched = files_of(connector, config, connector.list(config, None, None, frozenset()))
    assert fetched["a.md"].content == b"a\n"
    assert fetched["z.md"].content == b"z\n"
    assert fetched["big.md"].content is None
    assert fetched["big.md"].error == "big.md has 60.0 MB, more than the limit of 10 MB (MAX_FILE_BYTES)"


def test_repository_over_the_limit_names_the_setting(url_of: UrlOf, tmp_path: Path) -> None:
    files: dict[Name, File] = {f"{n:04}.md": n.to_bytes(4, "big") * 5 for n in range(3_000)}
    config = GitConfig(url=url_of(make_repository(tmp_path / "r.git", files)))
    with pytest.raises(PermanentError, match="MAX_REPO_BYTES"):
        make_connector(limits=GitLimits(max_repo_bytes=10_000)).list(config, None, None, frozenset())


def test_repository_with_sha256_is_listed_and_fetched(url_of: UrlOf, tmp_path: Path) -> None:
    files: dict[Name, File] = {f"d{n % 7}/{n}.md": b"text %d\n" % n * 50 for n in range(100)}
    repository = make_repository(tmp_path / "r.git", files, object_format="sha256")
    connector, config = make_connector(), GitConfig(url=url_of(repository))
    listing = connector.list(config, None, None, frozenset())
    assert len(listing.snapshot) == 64
    assert {key: file.content for key, file in files_of(connector, config, listing).items()} == files


def test_work_tree_is_read_from_its_folder(tmp_path: Path) -> None:
    bare = make_repository(tmp_path / "r.git", FILES)
    git("clone", "--quiet", bare, tmp_path / "work tree")
    connector, config = make_connector(), GitConfig(url=(tmp_path / "work tree").as_uri())
    fetched = files_of(connector, config, connector.list(config, None, None, frozenset()))
    assert {key: file.content for key, file in fetched.items()} == COLLECTED


def test_settings_limit_what_a_source_reads(tmp_path: Path) -> None:
    url = make_repository(tmp_path / "r.git", FILES).as_uri()

    def open_source(url: str, **settings: Any) -> SourceReader:
        credentials = Credentials(uuid.uuid4(), "git", {"url": url}, None, None)
        return SourceOpener(Settings(database_url="", **settings)).open(credentials)

    assert len(open_source(url, fetch_file_urls=True).list(None, frozenset()).entries) == len(COLLECTED)
    with pytest.raises(UnprocessableContent, match="FETCH_FILE_URLS"):
        open_source(url).check()
    with pytest.raises(PermanentError, match="MAX_REPO_BYTES"):
        open_source(url, fetch_file_urls=True, max_repo_bytes=100).list(None, frozenset())
    with serve(tmp_path, partial=True) as server:
        url = f"{server.url}/r.git"
        with pytest.raises(UnprocessableContent, match="FETCH_PRIVATE"):
            open_source(url).check()
        open_source(url, fetch_private=True).check()
        listing = open_source(url, fetch_private=True).list(None, frozenset())
        fetched = open_source(url, fetch_private=True, max_file_bytes=100).fetch(listing.snapshot, listing.entries)
        assert {file.key for file in fetched if file.error} == {"docs/guide.md", "docs/guide2.md", "docs/binary.md"}
