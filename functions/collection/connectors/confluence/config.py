"""Config of a Confluence source: the site, its spaces, and what to collect of them. Pure."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta


class ConfluenceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The site and its spaces."""

    url: Annotated[
        str,
        Meta(
            title="Address",
            description="Cloud: https://NAME.atlassian.net/wiki. Data Center: the address of the start page.",
            examples=["https://acme.atlassian.net/wiki"],
        ),
    ]
    spaces: Annotated[
        tuple[str, ...],
        Meta(title="Spaces", description="Keys of spaces. Leave empty for all.", examples=[["ENG", "HR"]]),
    ] = ()
    attachments: Annotated[
        bool, Meta(title="Attachments", description="Documents that are attached to pages, such as PDFs.")
    ] = True
    comments: Annotated[bool, Meta(title="Comments", description="Below the text of their page.")] = False
    edition: Annotated[
        Literal["by address", "cloud", "data center"],
        Meta(title="Edition", description="By address: Cloud if the host ends with atlassian.net."),
    ] = "by address"

    @property
    def is_cloud(self) -> bool:
        """Whether the site has Cloud's API."""
        host = urlsplit(self.url).hostname or ""
        return self.edition == "cloud" or (self.edition == "by address" and host.endswith(".atlassian.net"))
