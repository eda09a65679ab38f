"""Config of a WordPress site. Pure."""

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from functions.collection.connectors.web_address import normalise_web_address
from headwater.errors import UnprocessableContent

_TYPE = re.compile(r"[a-z0-9][a-z0-9_-]{0,49}")
MAX_TYPES = 20


class WordPressConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The posts to collect."""

    url: Annotated[
        str,
        Meta(title="Address", description="The site's home page.", examples=["https://example.com/blog/"]),
    ]
    types: Annotated[
        tuple[str, ...],
        Meta(
            title="Post types",
            description="The types to collect, by their names in the REST API.",
            examples=[["posts", "pages", "products"]],
        ),
    ] = ("posts", "pages")

    def normalised(self) -> "WordPressConfig":
        """Return the config as it is stored; raises UnprocessableContent with the invalid field and the reason."""
        types = tuple(dict.fromkeys(one.strip().lower() for one in self.types))
        if not types or len(types) > MAX_TYPES or not all(map(_TYPE.fullmatch, types)):
            raise UnprocessableContent(
                f"config.types: enter 1 to {MAX_TYPES} names as in the API's addresses, such as posts or pages."
            )
        url = normalise_web_address(self.url)
        if "?" in url:
            raise UnprocessableContent("config.url: enter the address of the home page, without `?`.")
        return msgspec.structs.replace(self, url=url, types=types)
