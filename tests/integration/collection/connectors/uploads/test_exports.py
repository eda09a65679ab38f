"""Uploaded exports of WordPress: keys of posts, other XML, damaged and hostile files, replaced versions."""

import hashlib
from pathlib import Path

import pytest

from functions.collection.connectors.uploads.connector import UploadsConfig, UploadsConnector
from functions.collection.connectors.uploads.exports import MAX_EXPORTS
from headwater.blobs import shared_blobs
from headwater.connectors import ConnectorContext, Fetched, Listing, check_listing
from tests.fakes.wordpress_export import HEAD, export, item

CONFIG = UploadsConfig()


class Uploads:
    """Uploaded files by path, whose versions are the hashes of their contents."""

    def __init__(self, tmp_path: Path, files: dict[str, bytes]) -> None:
        url = (tmp_path / "blobs").as_uri()
        versions = {path: hashlib.sha256(content).hexdigest()[:32] for path, content in files.items()}
        for path, content in files.items():
            shared_blobs(url).put(f"files/{versions[path]}", content)
        self.versions = versions
        context = ConnectorContext(
            stage_prefix="staged",
            blob_url=url,
            file_prefix="files",
            files=tuple(versions.items()),
            allow_private=False,
            allow_file_urls=False,
            max_file_bytes=5_000,
            max_batch_bytes=5_000,
            max_source_bytes=5_000,
            timeout_s=60,
        )
        self.connector = UploadsConnector(context)

    def list(self, known: frozenset[str] = frozenset()) -> Listing:
        listing = self.connector.list(CONFIG, None, None, known)
        check_listing(listing)
        return listing

    def fetch(self, listing: Listing) -> dict[str, Fetched]:
        return {one.key: one for one in self.connector.fetch(CONFIG, None, listing.snapshot, listing.entries)}


def keys(listing: Listing) -> list[str]:
    return [entry.key for entry in listing.entries]


def test_posts_have_keys_of_their_addresses(tmp_path: Path) -> None:
    posts = [
        item("A", "one", "https://x.y/2024/%C3%BC/"),
        item("B", "two", "https://x.y/?p=7", post_id="7"),
        item("C", "three", "https://x.y/2024/%C3%BC", post_id="8", post_type="page"),
        item("D", "four", "https://x.y/a/../b", post_id="9"),
        item("E", "five", "javascript:alert(1)", post_id="9"),
        item("F", "six", "https://x.y/taken.md"),
    ]
    uploads = Uploads(tmp_path, {"w.wxr": export(*posts), "w.wxr/taken.md": b"# Mine"})
    listing = uploads.list()
    names = ["taken.md", "2024/ü", "post/7", "page/8", "post/9", "post/9-4"]
    assert keys(listing) == [f"w.wxr/{name}" for name in names]
    files = uploads.fetch(listing)
    assert files["w.wxr/taken.md"].content == b"# Mine"
    assert files["w.wxr/post/9"].url == "https://x.y/a/../b"
    assert files["w.wxr/post/9-4"].url is None
    assert all(file.error is None for file in files.values())


def test_posts_with_odd_or_repeated_paths_have_usable_keys(tmp_path: Path) -> None:
    posts = [
        item("A", "one", "", post_type="../..", post_id="1"),
        item("B", "two", "", post_type="p" * 3_000, post_id="2"),
        item("C", "three", "https://x.y/post/5-4"),
        item("D", "four", "https://x.y/post/5"),
        item("E", "five", "https://x.y/post/5", post_id="5"),
        item("F", "six", f"https://x.y/{'a' * 990}"),
    ]
    path = "w" * 996 + ".xml"
    listing = Uploads(tmp_path, {path: export(*posts)}).list()
    names = ["post/0", "post/1", "post/5-4", "post/5", "post/5-5", "a" * 990]
    assert keys(listing) == [f"{path}/{name}" for name in names]


def test_other_and_unreadable_files_stay_files(tmp_path: Path) -> None:
    many = {f"many/{number:02}.xml": export(item(str(number), "x", "")) for number in range(MAX_EXPORTS + 1)}
    files = {"a.xml": b"<?xml version='1.0'?><a/>", "empty.xml": export(), "head.xml": HEAD.encode(), **many}
    listed = keys(Uploads(tmp_path, files).list())
    assert listed[:3] == ["a.xml", "empty.xml", "head.xml"]
    # Both unreadable ones count among the exports.
    assert listed[3:6] == [f"many/{number}.xml" for number in range(MAX_EXPORTS - 2, MAX_EXPORTS + 1)]
    assert listed[6] == "many/00.xml/post/0"


def test_known_versions_are_not_read_again(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, {"w.xml": export(item("A", "one"))})
    assert keys(uploads.list(frozenset(uploads.versions.values()))) == ["w.xml"]


def test_damaged_export_has_the_posts_before_the_damage(tmp_path: Path) -> None:
    whole = export(item("A", "one", "https://x.y/a"), item("B", "second", "https://x.y/b"))
    listing = Uploads(tmp_path, {"w.xml": whole[: whole.index(b"second")]}).list()
    assert keys(listing) == ["w.xml/a"]
    assert listing.skipped == [("w.xml", "the file is damaged: what comes after the damage was not read")]


def test_post_of_a_deleted_version_says_what_to_do(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, {"w.xml": export(item("A", "one", "https://x.y/a"))})
    listing = uploads.list()
    shared_blobs(uploads.connector.context.blob_url).delete([f"files/{uploads.versions['w.xml']}"])
    error = uploads.fetch(listing)["w.xml/a"].error
    assert error == "w.xml was deleted, or replaced. Upload it again if the post isn't collected next."


@pytest.mark.parametrize("title", ["&#0;", "&b;", "<" * 1_000, "a" * 1_000_000])
def test_hostile_titles_are_listed_or_the_file_is_damaged(tmp_path: Path, title: str) -> None:
    bomb = HEAD.replace("<rss", '<!DOCTYPE rss [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>\n<rss')
    content = f"{bomb}{item(title, 'x', 'https://x.y/a')}</channel></rss>".encode()
    assert keys(Uploads(tmp_path, {"w.xml": content}).list()) in (["w.xml/a"], ["w.xml"])
