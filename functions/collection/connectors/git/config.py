"""Config and limits of a Git source: repository, branch, folder, patterns; web addresses of its documents. Pure."""

import hashlib
import re
from base64 import b64decode, b64encode
from typing import Annotated
from urllib.parse import SplitResult, quote, unquote, urlsplit

import msgspec
from msgspec import Meta

from functions.collection.connectors.patterns import selector_of
from headwater.errors import UnprocessableContent
from headwater.filters.globs import Selector

MAX_URL_CHARS = 2_000
DOCUMENTS = (
    *("**/*.md", "**/*.mdx", "**/*.markdown", "**/*.mdown", "**/*.qmd", "**/*.Rmd"),
    *("**/*.rst", "**/*.adoc", "**/*.asciidoc", "**/*.org"),
)
"""Formats that are written as text. Others, such as PDF and source code, are collected on request."""

_SCP = re.compile(r"((?:[\w.-]++@)?[\w-]++\.[\w.-]++):(?!/)(.+)")  # git@github.com:owner/name.git
_SSH = ("ssh", "git+ssh", "ssh+git")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_PUBLIC_KEY = re.compile(r"(?:ssh|ecdsa)-[\w@.-]{1,60} (?P<key>AAAA[A-Za-z0-9+/]{20,2000}={0,2})")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_BAD_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/.]|[/.]$|\.lock$")  # git check-ref-format(1)
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BROWSER_PAGE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/(?:-/)?(?:tree|blob)/(?P<branch>[^/]+)(?:/(?P<path>.+))?")


class GitConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The repository and the files to collect from it."""

    url: Annotated[
        str,
        Meta(
            title="Repository URL",
            description="The address that `git clone` takes, or `file:///…` for a repository on this computer.",
            examples=["https://github.com/acme/handbook", "git@github.com:acme/handbook.git"],
        ),
    ]
    branch: Annotated[
        str | None,
        Meta(title="Branch", description="Leave empty for the default branch.", examples=["main"]),
    ] = None
    revision: Annotated[
        str | None,
        Meta(
            title="Tag or commit",
            description="Collects this tag, or this commit by its full SHA, in place of a branch.",
            examples=["v2.1.0"],
        ),
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
            description="Patterns for the files to collect, matched against the path from the repository's root. "
            "The case of file extensions doesn't matter.",
            examples=[["docs/**/*.md"]],
        ),
    ] = DOCUMENTS
    exclude: Annotated[
        tuple[str, ...],
        Meta(title="Exclude", description="Patterns for files to leave out.", examples=[["**/archive/**"]]),
    ] = ()

    host_key: Annotated[
        str | None,
        Meta(
            title="Host key",
            description="For addresses of SSH: the SHA-256 fingerprint of the server's key, or the key. Leave it empty "
            "to see the server's fingerprint first.",
            examples=["SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"],
        ),
    ] = None

    submodules: Annotated[
        bool,
        Meta(
            title="Submodules",
            description="Collects the files of submodules too, from their own repositories. The token is sent to the "
            "repository's own server only.",
        ),
    ] = False

    def normalised(self) -> "GitConfig":
        """Return the config as it is stored; raises UnprocessableContent with the invalid field and the reason."""
        self.selector()
        branch, revision = _normalise_branch(self.branch), _normalise_revision(self.revision)
        if branch and revision:
            raise UnprocessableContent("config.revision: enter a branch, or a tag or commit, but not both.")
        url, path = _normalise_url(self.url), _normalise_path(self.path)
        host_key = _normalise_host_key(self.host_key)
        return msgspec.structs.replace(self, url=url, branch=branch, revision=revision, path=path, host_key=host_key)

    @property
    def is_ssh(self) -> bool:
        """Whether the repository is read over SSH."""
        return self.url.startswith("ssh://")

    @property
    def commit(self) -> str | None:
        """The SHA of the commit to collect, if `revision` is one."""
        return self.revision if self.revision and _SHA.fullmatch(self.revision) else None

    @property
    def ref(self) -> str:
        """The full name of the branch or tag to collect; `HEAD` is the default branch."""
        if self.revision:
            return f"refs/tags/{self.revision}"
        return f"refs/heads/{self.branch}" if self.branch else "HEAD"

    def selector(self) -> Selector:
        """Compile the patterns."""
        return selector_of(self.include, self.exclude, "files")

    def file_path(self) -> str | None:
        """Return the folder of a `file:` URL, None for any other URL."""
        parts = urlsplit(self.url)
        return unquote(parts.path) if parts.scheme == "file" else None


class GitLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes in bytes and times in seconds.

    `max_batch_bytes` limits the packed answer to one request for several files; above it they are fetched one by one.
    A pack of any size may unpack to `min_unpacked_bytes`: twenty versions of the same files pack to the size of one.
    `max_trees_bytes` limits the trees held in memory during a listing; a million files take less.
    """

    max_repo_bytes: int = 2 * 1024**3
    max_file_bytes: int = 10_000_000
    max_batch_bytes: int = 32_000_000
    min_unpacked_bytes: int = 1_000_000_000
    max_trees_bytes: int = 128_000_000
    transfer_s: float = 300.0
    check_s: float = 10.0


