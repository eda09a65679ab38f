"""Decode the query string and the JSON body of a request into structs. Errors say what is expected."""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import flask
import msgspec

from headwater import errors

_INVALID_VALUE = re.compile(r"Invalid enum value .* - at `\$\.(\w+)`", re.DOTALL)
_INVALID_DATE = re.compile(r"Invalid RFC3339 encoded date\b")
_HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")


def decode_query(request: flask.Request, kind: Any) -> Any:
    """Decode the query string into `kind`; 422 if it is invalid, or names a parameter twice."""
    if kind is None:
        return None
    if repeated := [name for name, values in request.args.lists() if len(values) > 1]:
        raise errors.UnprocessableContent(f"Invalid query parameters: `{repeated[0]}` is given more than once.")
    try:
        return msgspec.convert(request.args.to_dict(), kind, strict=False)
    except msgspec.ValidationError as error:
        reason = _describe(error, kind).replace(", got `str`", "")  # all of them are texts
        raise errors.UnprocessableContent(f"Invalid query parameters: {reason}") from error


def decode_body(request: flask.Request, kind: Any, max_bytes: int) -> Any:
    """Decode the JSON body into `kind`; 413 if it is too large, 400 if it isn't JSON, 422 if it is invalid.

    An empty body counts as `{}` where it `may_be_omitted`.
    """
    if kind is None:
        return None
    content = request.stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise errors.PayloadTooLarge(
            f"The body is larger than {max_bytes} bytes, the limit of this route. Send less at a time."
        )
    if not content.strip():
        if may_be_omitted(request.method, kind):
            return kind()
        raise errors.BadRequest("The body is empty. Send a JSON object.")
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        raise errors.UnprocessableContent(f"Invalid body: {_describe(error, kind)}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = "a text has half of a surrogate pair, such as `\\ud83d`" if _has_half_pair(content) else error
        raise errors.BadRequest(f"The body is not valid JSON: {reason}.") from error


def may_be_omitted(method: str, kind: type[msgspec.Struct]) -> bool:
    """Return True if a body has no required field. A PATCH without a body is a mistake: it would change nothing."""
    return method == "POST" and not any(field.required for field in msgspec.structs.fields(kind))


def _describe(error: msgspec.ValidationError, kind: Any) -> str:
    """Return the message of an error, with the values that the field takes if it takes only some."""
    field = _INVALID_VALUE.fullmatch(str(error))
    types = {each.encode_name: each.type for each in msgspec.structs.fields(kind)} if field else {}
    values = [f"`{value}`" for value in _values(types.get(field[1]) if field else None)]
    message = _INVALID_DATE.sub("Expected a date such as 2026-01-31", str(error))
    return f"{message}. Use one of {', '.join(values)}." if values else f"{message}."


def _values(kind: Any) -> Iterator[Any]:
    """Yield the values of a `Literal`, also of one within a union."""
    for each in get_args(kind):
        if get_origin(kind) is Literal:
            yield each
        else:
            yield from _values(each)


def _has_half_pair(content: bytes) -> bool:
    r"""Return True if the JSON is valid but for half of a surrogate pair: a text that was cut within an emoji.

    Decoders that accept such texts return them. msgspec takes what follows for the other half.
    """
    if not _HALF_PAIR.search(content):
        return False
    try:
        json.dumps(json.loads(content), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False
    return False
