"""Bound and clean what tools return, before a model reads it. Pure."""

import re

MAX_CHARS = 30_000
"""Characters of a result that a model is given, at most."""

_CONTROL = re.compile(
    "[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_MAX_REPLACED_SHARE = 0.1


def clean(text: str, max_chars: int = MAX_CHARS) -> str:
    """Return a text without control characters, of at most `max_chars` characters; says what was left out.

    A text that is cut keeps its beginning and its end, where programs write their errors.
    """
    cleaned = _CONTROL.sub("", text.replace("\r\n", "\n"))
    if len(cleaned) > max_chars:
        head, tail = max_chars * 3 // 4, max_chars // 4
        left_out = len(cleaned) - head - tail
        cleaned = f"{cleaned[:head]}\n\n[{left_out:,} characters left out]\n\n{cleaned[-tail:]}"
    return cleaned


def decode(content: bytes, max_chars: int = MAX_CHARS) -> str:
    """Return bytes as text, or a sentence that says that they are none."""
    # Bytes beyond what can be shown are not decoded. A character has up to four bytes.
    limit = max_chars * 4
    shown = content if len(content) <= limit else content[: limit * 3 // 4] + content[-limit // 4 :]
    text = shown.decode(errors="replace")
    if text.count("\ufffd") > len(text) * _MAX_REPLACED_SHARE or text.count("\0") > len(text) * _MAX_REPLACED_SHARE:
        return f"[{len(content):,} bytes that are no text]"
    left_out = f"\n\n[{len(content) - len(shown):,} bytes left out]" if len(shown) < len(content) else ""
    return clean(text, max_chars) + left_out
