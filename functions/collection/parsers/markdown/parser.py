"""The Markdown parser: front matter, blocks and links of Markdown and MDX files. Pure.

Parsing never fails: what is not valid Markdown is text. Only binary files are refused.
"""

from typing import Any

from functions.collection.parsers.markdown.front_matter import read_front_matter
from functions.collection.parsers.markdown.structure import read_structure
from functions.collection.parsers.text_encoding import decode_text
from headwater.parsers import Parsed

READS = ("text/markdown", "text/mdx", ".md", ".mdx", ".markdown", ".mdown", ".qmd", ".rmd")
"""Media types and file extensions; other text files are parsed as Markdown too."""

VERSION = 4
"""Part of each document's fingerprint: raise it when the same bytes would be parsed differently."""

_JSON_FRONT_MATTER = (".md", ".markdown")
"""Files that may begin with a JSON object; in MDX, a brace begins an expression."""


def parse(name: str, content: bytes, media_type: str) -> Parsed:
    """Parse a Markdown or MDX file. Raises PermanentError for a binary file."""
    decoded, warnings = decode_text(content)
    suffix = name[name.rfind(".") :].lower()
    front_matter, body_start, problem = read_front_matter(decoded, json_allowed=suffix in _JSON_FRONT_MATTER)
    text = decoded[body_start:] if body_start else decoded
    if problem:
        warnings.append(problem)
    mdx = suffix == ".mdx" or media_type.partition(";")[0].strip().lower() == "text/mdx"
    blocks, links, markup = read_structure(text, warnings, mdx=mdx)
    return Parsed(text, _title(front_matter), front_matter, blocks, links, tuple(warnings), markup)


def _title(front_matter: dict[str, Any]) -> str | None:
    title = front_matter.get("title")
    if isinstance(title, str | int | float) and not isinstance(title, bool):
        return str(title)
    return None
