"""Config of a GitHub source: which repositories, what of them, and the addresses of their APIs. Pure."""

import re
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Meta

from functions.collection.connectors.patterns import matcher
from functions.collection.connectors.thread_config import Labels, State, has_label, normalise_labels
from functions.collection.connectors.web_address import normalise_web_address
from headwater.errors import UnprocessableContent

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
_GITHUB = ("github.com", "www.github.com")


class Target(msgspec.Struct, frozen=True):
    """A repository, all repositories of an owner (`name` is empty), or what a user has starred."""

    kind: Literal["repository", "owner", "stars"]
    owner: str
    name: str = ""

    @property
    def path(self) -> str:
        return f"{self.owner}/{self.name}" if self.name else self.owner


class GitHubConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to collect."""

    url: Annotated[
        str,
        Meta(
            title="Address",
            description="A repository; an organization or user, for all of their repositories; or a user's stars, for "
            "the READMEs of the repositories that they have starred.",
            examples=[
                "https://github.com/acme/handbook",
                "https://github.com/acme",
                "https://github.com/octocat?tab=stars",
            ],
        ),
    ]
    issues: Annotated[bool, Meta(title="Issues")] = True
    pull_requests: Annotated[bool, Meta(title="Pull requests", description="With reviews and comments.")] = True
    discussions: Annotated[bool, Meta(title="Discussions", description="They need a token.")] = False
    releases: Annotated[bool, Meta(title="Releases")] = True
    state: Annotated[State, Meta(title="State", description="Of issues, pull requests and discussions.")] = "all"
    labels: Labels = ()
    exclude: Annotated[
        tuple[str, ...],
        Meta(
            title="Exclude",
            description="Patterns for names of repositories to leave out, if the address is that of an owner.",
            examples=[["*-archive"]],
        ),
    ] = ()

    def normalised(self) -> "GitHubConfig":
        """Return the config as it is stored; raises UnprocessableContent with the invalid field and the reason."""
        url = normalise_web_address(self.url)
        target = _read_target(url)
        if target is None:
            raise UnprocessableContent(
                "config.url: enter the address of a repository, such as https://github.com/acme/handbook, of an "
                "organization or user, or of a user's stars."
            )
        if target.kind != "stars" and not (self.issues or self.pull_requests or self.discussions or self.releases):
            raise UnprocessableContent(
                "config: choose what to collect: issues, pull requests, discussions or releases."
            )
        matcher("exclude", self.exclude)
        stars = "?tab=stars" if target.kind == "stars" else ""
        return msgspec.structs.replace(
            self, url=f"{_origin(url)}/{target.path}{stars}", labels=normalise_labels(self.labels)
        )

    @property
    def target(self) -> Target:
        """What the address names. The config must have been normalised."""
        target = _read_target(self.url)
        if target is None:
            raise UnprocessableContent("config.url: this isn't the address of a repository, an owner or stars.")
        return target

    @property
    def api(self) -> str:
        """The REST API: of github.com, of an Enterprise Cloud with its own domain, or of an Enterprise Server.

        >>> [GitHubConfig(f"https://{host}/acme").api for host in ("github.com", "acme.ghe.com", "git.acme.example")]
        ['https://api.github.com', 'https://api.acme.ghe.com', 'https://git.acme.example/api/v3']
        """
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if host in _GITHUB:
            return "https://api.github.com"
        if host.endswith(".ghe.com"):
            return f"{parts.scheme}://api.{parts.netloc}"
        return f"{_origin(self.url)}/api/v3"

    @property
    def graphql(self) -> str:
        """The address of the GraphQL API."""
        return f"{self.api.removesuffix('/v3')}/graphql"

    def has_label(self, labels: list[str]) -> bool:
        """Return True if a thread with these labels is to be collected."""
        return has_label(self.labels, labels)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    host = "github.com" if parts.hostname in _GITHUB else parts.netloc
    return f"{parts.scheme}://{host}"


def _read_target(url: str) -> Target | None:
    parts = urlsplit(url)
    names = [name for name in parts.path.split("/") if name]
    if names[:1] == ["orgs"]:
        names = names[1:2]
    if names[:1] == ["stars"] and len(names) > 1:
        names, is_stars = names[1:2], True
    else:
        is_stars = parse_qs(parts.query, max_num_fields=20).get("tab") == ["stars"] and len(names) == 1
    names = [name.removesuffix(".git") for name in names[:2]]
    if not names or not all(_NAME.fullmatch(name) for name in names):
        return None
    if len(names) == 2:
        return Target("repository", *names)
    return Target("stars" if is_stars else "owner", names[0])
