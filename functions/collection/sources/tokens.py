"""Check the tokens that users enter for sources. Pure.

A token is one line. Private keys in PEM and JSON objects, such as the key of a service account, have several.
"""

import msgspec

from headwater.errors import UnprocessableContent

_LINE_BREAKS = "\r\n\t"


def normalise_token(token: str | None, *, has_lines: bool) -> str | None:
    """Return a token without the line breaks around it.

    Raises UnprocessableContent for one with characters that can't be sent to a server. With `has_lines`, a token of any
    form may have several lines.
    """
    if token is None:
        return None
    token = token.strip(_LINE_BREAKS)
    is_object = token.lstrip().startswith("{")
    _check(token, "token", has_lines=has_lines or is_object or "-----BEGIN" in token)
    for name, value in _fields(token).items() if is_object else ():
        _check(value, f"token: its field {_printable(name)}", has_lines="-----BEGIN" in value)
    return token


def _check(text: str, subject: str, *, has_lines: bool) -> None:
    for position, char in enumerate(text, 1):
        if char.isprintable() or (has_lines and char in _LINE_BREAKS):
            continue
        found = "a line break" if char in "\r\n" else f"a character that can't be seen (U+{ord(char):04X})"
        raise UnprocessableContent(f"{subject} has {found} at position {position}. Copy it again, as one line.")


def _fields(token: str) -> dict[str, str]:
    """Return the texts of a JSON object; of another text, none."""
    try:
        found = msgspec.json.decode(token, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _printable(name: str) -> str:
    return "".join(char for char in name if char.isprintable())[:40]
