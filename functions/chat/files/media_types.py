"""Media types of files by their names, and which of them a browser may show. Pure."""

from pathlib import PurePosixPath

OTHER = "application/octet-stream"

_BY_SUFFIX = {
    ".c": "text/plain",
    ".css": "text/css",
    ".csv": "text/csv",
    ".gif": "image/gif",
    ".htm": "text/html",
    ".html": "text/html",
    ".ini": "text/plain",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".json": "application/json",
    ".jsx": "text/javascript",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".py": "text/x-python",
    ".sh": "text/x-shellscript",
    ".sql": "text/x-sql",
    ".svg": "image/svg+xml",
    ".toml": "text/plain",
    ".ts": "text/typescript",
    ".tsv": "text/tab-separated-values",
    ".tsx": "text/typescript",
    ".txt": "text/plain",
    ".webp": "image/webp",
    ".xml": "application/xml",
    ".yaml": "text/plain",
    ".yml": "text/plain",
    ".zip": "application/zip",
}

_SIGNATURES = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
}
"""Pictures that browsers show and that can't run anything. SVG can."""


def media_type(path: str) -> str:
    """Return the type that a path's ending says."""
    return _BY_SUFFIX.get(PurePosixPath(path).suffix.lower(), OTHER)


def safe_type(path: str, content: bytes) -> str:
    """Return the type to send a content with: a picture's if it is one, else one that browsers only download."""
    kind = media_type(path)
    return kind if content.startswith(_SIGNATURES.get(kind, ())) else OTHER
