"""Keep secrets and control characters out of messages and logs.

A server may send back what it was sent: a token in a header, a page or an error, in some encoding. What it sends may
also change a terminal's state, or the order of letters on a screen. So a token is used within `redacting`, a server's
text is quoted with `quote`, and all messages and log lines are escaped.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import quote as percent_encode
from urllib.parse import quote_plus

REDACTED = "[secret]"

_GRAM = 8
"""Every part of a secret of this length is removed, so that a cut secret is too."""

_MIN_SECRET = 4
"""Shorter texts are no secrets: removing them would make messages unreadable."""

_ERRNO = re.compile(r"\[Errno (?:-?\d+|None)\] ")

_MAX_READ = 20_000
"""Characters of a text that `quote` reads."""


def escape(text: str) -> str:
    r"""Replace characters that can't be printed, except newlines, such as `\x1b` for ESC and `\u202e` for an override.

    Replaces control characters, bidirectional formatting, invisible characters, separators and lone surrogates.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def escape_line(text: str) -> str:
    """Escape a text, newlines too."""
    return escape(text).replace("\n", r"\n")


def escape_json(text: str) -> str:
    """Replace the same characters in the strings of encoded JSON, such as C1 control characters, by JSON's escapes."""
    return text if text.isprintable() else _NOT_ASCII.sub(_json_escape, text)


def quote(text: object, max_chars: int = 200) -> str:
    """Return another server's text, or an error's, for a message: one line, escaped, cut, without secrets.

    Without the numbers of system errors, as in `[Errno 111] Connection refused`.
    """
    line = _ERRNO.sub("", " ".join(redact(str(text)[:_MAX_READ]).split()))
    escaped = escape(line)
    return escaped if len(escaped) <= max_chars else f"{escaped[: max_chars - 1]}…"


def redact(text: str) -> str:
    """Remove the secrets of the enclosing `redacting`, and whatever has the form of a credential."""
    redactor = _redactor.get()
    return _CREDENTIALS.sub(REDACTED, redactor(text) if redactor else text)


class Redactor:
    """Removes secrets from texts, as they are or encoded, in upper or lower case.

    Knows Base64, also as a part of a longer text, percent-encoding, JSON, HTML, hexadecimal, and Python literals.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form.translate(_LOWER) for secret in secrets if len(secret) >= _MIN_SECRET for form in _forms(secret)}
        short = sorted((form for form in forms if _MIN_SECRET <= len(form) < _GRAM), key=len, reverse=True)
        self._short = re.compile("|".join(map(re.escape, short))) if short else None
        self._grams = {form[i : i + _GRAM] for form in forms for i in range(len(form) - _GRAM + 1)}

    def __call__(self, text: str) -> str:
        """Return the text with each occurrence, and each part of at least eight characters, replaced by `[secret]`."""
        if not self._grams and not self._short:
            return text
        lower = text.translate(_LOWER)
        spans = [(i, i + _GRAM) for i in range(len(lower) - _GRAM + 1) if lower[i : i + _GRAM] in self._grams]
        if self._short:
            spans = sorted([*spans, *(match.span() for match in self._short.finditer(lower))])
        pieces, end = [], 0
        for start, stop in spans:
            if start >= end:
                pieces += [text[end:start], REDACTED]
            end = max(end, stop)
        return "".join([*pieces, text[end:]])


def _json_escape(match: re.Match[str]) -> str:
    return match[0] if match[0].isprintable() else json.dumps(match[0])[1:-1]


def _forms(secret: str) -> Iterator[str]:
    """Yield the forms in which a server, or a library that quotes it, may repeat a secret."""
    import html

    content = secret.encode(errors="surrogatepass")
    yield from (secret, content.decode("latin-1"), content.hex(), html.escape(secret))
    yield from (repr(secret)[1:-1], repr(content)[2:-1], json.dumps(secret)[1:-1])
    encoded = percent_encode(content, safe="")
    yield from (encoded, quote_plus(content), percent_encode(content), percent_encode(encoded, safe=""))
    for shift in range(3):  # the position of the first byte within a group of three, such as after `user:`
        start, end = -(-shift * 8 // 6), (shift + len(content)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(shift) + content).decode()[start:end]


@contextmanager
def redacting(redactor: Redactor) -> Iterator[None]:
    """Keep secrets out of quotes and log lines in the block, and out of the errors that leave it."""
    token = _redactor.set(redactor)
    try:
        yield
    except Exception as error:
        _redact_errors(error, redactor)
        raise
    finally:
        _redactor.reset(token)


def _redact_errors(error: BaseException, redactor: Redactor) -> None:
    """Remove secrets from the messages of an error and of those that it was raised from."""
    pending, seen = [error], set[int]()
    while pending:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        pending += [cause for cause in (current.__cause__, current.__context__) if cause]
        pending += [part for part in current.args if isinstance(part, BaseException)]
        current.args = tuple(_redact_value(part, redactor) for part in current.args)
        vars(current).update({name: _redact_value(value, redactor) for name, value in vars(current).items()})


def _redact_value(value: object, redactor: Redactor) -> object:
    if isinstance(value, bytes):
        return redactor(value.decode("latin-1")).encode("latin-1")
    return redactor(value) if isinstance(value, str) else value


_NOT_ASCII = re.compile("[^ -~]")

# Unlike `str.lower`, this keeps the length of a text.
_LOWER = str.maketrans({chr(c): chr(c + 32) for c in range(65, 91)})

_redactor: ContextVar[Redactor | None] = ContextVar("redactor", default=None)

# Credentials that are not known here: HTTP authentication, the user in a URL, Headwater's API keys, JWTs, Google's and
# GitHub's access tokens.
_CREDENTIALS = re.compile(
    r"(?i:(?<=\bbasic )|(?<=\bbearer ))(?![A-Z]?[a-z]+\W*(?:\s|$))[A-Za-z0-9._~+/=-]{8,}|(?<=://)[^\s/@?#]+(?=@)|\bhw_[0-9A-Za-z]{38}"
    r"|\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*|\bya29\.[A-Za-z0-9._-]+|\bgh[a-z]_[A-Za-z0-9]{20,}"
)
