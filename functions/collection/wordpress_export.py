"""Read exports of WordPress (WXR): the published posts and pages, one after another.

A WXR file is an RSS feed with the posts' content as it is stored: HTML with comments of the block editor, or text whose
paragraphs are separated by empty lines. It is read item by item, so that the whole tree is never in memory.
"""

import hashlib
import io
import re
from collections.abc import Collection, Iterator, Mapping
from html import unescape
from itertools import chain, count
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec

from headwater.connectors import MAX_KEY_BYTES
from headwater.processes.child import limit_memory

if TYPE_CHECKING:
    from lxml.etree import _Element

SIGN = b"//wordpress.org/export/"
"""Part of the namespace that every WXR file declares."""
SIGN_BYTES = 20_000
"""The namespace is declared in these first bytes."""
MAX_POSTS = 10_000
MEMORY_BYTES = 1024**3
_MAX_PATH_BYTES = MAX_KEY_BYTES // 2 - 10
"""A key is the path of the file, of up to 1,000 bytes, that of the post, and a number."""
_LEFT_OUT = frozenset(("attachment", "nav_menu_item", "revision", "custom_css", "customize_changeset", "oembed_cache"))
_LEFT_OUT |= {"wp_global_styles", "wp_navigation", "wp_template", "wp_template_part", "user_request"}
_CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"
_CREATOR = "{http://purl.org/dc/elements/1.1/}creator"
_SHORTCODE = re.compile(r"\[/?[a-z][a-z0-9_-]{0,40}(?:\s[^\[\]]{0,1000})?/?\]")
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,300}>")
_BLOCK = re.compile(
    r"\s*<(?:/?(?:p|div|h[1-6]|ul|ol|li|table|pre|blockquote|figure|hr|section|dl|form)\b|!--)", re.IGNORECASE
)


class ExportedPost(msgspec.Struct, frozen=True):
    """A published post or page. `path` is that of its address, else its type and id. `content` is HTML."""

    path: str
    title: str
    content: str
    link: str = ""
    author: str = ""
    published: str = ""
    tags: tuple[str, ...] = ()

    def fingerprint(self) -> str:
        """Return a hash of what readers see of the post."""
        return hashlib.sha256(msgspec.msgpack.encode(self)).hexdigest()[:40]


class ListedPosts(msgspec.Struct, frozen=True):
    """Paths and fingerprints of posts. `problem` says why the export has more."""

    posts: list[tuple[str, str]]
    problem: str | None = None


