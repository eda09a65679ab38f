"""Decode the query string and the JSON body of a request into structs. Errors say what is expected."""

import datetime as dt
import json
import re
from typing import Any
from urllib.parse import unquote_to_bytes

import flask
import msgspec

from headwater import errors
from headwater.schemas import EXPECTED_TIME, explain

_HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")


def decode_query(request: flask.Request, kind: Any) -> Any:
    """Decode the query string into `kind`; 422 if it is invalid or repeats a parameter."""
    if kind is None:
        return None
    try:
        unquote_to_bytes(request.query_string).decode()  # werkzeug would leave what isn't UTF-8 percent-encoded
    except UnicodeDecodeError as error:
        raise errors.UnprocessableContent("Invalid query parameters: percent-encode their text as UTF-8.") from error
    args = request.args
    for name, values in args.lists():
        if len(values) > 1:
            raise errors.UnprocessableContent(f"Invalid query parameters: `{name}` is repeated. Send it once.")
    try:
        decoded = msgspec.convert(args.to_dict(), kind, strict=False)
    except msgspec.ValidationError as error:
        reason = explain(error, kind).replace(", got `str`", "")  # all of them are texts
        raise errors.UnprocessableContent(f"Invalid query parameters: {reason}") from error
    for field, name in zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True):
        if name not in args:
            continue
        value = getattr(decoded, field)
        if value is None:  # msgspec takes the text `null` for null
            raise errors.UnprocessableContent(f"Invalid query parameters: `{name}` can't be null. Leave it out.")
        if isinstance(value, dt.datetime) and ":" not in args[name]:  # and `20260131` for seconds since 1970
            raise errors.UnprocessableContent(f"Invalid query parameters: {EXPECTED_TIME} - at `$.{name}`.")
    return decoded


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
        raise errors.UnprocessableContent(f"Invalid body: {explain(error, kind)}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = "a text has half of a surrogate pair, such as `\\ud83d`" if _has_half_pair(content) else error
        raise errors.BadRequest(f"The body is not valid JSON: {reason}.") from error


def may_be_omitted(method: str, kind: type[msgspec.Struct]) -> bool:
    """Return True if a body has no required field. A PATCH without a body is a mistake: it would change nothing."""
    return method == "POST" and not any(field.required for field in msgspec.structs.fields(kind))


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
