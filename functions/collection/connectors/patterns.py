"""Compile the patterns of a source's config: the files to collect and those to leave out. Pure."""

from collections.abc import Callable, Sequence

from headwater.errors import UnprocessableContent
from headwater.filters.globs import PatternError, Selector, compile_patterns

DOCUMENTS = tuple(
    f"**/*.{extension}"
    for extension in (
        *("md", "mdx", "markdown", "rst", "adoc", "org", "txt", "html", "htm", "pdf", "docx", "pptx", "xlsx"),
        *("odt", "odp", "ods", "epub", "csv", "ipynb", "eml"),
    )
)
"""Formats that are documents, by their extensions."""


def selector_of(include: Sequence[str], exclude: Sequence[str], what: str) -> Selector:
    """Compile the fields `include` and `exclude`, of what such as `files`. Raises UnprocessableContent."""
    if not include:
        raise UnprocessableContent(f"config.include: enter at least one pattern. `**` collects all {what}.")
    return Selector(matcher("include", include), matcher("exclude", exclude))


def matcher(field: str, patterns: Sequence[str]) -> Callable[[str], bool]:
    """Compile one field of patterns. Raises UnprocessableContent."""
    try:
        return compile_patterns(patterns)
    except PatternError as error:
        raise UnprocessableContent(f"config.{field}: {error}.") from error
