"""Make an HTML page of an entry that a source has as a piece of HTML, with what is known of it. Pure."""

from collections.abc import Sequence
from html import escape


def entry_page(
    html: str, *, title: str = "", base: str = "", author: str = "", published: str = "", tags: Sequence[str] = ()
) -> bytes:
    """Return an HTML page that has nothing but the entry. `base` is the base URL of its links."""
    metas = {"headwater-content": "entry", "author": author, "date": published, "keywords": ", ".join(tags)}
    head = "".join(f'<meta name="{name}" content="{escape(text)}">' for name, text in metas.items() if text)
    address = f'<base href="{escape(base)}">' if base else ""
    title = f"<title>{escape(title)}</title>"
    return f'<!doctype html><html><head><meta charset="utf-8">{address}{title}{head}</head><body>{html}'.encode(
        errors="replace"
    )