def _normalise_url(url: str) -> str:
    url, parts = _split_url(url.strip())
    if parts.scheme == "file":
        return _normalise_file_url(url, parts)
    if parts.scheme in _SSH:
        return _normalise_ssh_url(parts)
    if parts.scheme not in ("http", "https"):
        raise _unsupported_scheme(parts)
    if parts.username is not None or parts.password is not None:
        raise UnprocessableContent(
            "config.url: remove the user name and password. Enter the password as `token`, which is stored encrypted."
        )
    if not parts.hostname:
        raise UnprocessableContent("config.url: the address has no host.")
    if parts.query or parts.fragment:
        raise UnprocessableContent(
            "config.url: remove the part after ? or #. Enter the address that `git clone` takes."
        )
    if (page := _BROWSER_PAGE.fullmatch(parts.path)) and not parts.path.endswith(".git"):
        repository = f"{parts.scheme}://{parts.netloc}/{page['repo']}"
        path = f" and `path` {page['path']}" if page["path"] else ""
        raise UnprocessableContent(
            f"config.url: this is the address of a page that shows files. Use {repository} with `branch` "
            f"{page['branch']}{path}."
        )
    return url.rstrip("/")


def _split_url(url: str) -> tuple[str, SplitResult]:
    """Return an address and its parts. The short form of SSH, `git@example.com:name.git`, becomes an `ssh:` URL."""
    if not url or len(url) > MAX_URL_CHARS or _CONTROL.search(url):
        raise UnprocessableContent(f"config.url: enter an address of 1 to {MAX_URL_CHARS} characters without spaces.")
    if "://" not in url and (scp := _SCP.fullmatch(url)):
        url = f"ssh://{scp[1]}/{scp[2]}"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises ValueError for an invalid port
    except ValueError as error:
        raise UnprocessableContent(f"config.url: this isn't a valid address: {error}.") from error
    return url, parts


def _unsupported_scheme(parts: SplitResult) -> UnprocessableContent:
    if not parts.scheme or not parts.hostname:
        return UnprocessableContent("config.url: enter an address that starts with https://.")
    return UnprocessableContent(
        f"config.url: {parts.scheme} isn't supported. Use https://{parts.hostname}{parts.path}."
    )


def _normalise_file_url(url: str, parts: SplitResult) -> str:
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise UnprocessableContent("config.url: a file URL has three slashes, as in file:///home/me/repository.")
    return url.rstrip("/") if parts.path != "/" else url


def _normalise_ssh_url(parts: SplitResult) -> str:
    if not parts.hostname or parts.path.strip("/") == "" or parts.query or parts.fragment:
        raise UnprocessableContent("config.url: enter an address such as ssh://git@example.com/acme/handbook.git.")
    if parts.password is not None:
        raise UnprocessableContent("config.url: remove the password. Enter a private key as `token`.")
    return f"ssh://{parts.netloc}{parts.path.rstrip('/')}"


def _normalise_host_key(text: str | None) -> str | None:
    """Return the fingerprints in a text of fingerprints, public keys or lines of `known_hosts`; None without one."""
    text = " ".join((text or "").replace(",", " ").split())
    if not text:
        return None
    found = _FINGERPRINT.findall(text)
    for key in _PUBLIC_KEY.finditer(text):
        try:
            digest = hashlib.sha256(b64decode(key["key"], validate=True)).digest()
        except ValueError:
            continue
        found.append(f"SHA256:{b64encode(digest).decode().rstrip('=')}")
    if not found:
        raise UnprocessableContent(
            "config.host_key: enter a fingerprint, such as SHA256:…, or the server's public key."
        )
    return " ".join(dict.fromkeys(found))


def _normalise_branch(branch: str | None) -> str | None:
    name = (branch or "").strip().removeprefix("refs/heads/")
    if name and (len(name) > 250 or _BAD_BRANCH.search(name)):
        raise UnprocessableContent(
            "config.branch: this isn't a valid branch name. Leave it empty for the default branch."
        )
    return name or None


def _normalise_revision(revision: str | None) -> str | None:
    name = (revision or "").strip().removeprefix("refs/tags/")
    if name and (len(name) > 250 or _BAD_BRANCH.search(name)):
        raise UnprocessableContent("config.revision: this isn't a valid tag, nor the full SHA of a commit.")
    return (name.lower() if _SHA.fullmatch(name.lower()) else name) or None


def _normalise_path(path: str | None) -> str | None:
    text = (path or "").strip()
    if text.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[/\\]", text):
        raise UnprocessableContent("config.path: enter a path from the repository's root, without a leading slash.")
    text = text.rstrip("/")
    if ".." in text.split("/"):
        raise UnprocessableContent("config.path: enter a path from the repository's root, without `..`.")
    if text and ({"", "."} & set(text.split("/")) or "\x00" in text or len(text) > 1_000):
        raise UnprocessableContent("config.path: enter a path from the repository's root, such as docs/guide.")
    return text or None


# Web address of a file at a commit, by host. A self-managed GitLab is recognised by its host name, `gitlab.…`.
_PAGES = {
    "github.com": "{repo}/blob/{commit}/{key}",
    "gitlab.com": "{repo}/-/blob/{commit}/{key}",
    "bitbucket.org": "{repo}/src/{commit}/{key}",
    "codeberg.org": "{repo}/src/commit/{commit}/{key}",
    "gitea.com": "{repo}/src/commit/{commit}/{key}",
}


def document_url(url: str, commit: str, key: str) -> str | None:
    """Return the web address of a file at a commit, None for an unknown host.

    >>> document_url("https://github.com/o/r.git", "c0ffee", "docs/a b.md")
    'https://github.com/o/r/blob/c0ffee/docs/a%20b.md'
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").removeprefix("www.")
    page = _PAGES["gitlab.com"] if host.startswith("gitlab.") else _PAGES.get(host)
    if page is None or parts.scheme not in ("http", "https", "ssh"):
        return None
    origin = f"https://{parts.hostname}" if parts.scheme == "ssh" else f"{parts.scheme}://{parts.netloc}"
    repo = f"{origin}{parts.path.rstrip('/').removesuffix('.git')}"
    return page.format(repo=repo, commit=commit, key=quote(key))
