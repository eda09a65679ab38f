"""Config of a GitLab source: which projects, and what of them. Pure."""

import re
from typing import Annotated
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Meta

from functions.collection.connectors.patterns import matcher
from functions.collection.connectors.thread_config import Labels, State, has_label, normalise_labels
from functions.collection.connectors.web_address import normalise_web_address
from headwater.errors import UnprocessableContent

_NAME = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,254}")
_MAX_NAMES = 22
"""A project in 20 subgroups, the most that GitLab allows."""


class GitLabConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to collect."""

    url: Annotated[
        str,
        Meta(
            title="Address",
            description="A project; or a group or user, for all of their projects. On any GitLab server.",
            examples=["https://gitlab.com/acme/handbook", "https://gitlab.example.com/acme"],
        ),
    ]
    issues: Annotated[bool, Meta(title="Issues")] = True
    merge_requests: Annotated[bool, Meta(title="Merge requests", description="With comments.")] = True
    releases: Annotated[bool, Meta(title="Releases")] = True
    wikis: Annotated[bool, Meta(title="Wikis", description="The pages of projects' wikis.")] = True
    state: Annotated[State, Meta(title="State", description="Of issues and merge requests.")] = "all"
    labels: Labels = ()
    exclude: Annotated[
        tuple[str, ...],
        Meta(
            title="Exclude",
            description="Patterns for paths of projects to leave out, from the group on.",
            examples=[["archive/**"]],
        ),
    ] = ()

    def normalised(self) -> "GitLabConfig":
        """Return the config as it is stored; raises UnprocessableContent with the invalid field and the reason."""
        parts = urlsplit(normalise_web_address(self.url))
        names = [name for name in parts.path.partition("/-/")[0].split("/") if name]
        names = names[1:] if names[:1] == ["groups"] else names
        names[-1:] = [name.removesuffix(".git") for name in names[-1:]]
        if not 0 < len(names) <= _MAX_NAMES or not all(_NAME.fullmatch(name) for name in names):
            raise UnprocessableContent(
                "config.url: enter the address of a project, such as https://gitlab.com/acme/handbook, or of a group."
            )
        if not (self.issues or self.merge_requests or self.releases or self.wikis):
            raise UnprocessableContent("config: choose issues, merge requests, releases or wikis, or several.")
        matcher("exclude", self.exclude)
        return msgspec.structs.replace(
            self, url=f"{parts.scheme}://{parts.netloc}/{'/'.join(names)}", labels=normalise_labels(self.labels)
        )

    @property
    def path(self) -> str:
        """The path of the project, group or user."""
        return urlsplit(self.url).path.strip("/")

    @property
    def api(self) -> str:
        """The address of the REST API."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}/api/v4"

    def is_wanted(self, state: str, labels: list[str]) -> bool:
        """Return True if a thread with a state and labels is to be collected."""
        in_state = self.state == "all" or (state == "opened") == (self.state == "open")
        return in_state and has_label(self.labels, labels)


def id_of(path: str) -> str:
    """Return how the API names a project or group by its path.

    >>> id_of("acme/handbook")
    'acme%2Fhandbook'
    """
    return quote(path, safe="")
