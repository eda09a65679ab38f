"""Read which submodules a commit has, and where their repositories are (gitmodules(5)). Pure.

A submodule's address comes from the repository. It passes the guarded client like any other, a token goes to the
source's own host only, and no address leads to this machine's disk unless the source does.
"""

import posixpath
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from functions.collection.connectors.git.config import GitConfig
from headwater.connectors import MAX_KEY_BYTES
from headwater.errors import UnprocessableContent
from headwater.filters.globs import Selector
from headwater.queue.providers import origin_of
from headwater.redaction import quote

MODULES_FILE = ".gitmodules"
MAX_SUBMODULES = 20


class Submodule(msgspec.Struct, frozen=True):
    """A repository that is a folder of another, at one commit."""

    folder: str
    url: str
    commit: str


class SubmoduleConfig(GitConfig, frozen=True, kw_only=True):
    """The config of a source, for a submodule's repository. Patterns match against the path in the source."""

    folder: str = ""

    def selector(self) -> Selector:
        """Compile the patterns."""
        includes, excludes = super().selector()
        return Selector(lambda key: includes(f"{self.folder}/{key}"), lambda key: excludes(f"{self.folder}/{key}"))


class FoundSubmodules(NamedTuple):
    """The submodules that can be read, and the reasons for others, by folder."""

    submodules: list[Submodule]
    skipped: dict[str, str]


def read_submodules(content: bytes, commits: Mapping[str, str], url: str) -> FoundSubmodules:
    """Find the addresses of submodules in a `.gitmodules` file. `commits` has their commits by folder."""
    addresses = _read_addresses(content)
    found = FoundSubmodules([], {})
    for number, (folder, commit) in enumerate(commits.items()):
        address = addresses.get(folder, "")
        if number >= MAX_SUBMODULES:
            found.skipped[folder] = f"the repository has more than {MAX_SUBMODULES} submodules; the others aren't read"
        elif not address:
            found.skipped[folder] = f"the submodule has no address in {MODULES_FILE}"
        else:
            try:
                found.submodules.append(Submodule(folder, _resolve(address, url), commit))
            except UnprocessableContent as error:
                reason = error.message.removeprefix("config.url: ")
                found.skipped[folder] = f"the submodule's address {quote(address, 200)} can't be used: {reason}"
    return found


def config_of(submodule: Submodule, config: GitConfig) -> SubmoduleConfig:
    """Return the config with which a submodule of a source is read. Other hosts have other host keys."""
    return SubmoduleConfig(
        url=submodule.url,
        revision=submodule.commit,
        include=config.include,
        exclude=config.exclude,
        host_key=config.host_key if _host(submodule.url) == _host(config.url) else None,
        folder=submodule.folder,
    )


def secret_of(submodule: Submodule, config: GitConfig, secret: str | None) -> str | None:
    """Return the source's secret for a submodule on the same server, None for one on another."""
    origin = origin_of(submodule.url)
    return secret if origin and origin == origin_of(config.url) else None


def too_long(folder: str, key: str) -> bool:
    """Whether the path of a submodule's file is too long for a key."""
    return len(f"{folder}/{key}".encode()) > MAX_KEY_BYTES


def _read_addresses(content: bytes) -> dict[str, str]:
    """Return the addresses in a `.gitmodules` file by folder; none if it can't be read."""
    from io import BytesIO

    from dulwich.config import ConfigFile, parse_submodules

    try:
        found = list(parse_submodules(ConfigFile.from_file(BytesIO(content))))
    except (ValueError, UnicodeDecodeError):
        return {}
    return {path.decode(errors="replace").rstrip("/"): url.decode(errors="replace") for path, url, _ in found}


def _resolve(address: str, url: str) -> str:
    """Return the address of a submodule of the repository at `url`, as it is stored.

    >>> _resolve("../parts.git", "https://example.com/acme/handbook.git")
    'https://example.com/acme/parts.git'
    >>> _resolve("git@example.com:acme/parts.git", "https://example.com/acme/handbook")
    'https://example.com/acme/parts.git'
    """
    source = urlsplit(url)
    if address.startswith(("./", "../")):
        path = posixpath.normpath(posixpath.join(source.path.rstrip("/"), address))
        return GitConfig(f"{source.scheme}://{source.netloc}{path}").normalised().url
    resolved = GitConfig(address).normalised().url
    found = urlsplit(resolved)
    if found.scheme == "file" and source.scheme != "file":
        raise UnprocessableContent("a repository on a server has no submodules on this computer.")
    if found.scheme == "ssh" and source.scheme in ("http", "https") and found.hostname == source.hostname:
        return GitConfig(f"{source.scheme}://{source.netloc}{found.path}").normalised().url
    return resolved


def _host(url: str) -> str | None:
    return urlsplit(url).hostname
