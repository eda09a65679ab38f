"""The Git connector against a real Git over real HTTP: the same listing and files however the repository is reached."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from functions.collection.connectors.git.config import GitConfig
from functions.collection.connectors.git.connector import NO_COMMIT, GitConnector
from functions.collection.connectors.git.limits import GitLimits
from functions.collection.connectors.registry import OpenSource
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials
from headwater.blobs import Blobs, open_blobs
from headwater.config import Settings
from headwater.connectors import Fetched, Listing
from headwater.errors import PermanentError, UnprocessableContent
from headwater.outbound import guarded_http
from tests.harness.git_server import GIT, File, Name, Submodule, Symlink, commit, git, make_repository, serve

pytestmark = pytest.mark.skipif(GIT is None, reason="needs git on the PATH")

WAYS = ["partial clone", "shallow clone", "shallow clone, protocol 0", "file"]
Reach = Callable[[Path], str]

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
WANTED = {key: content for key, content in FILES.items() if str(key).endswith((".md", ".mdx")) and isinstance(key, str)}
WANTED.pop("docs/link.md")


def connector(*, limits: GitLimits | None = None, blobs: Blobs | None = None) -> GitConnector:
    return GitConnector(
        http=guarded_http(allow_private=True),
        blobs=blobs or open_blobs("memory:///"),
        stage_prefix="staged/source",
        file_urls=True,
        limits=limits,
    )


@contextmanager
def reached(way: str, repositories: Path) -> Iterator[Reach]:
    if way == "file":
        yield lambda repository: repository.as_uri()
        return
    with serve(repositories, partial=way == "partial clone", protocol_v2="protocol 0" not in way) as server:
        yield lambda repository: f"{server.url}/{repository.name}"


@pytest.fixture(params=WAYS)
def reach(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reach]:
    with reached(request.param, tmp_path) as way:
        yield way


def files_of(source: GitConnector, config: GitConfig, listing: Listing) -> dict[str, Fetched]:
    fetched = list(source.fetch(config, None, listing.snapshot, listing.entries))
    assert len({file.key for file in fetched}) == len(fetched)
    return {file.key: file for file in fetched}


def test_every_way_lists_and_fetches_the_same(reach: Reach, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "r.git", FILES)
    source, config = connector(), GitConfig(url=reach(repository))
    source.check(config, None)

    listing = source.list(config, None, None, frozenset())
    assert listing.snapshot == git("rev-parse", "HEAD", cwd=repository)
    assert {entry.key for entry in listing.entries} == set(WANTED)
    for entry in listing.entries:
        assert entry.fingerprint == git("rev-parse", f"HEAD:{entry.key}", cwd=repository)

    fetched = files_of(source, config, listing)
    assert {key: file.content for key, file in fetched.items()} == WANTED
    assert {file.error for file in fetched.values()} == {None}
    assert {file.media_type for file in fetched.values()} == {"text/markdown"}


def test_what_is_left_out_is_told_with_the_reason(reach: Reach, tmp_path: Path) -> None:
    config = GitConfig(url=reach(make_repository(tmp_path / "r.git", FILES)))
    skipped = dict(connector().list(config, None, None, frozenset()).skipped)
    assert set(skipped) == {"docs/link.md", "docs/latin-\\xe9.md", "vendor/lib"}
    assert "symbolic link" in skipped["docs/link.md"]
    assert "UTF-8" in skipped["docs/latin-\\xe9.md"]
    assert "submodule" in skipped["vendor/lib"]


def test_a_path_and_patterns_narrow_the_listing(reach: Reach, tmp_path: Path) -> None:
    url = reach(make_repository(tmp_path / "r.git", FILES))

    def keys(**narrowed: object) -> set[str]:
        listing = connector().list(GitConfig(url=url, **narrowed), None, None, frozenset())  # type: ignore[arg-type]
        return {entry.key for entry in listing.entries}

    assert keys(path="docs/deep") == {"docs/deep/er/page.mdx"}
    assert keys(path="docs/guide.md") == {"docs/guide.md"}
    assert keys(path="docs", include=("*.md",)) == set()  # patterns are about the whole path
    assert keys(include=("*.md",)) == {"README.md", "readme.md"}
    assert keys(include=("**/*.py", "**/*.mdx")) == {"src/main.py", "docs/deep/er/page.mdx"}
    assert keys(exclude=("docs/",)) == {"README.md", "readme.md"}


@pytest.mark.parametrize("path", ["nope", "docs/nope", "Docs", "README.md/x"])
def test_a_path_that_is_not_there_is_a_lasting_error(reach: Reach, tmp_path: Path, path: str) -> None:
    config = GitConfig(url=reach(make_repository(tmp_path / "r.git", FILES)), path=path)
    with pytest.raises(PermanentError, match=path.rpartition("/")[2]):
        connector().list(config, None, None, frozenset())


def test_a_repository_without_commits_is_an_empty_listing(reach: Reach, tmp_path: Path) -> None:
    config = GitConfig(url=reach(make_repository(tmp_path / "r.git", {})))
    source = connector()
    source.check(config, None)
    assert source.list(config, None, None, frozenset()) == Listing(snapshot=NO_COMMIT, entries=[])
    assert list(source.fetch(config, None, NO_COMMIT, [])) == []


def test_another_branch_can_be_listed_and_an_unknown_one_names_those_there_are(reach: Reach, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "r.git", {"a.md": b"main\n"})
    commit(repository, {"b.md": b"dev\n"}, branch="dev/next")
    url, source = reach(repository), connector()
    listing = source.list(GitConfig(url=url, branch="dev/next"), None, None, frozenset())
    assert [entry.key for entry in listing.entries] == ["b.md"]
    config = GitConfig(url=url, branch="dev")
    with pytest.raises(UnprocessableContent, match=r"no branch 'dev'; there are: dev/next, main\."):
        source.check(config, None)
    with pytest.raises(PermanentError, match=r"no branch 'dev'; there are: dev/next, main\."):
        source.list(config, None, None, frozenset())


def test_a_default_branch_without_commits_names_the_branches_that_have_some(reach: Reach, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "r.git", {"a.md": b"a\n"})
    git("symbolic-ref", "HEAD", "refs/heads/gone", cwd=repository)
    with pytest.raises(PermanentError, match=r"default branch has no commits; set `branch` to one of: main\."):
        connector().list(GitConfig(url=reach(repository)), None, None, frozenset())


def test_a_listing_stays_pinned_while_the_branch_moves_on(reach: Reach, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "r.git", {"a.md": b"old\n", "b.md": b"same\n"})
    source, config = connector(), GitConfig(url=reach(repository))
    listing = source.list(config, None, None, frozenset())
    commit(repository, {"a.md": b"new\n"})
    assert files_of(source, config, listing)["a.md"].content == b"old\n"


@pytest.fixture(scope="module")
def with_a_big_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files: dict[Name, File] = {"a.md": b"a\n", "big.md": b"\n" * 60_000_000, "z.md": b"z\n"}
    return make_repository(tmp_path_factory.mktemp("big") / "r.git", files)


@pytest.mark.parametrize("way", WAYS)
def test_a_file_over_the_limit_is_an_error_of_its_own_and_the_others_come(way: str, with_a_big_file: Path) -> None:
    with reached(way, with_a_big_file.parent) as reach:
        source, config = connector(), GitConfig(url=reach(with_a_big_file))
        fetched = files_of(source, config, source.list(config, None, None, frozenset()))
    assert fetched["a.md"].content == b"a\n"
    assert fetched["z.md"].content == b"z\n"
    assert fetched["big.md"].content is None
    assert fetched["big.md"].error == "big.md is 60.0 MB, over the limit of 10 MB (MAX_FILE_BYTES)"


def test_a_repository_over_the_limit_is_refused_with_the_setting_to_raise(reach: Reach, tmp_path: Path) -> None:
    many: dict[Name, File] = {f"{n:04}.md": n.to_bytes(4, "big") * 5 for n in range(3_000)}
    config = GitConfig(url=reach(make_repository(tmp_path / "r.git", many)))
    with pytest.raises(PermanentError, match="MAX_REPO_BYTES"):
        connector(limits=GitLimits(max_repo_bytes=10_000)).list(config, None, None, frozenset())


def test_a_repository_with_sha256_works_like_any_other(reach: Reach, tmp_path: Path) -> None:
    files: dict[Name, File] = {f"d{n % 7}/{n}.md": b"text %d\n" % n * 50 for n in range(100)}
    repository = make_repository(tmp_path / "r.git", files, object_format="sha256")
    source, config = connector(), GitConfig(url=reach(repository))
    listing = source.list(config, None, None, frozenset())
    assert len(listing.snapshot) == 64
    assert {key: file.content for key, file in files_of(source, config, listing).items()} == files


def test_a_work_tree_can_be_read_by_its_folder(tmp_path: Path) -> None:
    bare = make_repository(tmp_path / "r.git", FILES)
    git("clone", "--quiet", bare, tmp_path / "work tree")
    source, config = connector(), GitConfig(url=(tmp_path / "work tree").as_uri())
    fetched = files_of(source, config, source.list(config, None, None, frozenset()))
    assert {key: file.content for key, file in fetched.items()} == WANTED


def test_settings_limit_what_a_source_reads(tmp_path: Path) -> None:
    url = make_repository(tmp_path / "r.git", FILES).as_uri()

    def opened(url: str, **settings: Any) -> OpenSource:
        credentials = Credentials(uuid.uuid4(), "git", {"url": url}, None, None)
        return SourceOpener(Settings(database_url="", **settings)).open(credentials)

    assert len(opened(url, fetch_file_urls=True).list(None, frozenset()).entries) == len(WANTED)
    with pytest.raises(UnprocessableContent, match="FETCH_FILE_URLS"):
        opened(url).check()
    with pytest.raises(PermanentError, match="MAX_REPO_BYTES"):
        opened(url, fetch_file_urls=True, max_repo_bytes=100).list(None, frozenset())
    with serve(tmp_path, partial=True) as server:
        url = f"{server.url}/r.git"
        with pytest.raises(UnprocessableContent, match="FETCH_PRIVATE"):
            opened(url).check()
        opened(url, fetch_private=True).check()
        listing = opened(url, fetch_private=True).list(None, frozenset())
        fetched = opened(url, fetch_private=True, max_file_bytes=100).fetch(listing.snapshot, listing.entries)
        assert {file.key for file in fetched if file.error} == {"docs/guide.md", "docs/guide2.md", "docs/binary.md"}
