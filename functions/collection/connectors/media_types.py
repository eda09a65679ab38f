"""The media type of a file, from its name and, where that says nothing, its first bytes. Pure; called by connectors.

The table is our own: what `mimetypes` says differs from machine to machine (`.ts` is a video on some).
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
    ".mdx": "text/markdown",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".rst": "text/x-rst",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zip": "application/zip",
}
_SNIFFED_BYTES = 8_000  # as Git does to tell binary from text


def media_type(key: str, content: bytes) -> str:
    """Name the media type; `application/octet-stream` for unknown names with a NUL byte, else `text/plain`."""
    known = _BY_SUFFIX.get(PurePosixPath(key).suffix.lower())
    return known or ("application/octet-stream" if b"\0" in content[:_SNIFFED_BYTES] else "text/plain")
