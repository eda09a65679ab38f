"""Media types of files by their extension, else by their first bytes. Pure.

The table is our own because `mimetypes` differs between machines: `.ts` is a video on some.
"""

from pathlib import PurePosixPath

_BY_SUFFIX = {
    ".adoc": "text/asciidoc",
    ".csv": "text/csv",
    ".gif": "image/gif",
    ".htm": "text/html",
    ".html": "text/html",
    ".ipynb": "application/x-ipynb+json",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".markdown": "text/markdown",
    ".md": "text/markdown",
    ".mdown": "text/markdown",
    ".mdx": "text/markdown",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".qmd": "text/markdown",
    ".rmd": "text/markdown",
    ".rst": "text/x-rst",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zip": "application/zip",
}
_SNIFFED_BYTES = 8_000  # as Git does to detect binary files


def media_type(key: str, content: bytes) -> str:
    """Return the media type; without a known extension, `application/octet-stream` for NUL bytes, else `text/plain`."""
    known = _BY_SUFFIX.get(PurePosixPath(key).suffix.lower())
    return known or ("application/octet-stream" if b"\0" in content[:_SNIFFED_BYTES] else "text/plain")