class Export:
    """An export. `title` is that of the site, once the posts have been read."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.title = ""
        self.problem: str | None = None

    def posts(self) -> Iterator[ExportedPost]:
        """Yield the published posts, each with a path of its own. Then `problem` says whether there are more."""
        from lxml import etree

        options: dict[str, Any] = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": True}
        paths: set[str] = set()
        try:
            for _, element in etree.iterparse(io.BytesIO(self._content), events=("end",), **options):
                parent = element.getparent()
                if element.tag == "title" and parent is not None and parent.tag == "channel":
                    self.title = (element.text or "").strip()
                if element.tag != "item":
                    continue
                post = _read_item(element, len(paths), paths)
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]
                if post is None:
                    continue
                if len(paths) >= MAX_POSTS:
                    self.problem = f"only the first {MAX_POSTS:,} posts were read"
                    return
                paths.add(post.path)
                yield post
        except (etree.XMLSyntaxError, ValueError):
            self.problem = "the file is damaged: what comes after the damage was not read"


class ExportReader:
    """Reads exports in a process of its own."""

    def __init__(self) -> None:
        limit_memory(MEMORY_BYTES)

    def list_posts(self, content: bytes) -> Iterator[ListedPosts]:
        """Yield the posts of an export."""
        export = Export(content)
        posts = [(post.path, post.fingerprint()) for post in export.posts()]
        yield ListedPosts(posts, export.problem)

    def read_posts(self, content: bytes, paths: list[str]) -> Iterator[ExportedPost]:
        """Yield some posts of an export, which is read up to the last of them."""
        missing = set(paths)
        for post in Export(content).posts():
            if post.path in missing:
                missing.remove(post.path)
                yield post
            if not missing:
                return


def is_export(head: bytes) -> bool:
    """Return True for the first bytes of an export."""
    return head[:200].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<?xml") and SIGN in head[:SIGN_BYTES]


def plain_title(html: str) -> str:
    """Return a title without markup, which WordPress allows.

    >>> plain_title("Pumps <em>&amp;</em> Co: 1 < 2")
    'Pumps & Co: 1 < 2'
    """
    return unescape(_TAG.sub("", html)).strip()


def _read_item(item: "_Element", number: int, paths: Collection[str]) -> ExportedPost | None:
    fields: dict[str, str] = {}
    terms: dict[str, list[str]] = {"category": [], "post_tag": []}
    for child in item:
        if not isinstance(child.tag, str):
            continue
        text = (child.text or "").strip()
        if child.tag == "category":
            terms.setdefault(child.get("domain") or "category", []).append(text)
        else:
            # The namespace of WordPress's own fields has the version of the format.
            name = child.tag.rpartition("}")[2] if SIGN.decode() in child.tag else child.tag
            fields.setdefault(name, text)
    content = fields.get(_CONTENT, "")
    is_shown = fields.get("status", "publish") == "publish" and not fields.get("post_password")
    if not is_shown or fields.get("post_type", "post") in _LEFT_OUT or not (content or fields.get("title")):
        return None
    return ExportedPost(
        path=_own_path(fields, number, paths),
        title=plain_title(fields.get("title", "")),
        content=_as_html(content),
        link=fields.get("link", ""),
        author=fields.get(_CREATOR, ""),
        published=_date(fields),
        tags=tuple(filter(None, [*terms["category"], *terms["post_tag"]])),
    )


def _own_path(fields: Mapping[str, str], number: int, paths: Collection[str]) -> str:
    """Return a path that none of `paths` is: that of the post's address, else its type and id, else with a number."""
    by_id = _usable(f"{fields.get('post_type') or 'post'}/{fields.get('post_id') or number}") or f"post/{number}"
    numbered = (f"{by_id}-{n}" for n in count(number))
    own = chain((_path(fields.get("link", "")) or by_id, by_id), numbered)
    return next(path for path in own if path not in paths)


def _path(link: str) -> str:
    """Return the path of an address as a part of a key, "" if it has none.

    >>> _path("https://example.com/2024/05/new-pump/"), _path("https://example.com/?p=4")
    ('2024/05/new-pump', '')
    """
    try:
        parts = urlsplit(link)
    except ValueError:
        return ""
    return _usable(unquote(parts.path).strip("/")) if parts.scheme in ("http", "https") else ""


def _usable(path: str) -> str:
    """Return a path if it can be a part of a key, else ""."""
    is_usable = path.isprintable() and len(path.encode(errors="replace")) <= _MAX_PATH_BYTES
    return path if is_usable and not {"", ".", ".."} & {*path.split("/")} else ""


def _date(fields: dict[str, str]) -> str:
    """Return when a post was published, in UTC if the export says so. Posts without a time have zeros."""
    for name, zone in (("post_date_gmt", "Z"), ("post_date", "")):
        text = fields.get(name, "")
        if text and not text.startswith("0000"):
            return text.replace(" ", "T") + zone
    return ""


def _as_html(content: str) -> str:
    """Return a post's content as HTML, without shortcodes."""
    text = _SHORTCODE.sub("", content)
    if "<!-- wp:" in text:
        return text
    return "\n".join(
        paragraph if _BLOCK.match(paragraph) else f"<p>{paragraph.strip().replace(chr(10), '<br>')}</p>"
        for paragraph in re.split(r"\n\s*\n", text.replace("\r\n", "\n"))
        if paragraph.strip()
    )
