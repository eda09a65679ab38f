"""Names that users give to sources, members and API keys."""

from typing import Annotated

from msgspec import Meta

from headwater.errors import UnprocessableContent

_MAX_CHARS = 200

Name = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": _MAX_CHARS})]
"""A name as the API describes it. `check_name` checks it."""


def check_name(name: str) -> None:
    """Raise UnprocessableContent for a name that is blank, longer than 200 characters, or contains a NUL."""
    if not 1 <= len(name.strip()) <= _MAX_CHARS or "\0" in name:
        raise UnprocessableContent(f"name: use 1 to {_MAX_CHARS} characters.")
