"""Files that are truncated, corrupted, misnamed or bombs, made of tests/data/documents by a seeded generator."""

import random
from collections.abc import Iterator

from tests.harness.archives import make_docx, make_zip
from tests.harness.paths import ROOT
from tests.harness.pdfs import doubling_pdfs, looping_pdfs, make_pdf

DOCUMENTS = ROOT / "tests/data/documents"
SUFFIXES = (
    *(".pdf", ".docx", ".pptx", ".odt", ".odp", ".xlsx", ".ods", ".xls", ".csv", ".epub", ".rst", ".adoc", ".org"),
    *(".py", ".ipynb", ".eml", ".mbox", ".zip", ".html", ".md"),
)


SMALL_BOMBS = (
    *("ratio.docx", "members.zip", "nested.zip", "deep.docx", "laughs.docx", "deep.html", "deep.ipynb"),
    *("loop-pages.pdf", "loop-contents.pdf", "loop-form.pdf"),
)
"""Those that are read or refused at once."""


def bombs() -> Iterator[tuple[str, bytes]]:
    """Yield files that would take much memory or time."""
    zeros = b" " * 30_000_000
    cell = "<w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc>"
    yield "ratio.docx", make_zip({"word/document.xml": zeros * 3})
    yield "member.docx", make_zip({"word/document.xml": zeros, "noise": random.Random(0).randbytes(500_000)})
    yield "members.zip", make_zip({f"{number}.md": "a" for number in range(12_000)})
    nested = make_zip({"c.md": "a"})
    for _ in range(20):
        nested = make_zip({f"{number}.zip": nested for number in range(3)})
    yield "nested.zip", nested
    yield "deep.docx", make_docx("<w:sdt><w:sdtContent>" * 5_000 + "</w:sdtContent></w:sdt>" * 5_000)
    yield "table.docx", make_docx("<w:tbl>" + f"<w:tr>{cell * 50}</w:tr>" * 3_000 + "</w:tbl>")
    yield "laughs.docx", make_docx("").replace(b"a", b"&a;")
    yield "page.pdf", make_pdf("q " * 500_000 + "BT /F1 12 Tf (a) Tj ET " * 20_000)
    yield "rulings.pdf", make_pdf("".join(f"{x} 0 m {x} 800 l S 0 {x} m 500 {x} l S\n" for x in range(2_000)))
    yield from ((f"loop-{name}.pdf", content) for name, content in (looping_pdfs() | doubling_pdfs()).items())
    yield "pages.pdf", make_pdf(*["BT /F1 12 Tf 72 700 Td (a) Tj ET"] * 3_000)
    yield "deep.html", b"<div>" * 200_000
    yield "deep.rst", b"* " * 100_000
    yield "deep.ipynb", b"[" * 1_000_000
    yield "quotes.csv", b'"' * 3_000_000
    yield "columns.csv", b"," * 3_000_000
    yield "parts.eml", b"Subject: a\nContent-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\na\n" * 100_000
    yield "code.py", b"def f(): pass\n" * 300_000
    yield "long.org", b"*bold " * 500_000
    yield "table.adoc", b"|===\n" + b"|a " * 500_000 + b"\n|===\n"


def broken(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield broken files with their names."""
    chance = random.Random(seed)
    samples = sorted(path for path in DOCUMENTS.iterdir() if not path.name.endswith(".md"))
    for number in range(count):
        path = samples[number % len(samples)]
        content = bytearray(path.read_bytes())
        kind = ("cut", "flipped", "misnamed", "doubled", "zeroed")[chance.randrange(5)]
        suffix = chance.choice(SUFFIXES) if kind == "misnamed" else path.suffix
        at = chance.randrange(1, len(content))
        match kind:
            case "cut":
                del content[at:]
            case "flipped":
                for _ in range(chance.choice((1, 20, 1_000))):
                    content[chance.randrange(len(content))] = chance.randrange(256)
            case "doubled":
                content[at:at] = content[: chance.randrange(len(content))]
            case "zeroed":
                content[at : at + 500] = bytes(len(content[at : at + 500]))
        yield f"{number:03}-{kind}-{path.stem}{suffix}", bytes(content)
