"""Values in the answers of JSON APIs, which may have any type, and refusals. Pure."""

import re
from typing import Any
from urllib.parse import quote as percent_encode

import msgspec

from headwater.errors import PermanentError
from headwater.redaction import quote
from headwater.schemas import replace_nul

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,60}")


class Refused(PermanentError):
    """The server refuses one request: it has no such object, or the token may not read it.

    `http_status` is that of the server's answer, `code` the service's name for the reason.
    """

    def __init__(self, message: str, http_status: int, code: str = "") -> None:
        super().__init__(message)
        self.http_status = http_status
        self.code = code


class AccessDenied(Refused):
    """The token may not read this."""


class Refusal(msgspec.Struct, frozen=True):
    """The status of a refusal, and the service's name for the reason; "" if it gives none."""

    status: int
    code: str


def read_refusal(content: bytes) -> tuple[str, str]:
    """Return the code and the message in an error's body, in the shapes of common APIs; "" without one."""
    try:
        problem = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", ""
    inner = problem.get("error") if isinstance(problem, dict) else None
    if isinstance(inner, dict):  # Google
        details = inner.get("errors")
        first = details[0] if isinstance(details, list) and details and isinstance(details[0], dict) else {}
        problem = {"code": first.get("reason") or inner.get("status"), "message": inner.get("message")}
    elif isinstance(inner, str):  # OAuth 2.0; GitLab has a sentence
        is_named = _CODE.fullmatch(inner) is not None
        problem = {"code": inner, "message": problem.get("error_description") if is_named else inner}
    if not isinstance(problem, dict):
        return "", ""
    code, message = problem.get("code"), problem.get("message")
    is_code = isinstance(code, str) and _CODE.fullmatch(code)
    return str(code) if is_code else "", quote(message).rstrip(".") if isinstance(message, str) else ""


def path_part(text: str) -> str:
    """Encode an id for use as a part of a path."""
    return percent_encode(text, safe="")


def as_dict(value: Any) -> dict[str, Any]:
    """Return a JSON object; {} for anything else."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """Return a JSON array; [] for anything else."""
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str:
    """Return a JSON string with spaces in place of NUL characters; "" for anything else."""
    return replace_nul(value) if isinstance(value, str) else ""
