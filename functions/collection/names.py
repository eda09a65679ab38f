"""Names that users give to sources, members and API keys."""

from typing import Annotated

from msgspec import Meta

from headwater.errors import UnprocessableContent

Name = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": 200})]
"""A name as the API describes it. `check_name` checks it."""


def check_name(name: str) -> None:
    """Raise UnprocessableContent for a name that is blank, longer than 200 characters, or contains a NUL."""
    if not 1 <= len(name.strip()) <= 200 or "\0" in name:
        raise UnprocessableContent("name: use 1 to 200 characters.")
