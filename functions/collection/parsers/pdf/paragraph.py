"""A paragraph of a PDF: a heading, text, code or an item of a list."""

from dataclasses import dataclass

from functions.collection.parsers.pdf.pages import Line


@dataclass(slots=True)
class Paragraph:
    """Lines that belong together."""

    lines: list[Line]
    bullet: str = ""
    number: int | None = None
    is_code: bool = False
    level: int = 0
    """Of a heading, from 1."""

    @property
    def text(self) -> str:
        """The words, without the line breaks."""
        return " ".join(line.text for line in self.lines)
