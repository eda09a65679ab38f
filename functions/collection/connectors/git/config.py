"""The config of a Git source: which files of which repository. Also writes documents' web addresses. Pure."""

import re
from collections.abc import Callable
from typing import Annotated
from urllib.parse import SplitResult, quote, unquote, urlsplit

import msgspec
from msgspec import Meta

from functions.collection.connectors.globs import PatternError, compile_patterns
from headwater.errors import UnprocessableContent

MAX_URL_CHARS = 2_000
_SCP = re.compile(r"(?:[\w.-]+@)?([\w.-]+\.[\w.-]+):(?!/)(.+)")  # git@github.com:owner/name.git
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_BAD_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/.]|[/.]$|\.lock$")  # git check-ref-format(1)
_BROWSER_PAGE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/(?:-/)?(?:tree|blob)/(?P<branch>[^/]+)(?:/(?P<path>.+))?")


class GitConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which files of which repository are collected."""

    url: Annotated[
        str,
        Meta(
            title="Repository URL",
            description="The address that `git clone` takes.",
            examples=["https://github.com/acme/handbook"],
        ),
    ]
    branch: Annotated[
        str | None,
        Meta(title="Branch", description="Leave empty for the default branch.", examples=["main"]),
    ] = None
    path: Annotated[
        str | None,
        Meta(
            title="Folder",
            description="Collects only this folder or file. Leave empty for the whole repository.",
            examples=["docs"],
        ),
    ] = None
    include: Annotated[
        tuple[str, ...],
        Meta(
            title="Include",
            description="Patterns for the files to collect, matched against the path from the repository's root.",
            examples=[["docs/**/*.md"]],
        ),
    ] = ("**/*.md", "**/*.mdx")
    exclude: Annotated[
        tuple[str, ...],
        Meta(title="Exclude", description="Patterns for files to leave out.", examples=[["**/archive/**"]]),
    ] = ()

    def normalised(self) -> "GitConfig":
        """Check every field and write it in its one form; raises UnprocessableContent with the reason."""
        self.selector()
        return msgspec.structs.replace(
            self, url=_checked_url(self.url), branch=_checked_branch(self.branch), path=_checked_path(self.path)
        )

    def selector(self) -> Callable[[str], bool]:
        """Build the test whether a path is wanted, by `include` and `exclude` alone."""
        if not self.include:
            raise UnprocessableContent(
                '`include` has no pattern, so no file would be collected; for all of them: ["**"].'
            )
        try:
            included, excluded = compile_patterns(self.include), compile_patterns(self.exclude)
        except PatternError as error:
            raise UnprocessableContent(f"A pattern can't be read: {error}.") from error
        return lambda path: included(path) and not excluded(path)

    def file_path(self) -> str | None:
        """Give the folder that a `file:` URL names, None for any other URL."""
        parts = urlsplit(self.url)
        return unquote(parts.path) if parts.scheme == "file" else None


def _checked_url(url: str) -> str:
    url = url.strip()
    if not url or len(url) > MAX_URL_CHARS or _CONTROL.search(url):
        raise UnprocessableContent(f"`url` must be an address of 1 to {MAX_URL_CHARS} characters without spaces.")
    if "://" not in url and (scp := _SCP.fullmatch(url)):
        raise UnprocessableContent(f"SSH isn't supported; use https: https://{scp[1]}/{scp[2]}.")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError as error:
        raise UnprocessableContent(f"`url` can't be read: {error}.") from error
    if parts.scheme == "file":
        return _checked_file_url(url, parts)
    if parts.scheme not in ("http", "https"):
        advice = f"use https: https://{parts.hostname}{parts.path}" if parts.hostname else "use an https:// URL"
        raise UnprocessableContent(f"{parts.scheme or 'No'} URLs can't be fetched; {advice}.")
    if parts.username is not None or parts.password is not None:
        raise UnprocessableContent(
            "`url` holds a user name or password; give the secret as `token`, where it is encrypted."
        )
    if not parts.hostname:
        raise UnprocessableContent("`url` names no host.")
    if parts.query or parts.fragment:
        raise UnprocessableContent("`url` has a ? or # part; give the address that `git clone` takes.")
    if (page := _BROWSER_PAGE.fullmatch(parts.path)) and not parts.path.endswith(".git"):
        repository = f"{parts.scheme}://{parts.netloc}/{page['repo']}"
        path = f" and `path` {page['path']}" if page["path"] else ""
        raise UnprocessableContent(
            f"`url` is a page about files; use {repository} with `branch` {page['branch']}{path}."
        )
    return url.rstrip("/")


def _checked_file_url(url: str, parts: SplitResult) -> str:
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise UnprocessableContent("A file URL must be absolute, with three slashes: file:///home/me/repository.")
    return url.rstrip("/") if parts.path != "/" else url


def _checked_branch(branch: str | None) -> str | None:
    name = (branch or "").strip().removeprefix("refs/heads/")
    if name and (len(name) > 250 or _BAD_BRANCH.search(name)):
        raise UnprocessableContent(
            "`branch` can't be the name of a branch; leave it out for the repository's default one."
        )
    return name or None


def _checked_path(path: str | None) -> str | None:
    text = (path or "").strip()
    if text.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[/\\]", text):
        raise UnprocessableContent("`path` is absolute; write it from the repository's root, without a leading /.")
    text = text.rstrip("/")
    if ".." in text.split("/"):
        raise UnprocessableContent("`path` leaves the repository; write it from the repository's root, without ..")
    if text and ({"", "."} & set(text.split("/")) or "\x00" in text or len(text) > 1_000):
        raise UnprocessableContent("`path` isn't a path from the repository's root, such as docs/guide.")
    return text or None


# How hosts write the page of one file at one commit, by host name; a self-managed GitLab is known by its name only.
_PAGES = {
    "github.com": "{repo}/blob/{commit}/{key}",
    "gitlab.com": "{repo}/-/blob/{commit}/{key}",
    "bitbucket.org": "{repo}/src/{commit}/{key}",
    "codeberg.org": "{repo}/src/commit/{commit}/{key}",
    "gitea.com": "{repo}/src/commit/{commit}/{key}",
}


def document_url(url: str, commit: str, key: str) -> str | None:
    """Write the web address of one file at one commit, on hosts where that is known; None elsewhere.

    >>> document_url("https://github.com/o/r.git", "c0ffee", "docs/a b.md")
    'https://github.com/o/r/blob/c0ffee/docs/a%20b.md'
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").removeprefix("www.")
    page = _PAGES["gitlab.com"] if host.startswith("gitlab.") else _PAGES.get(host)
    if page is None or parts.scheme not in ("http", "https"):
        return None
    repo = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('.git')}"
    return page.format(repo=repo, commit=commit, key=quote(key))
