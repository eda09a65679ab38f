"""Media types of files by their extension, else by their first bytes. Pure.

The table is our own because `mimetypes` differs between machines: `.ts` is a video on some.
"""

import re
from pathlib import PurePosixPath

_BY_SUFFIX = {
    ".adoc": "text/asciidoc",
    ".asciidoc": "text/asciidoc",
    ".bash": "text/x-bash",
    ".c": "text/x-c",
    ".cc": "text/x-cpp",
    ".cjs": "text/x-javascript",
    ".cpp": "text/x-cpp",
    ".cs": "text/x-csharp",
    ".csv": "text/csv",
    ".cts": "text/x-typescript",
    ".cu": "text/x-cpp",
    ".cxx": "text/x-cpp",
    ".doc": "application/msword",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".eml": "message/rfc822",
    ".epub": "application/epub+zip",
    ".ex": "text/x-elixir",
    ".exs": "text/x-elixir",
    ".gif": "image/gif",
    ".go": "text/x-go",
    ".h": "text/x-c",
    ".hh": "text/x-cpp",
    ".hpp": "text/x-cpp",
    ".htm": "text/html",
    ".html": "text/html",
    ".ipynb": "application/x-ipynb+json",
    ".java": "text/x-java",
    ".jl": "text/x-julia",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/x-javascript",
    ".json": "application/json",
    ".jsx": "text/x-javascript",
    ".kt": "text/x-kotlin",
    ".kts": "text/x-kotlin",
    ".lua": "text/x-lua",
    ".markdown": "text/markdown",
    ".mbox": "application/mbox",
    ".md": "text/markdown",
    ".mdown": "text/markdown",
    ".mdx": "text/markdown",
    ".mjs": "text/x-javascript",
    ".mts": "text/x-typescript",
    ".odp": "application/vnd.oasis.opendocument.presentation",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".org": "text/x-org",
    ".pdf": "application/pdf",
    ".php": "text/x-php",
    ".png": "image/png",
    ".ppt": "application/vnd.ms-powerpoint",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".py": "text/x-python",
    ".pyi": "text/x-python",
    ".qmd": "text/markdown",
    ".r": "text/x-r",
    ".rb": "text/x-ruby",
    ".rmd": "text/markdown",
    ".rs": "text/x-rust",
    ".rst": "text/x-rst",
    ".scala": "text/x-scala",
    ".sh": "text/x-bash",
    ".sql": "text/x-sql",
    ".svg": "image/svg+xml",
    ".swift": "text/x-swift",
    ".ts": "text/x-typescript",
    ".tsv": "text/tab-separated-values",
    ".tsx": "text/x-typescript",
    ".txt": "text/plain",
    ".xls": "application/vnd.ms-excel",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zip": "application/zip",
    ".zsh": "text/x-bash",
}
_UNREADABLE = re.compile(r"(?:image|video|audio|font)/(?!svg).*")
_SNIFFED_BYTES = 8_000  # as Git does to detect binary files


def has_text(media_type: str) -> bool:
    """Return False for a media type without text, such as images."""
    return not _UNREADABLE.fullmatch(media_type)


def media_type(key: str, content: bytes) -> str:
    """Return the media type; without a known extension, `application/octet-stream` for NUL bytes, else `text/plain`."""
    known = _BY_SUFFIX.get(PurePosixPath(key).suffix.lower())
    return known or ("application/octet-stream" if b"\0" in content[:_SNIFFED_BYTES] else "text/plain")
