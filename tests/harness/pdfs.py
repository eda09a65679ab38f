"""Write small PDF files by hand."""

from collections.abc import Sequence


def make_pdf(*pages: str, rotate: str = "0") -> bytes:
    """Return a PDF with a page for each content stream, in Helvetica (`/F1`) on A4."""
    kids = " ".join(f"{4 + 2 * index} 0 R" for index in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for index, content in enumerate(pages):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Rotate {rotate} "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * index} 0 R >>"
        )
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    return write_pdf(objects)


def write_pdf(objects: Sequence[str], trailer: str = "") -> bytes:
    """Return a PDF with these objects, of which the first is the catalogue. `{start}` in `trailer` is the table's."""
    parts = ["%PDF-1.7\n"]
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(sum(map(len, parts)))
        parts.append(f"{number} 0 obj\n{body}\nendobj\n")
    start = sum(map(len, parts))
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    parts.append(f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}")
    more = trailer.replace("{start}", str(start))
    parts.append(f"trailer << /Size {len(objects) + 1} /Root 1 0 R {more}>>\nstartxref\n{start}\n%%EOF\n")
    return "".join(parts).encode("latin-1")


def _stream(content: str, about: str = "") -> str:
    return f"<< /Length {len(content)} {about}>>\nstream\n{content}\nendstream"


def _looping(
    *more: str,
    catalogue: str = "",
    pages: str = "/Kids [4 0 R] /Count 1",
    parent: str = "2 0 R",
    contents: str = "5 0 R",
    content: str = "",
    trailer: str = "",
) -> bytes:
    """Return a PDF of one page with text, of which a part is replaced. `more` are the objects from 6 on."""
    fonts = "/Font << /F1 3 0 R >>"
    box = "/MediaBox [0 0 595 842]" if parent == "2 0 R" else ""
    return write_pdf(
        [
            f"<< /Type /Catalog /Pages 2 0 R {catalogue}>>",
            f"<< /Type /Pages {pages} >>",
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            f"<< /Type /Page /Parent {parent} {box} /Resources << {fonts} /XObject << /X 6 0 R >> >> "
            f"/Contents {contents} >>",
            content or _stream("BT /F1 12 Tf 72 700 Td (Some text.) Tj ET /X Do"),
            *more,
        ],
        trailer,
    )


def _form(content: str, *names: int) -> str:
    """Return a form XObject that draws others: `/X6` is the object 6."""
    others = " ".join(f"/X{number} {number} 0 R" for number in names)
    return _stream(
        content, f"/Type /XObject /Subtype /Form /BBox [0 0 600 800] /Resources << /XObject << {others} >> >> "
    )


def looping_pdfs() -> dict[str, bytes]:
    """Return PDFs with parts that contain or follow themselves, by what loops."""
    outline = "<< /Type /Outlines /First 7 0 R /Last 7 0 R /Count 1 >>"
    return {
        "pages": _looping(pages="/Kids [2 0 R] /Count 1"),
        "pages-of-pages": _looping(
            "<< /Type /Pages /Parent 2 0 R /Kids [2 0 R] /Count 1 >>", pages="/Kids [6 0 R 4 0 R] /Count 5"
        ),
        "pages-and-page": _looping(pages="/Kids [2 0 R 4 0 R] /Count 2"),
        "count": _looping(pages="/Kids [4 0 R] /Count 2000000000"),
        "parent": _looping(parent="4 0 R"),
        "outline": _looping(outline, "<< /Title (A) /Parent 6 0 R /Next 7 0 R >>", catalogue="/Outlines 6 0 R "),
        "outline-levels": _looping(
            outline,
            "<< /Title (A) /Parent 6 0 R /First 7 0 R /Next 8 0 R >>",
            "<< /Title (B) /First 6 0 R /Next 7 0 R >>",
            catalogue="/Outlines 6 0 R ",
        ),
        "contents": _looping("[6 0 R 5 0 R]", contents="[6 0 R]"),
        "reference": _looping("6 0 R", contents="6 0 R"),
        "length": _looping(content="<< /Length 5 0 R >>\nstream\nBT /F1 12 Tf 72 700 Td (Some text.) Tj ET\nendstream"),
        "object-stream": _looping(_stream("6 0 << /A 1 >>", "/Type /ObjStm /N 1 /First 4 /Extends 6 0 R ")),
        "cross-references": _looping(trailer="/Prev {start} "),
        "form": _looping(_form("/X6 Do", 6)),
    }


def doubling_pdfs() -> dict[str, bytes]:
    """Return PDFs whose forms draw others several times, so that a page has a million and more."""
    return {
        "forms": _looping(_form("/X7 Do /X7 Do", 7), _form("/X6 Do /X6 Do", 6)),
        "form-levels": _looping(*(_form(f"/X{number + 1} Do " * 10, number + 1) for number in range(6, 16)), _form("")),
    }
