"""Names that users give to sources, members and API keys."""

from headwater.errors import UnprocessableContent


def check_name(name: str) -> None:
    """Raise UnprocessableContent for a name that is blank, longer than 200 characters, or contains a NUL."""
    if not 1 <= len(name.strip()) <= 200 or "\0" in name:
        raise UnprocessableContent("name: use 1 to 200 characters.")
