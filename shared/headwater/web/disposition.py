"""The name under which a client saves a response."""

import re
import unicodedata
from typing import Literal
from urllib.parse import quote

_UNSAFE = re.compile(r'[^ -~]|["\\%]')


def content_disposition(kind: Literal["inline", "attachment"], name: str) -> str:
    """Return the header's value (RFC 6266), with the name in ASCII for clients that know no other, such as curl.

    `content_disposition("inline", "ü.md") == "inline; filename=\\"u.md\\"; filename*=UTF-8''%C3%BC.md"`
    """
    letters = (char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))
    plain = _UNSAFE.sub("_", "".join(letters))
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
