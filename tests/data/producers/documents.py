"""Make the handbook with python-docx, odfpy, EbookLib, jupytext, nbformat, fpdf2, ReportLab and Python's `email`.

`make.sh` also gives the handbook as a page to browsers, WeasyPrint and LibreOffice, and as a source to LaTeX.
"""

import html
import mailbox
import re
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

from source import DOCUMENTS, Block, handbook

BLOCKS = handbook()
TITLE = "Pump station handbook"


def python_docx(path: Path) -> None:
    import docx

    document = docx.Document()
    document.core_properties.title = TITLE
    for block in BLOCKS:
        match block["kind"]:
            case "heading":
                document.add_heading(block["text"], block["level"])
            case "text":
                document.add_paragraph(block["text"])
            case "list":
                style = "List Number" if block["is_numbered"] else "List Bullet"
                for item in block["items"]:
                    document.add_paragraph(item["text"], style=style)
            case "code":
                for line in block["text"].split("\n"):
                    document.add_paragraph().add_run(line).font.name = "Courier New"
            case "table":
                table = document.add_table(0, len(block["rows"][0]), style="Table Grid")
                for row in block["rows"]:
                    for cell, text in zip(table.add_row().cells, row, strict=True):
                        cell.text = text
    document.save(str(path))


def odfpy(path: Path) -> None:
    from odf.opendocument import OpenDocumentText
    from odf.style import Style, TextProperties
    from odf.table import Table, TableCell, TableColumn, TableHeaderRows, TableRow
    from odf.text import H, List, ListItem, ListLevelStyleBullet, ListLevelStyleNumber, ListStyle, P, S

    document = OpenDocumentText()
    code = Style(name="Preformatted_20_Text", displayname="Preformatted Text", family="paragraph")
    code.addElement(TextProperties(fontfamily="Courier"))
    document.styles.addElement(code)
    for name, level in (("Bullets", ListLevelStyleBullet), ("Numbers", ListLevelStyleNumber)):
        style = ListStyle(name=name)
        kept = {"bulletchar": "•"} if name == "Bullets" else {"numformat": "1", "numsuffix": "."}
        style.addElement(level(level=1, **kept))
        document.automaticstyles.addElement(style)

    def row_of(cells: list[str]) -> TableRow:
        row = TableRow()
        for text in cells:
            cell = TableCell(valuetype="string")
            cell.addElement(P(text=text))
            row.addElement(cell)
        return row

    for block in BLOCKS:
        match block["kind"]:
            case "heading":
                document.text.addElement(H(outlinelevel=block["level"], text=block["text"]))
            case "text":
                document.text.addElement(P(text=block["text"]))
            case "list":
                items = List(stylename="Numbers" if block["is_numbered"] else "Bullets")
                for item in block["items"]:
                    entry = ListItem()
                    entry.addElement(P(text=item["text"]))
                    items.addElement(entry)
                document.text.addElement(items)
            case "code":
                for line in block["text"].split("\n"):
                    paragraph = P(stylename=code)
                    if indent := len(line) - len(line.lstrip()):
                        paragraph.addElement(S(c=indent))
                    paragraph.addText(line.lstrip())
                    document.text.addElement(paragraph)
            case "table":
                table = Table(name="Pumps")
                table.addElement(TableColumn(numbercolumnsrepeated=len(block["rows"][0])))
                header = TableHeaderRows()
                header.addElement(row_of(block["rows"][0]))
                table.addElement(header)
                for row in block["rows"][1:]:
                    table.addElement(row_of(row))
                document.text.addElement(table)
    document.save(str(path))


def to_html(blocks: list[Block]) -> str:
    """Return blocks as HTML."""
    written: list[str] = []
    for block in blocks:
        text = html.escape(block.get("text", ""))
        match block["kind"]:
            case "heading":
                written.append(f"<h{block['level']}>{text}</h{block['level']}>")
            case "text":
                written.append(f"<p>{text}</p>")
            case "list":
                tag = "ol" if block["is_numbered"] else "ul"
                items = "".join(f"<li>{html.escape(item['text'])}</li>" for item in block["items"])
                written.append(f"<{tag}>{items}</{tag}>")
            case "code":
                written.append(f"<pre><code>{text}</code></pre>")
            case "table":
                head, *rows = block["rows"]
                cells = "".join(f"<th>{cell}</th>" for cell in head)
                body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
                written.append(f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>")
    return "\n".join(written)


def page(style: str, blocks: str) -> str:
    """Return blocks, as HTML, as a page with a style."""
    head = f'<meta charset="utf-8"><title>{TITLE}</title><style>{style}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body><main>{blocks}</main></body></html>'


def ruled_page() -> str:
    """Return the handbook as a page whose table has rules. LibreOffice reads them from the attribute."""
    style = (
        'body {font-family: "DejaVu Serif", serif} table {border-collapse: collapse}'
        " td, th {border: 1px solid; padding: 3px}"
    )
    return page(style, to_html(BLOCKS).replace("<table>", '<table border="1">'))


def page_in_columns() -> str:
    """Return the handbook as a page that is printed in two columns, with hyphens."""
    style = (
        '@page {size: A4; margin: 2cm} body {font: 10pt "DejaVu Serif", serif} h1 {column-span: all} pre {font-size: 8pt}'
        " main {column-count: 2; column-gap: 1cm; text-align: justify; hyphens: auto} table {border-collapse: collapse}"
        " td, th {border-bottom: 1px solid #888; padding: 3px; text-align: left}"
    )
    return page(style, to_html(BLOCKS))


def latex() -> str:
    """Return the handbook as an article in two columns, with a ruled table whose cells are wrapped."""
    sections = {1: "section", 2: "subsection", 3: "subsubsection"}

    def escape(text: str) -> str:
        return re.sub(r"([%&#_$])", r"\\\1", text)

    written = [r"\documentclass[10pt,twocolumn]{article}\usepackage{lmodern}\begin{document}"]
    for block in BLOCKS:
        text = escape(block.get("text", ""))
        match block["kind"]:
            case "heading":
                written.append(f"\\{sections[block['level']]}*{{{text}}}")
            case "text":
                written.append(text)
            case "list":
                name = "enumerate" if block["is_numbered"] else "itemize"
                items = "\n".join(rf"\item {escape(item['text'])}" for item in block["items"])
                written.append(f"\\begin{{{name}}}\n{items}\n\\end{{{name}}}")
            case "code":
                written.append(f"\\begin{{verbatim}}\n{block['text']}\n\\end{{verbatim}}")
            case "table":
                rows = "\n".join(" & ".join(map(escape, row)) + r" \\ \hline" for row in block["rows"])
                columns = r"|p{0.28\linewidth}" * len(block["rows"][0]) + "|"
                written.append(f"\\noindent\\begin{{tabular}}{{{columns}}}\\hline\n{rows}\n\\end{{tabular}}")
    return "\n\n".join([*written, r"\end{document}"])


def chapters() -> Iterator[tuple[str, list[Block]]]:
    """Yield the chapters: the introduction, and one for each heading of level 2."""
    starts = [at for at, block in enumerate(BLOCKS) if block["kind"] == "heading" and block["level"] < 3]
    for start, end in zip(starts, [*starts[1:], len(BLOCKS)], strict=True):
        yield BLOCKS[start]["text"], BLOCKS[start:end]


def ebooklib(path: Path) -> None:
    from ebooklib import epub

    book = epub.EpubBook()
    book.set_title(TITLE)
    book.set_language("en")
    book.add_author("River authority")
    items = []
    for number, (title, blocks) in enumerate(chapters()):
        item = epub.EpubHtml(title=title, file_name=f"text/chapter {number}.xhtml")
        item.content = to_html(blocks)
        book.add_item(item)
        items.append(item)
    book.toc = items
    book.add_item(epub.EpubNcx())
    book.add_item(epub.EpubNav())
    book.spine = ["nav", *items]
    epub.write_epub(str(path), book)


def jupytext(path: Path) -> None:
    import jupytext as program

    notebook = program.reads((DOCUMENTS / "handbook.md").read_text(), fmt="md")
    program.write(notebook, str(path))


def nbformat(path: Path) -> None:
    import nbformat as program
    from nbformat import v4

    cells = []
    for part in (DOCUMENTS / "handbook.md").read_text().strip().split("\n\n"):
        cells.append(v4.new_markdown_cell(part))
    output = v4.new_output("stream", name="stdout", text="pump north: 118 litres a second\n")
    table = v4.new_output(
        "execute_result",
        data={"text/plain": "  pump  flow\n0 North  118", "text/html": "<table><tr><th>pump</th></tr></table>"},
        execution_count=2,
    )
    code = v4.new_code_cell("read_state(north)", outputs=[output, table], execution_count=2)
    notebook = v4.new_notebook(cells=[*cells, code], metadata={"language_info": {"name": "python"}})
    program.write(notebook, str(path))


def fpdf2(path: Path) -> None:
    from fpdf import FPDF

    pdf = FPDF(format="A4")
    pdf.set_title(TITLE)
    pdf.add_page()
    for block in BLOCKS:
        pdf.set_font("Helvetica", size=11)
        match block["kind"]:
            case "heading":
                pdf.set_font("Helvetica", "B", 22 - 4 * block["level"])
                pdf.multi_cell(0, 9, block["text"], new_x="LMARGIN", new_y="NEXT")
            case "text":
                pdf.multi_cell(0, 5.5, block["text"], new_x="LMARGIN", new_y="NEXT")
            case "list":
                for number, item in enumerate(block["items"], start=1):
                    pdf.set_x(16)
                    pdf.cell(8, 5.5, f"{number}." if block["is_numbered"] else "\x95")
                    pdf.multi_cell(0, 5.5, item["text"], new_x="LMARGIN", new_y="NEXT")
            case "code":
                pdf.set_font("Courier", size=10)
                pdf.multi_cell(0, 5, block["text"], new_x="LMARGIN", new_y="NEXT", align="L")
            case "table":
                with pdf.table() as table:
                    for cells in block["rows"]:
                        row = table.row()
                        for text in cells:
                            row.cell(text)
        pdf.ln(3)
    pdf.output(str(path))


def reportlab(path: Path) -> None:
    """Pages with a running header and footer, and items of lists whose marks are larger than their text."""
    from reportlab.lib import colors
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.pdfgen.canvas import Canvas
    from reportlab.platypus import ListFlowable, Paragraph, Preformatted, SimpleDocTemplate, Table

    def running_lines(canvas: Canvas, document: SimpleDocTemplate) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(72, 800, "Headwater handbook, confidential")
        canvas.drawCentredString(A4[0] / 2, 30, f"Page {document.page} of many")

    styles = getSampleStyleSheet()
    story = []
    for block in BLOCKS:
        match block["kind"]:
            case "heading":
                story.append(Paragraph(block["text"], styles[f"Heading{block['level']}"]))
            case "text":
                story.append(Paragraph(block["text"], styles["BodyText"]))
            case "list":
                items = [Paragraph(item["text"], styles["BodyText"]) for item in block["items"]]
                bullets = {"bulletType": "1", "bulletFormat": "%s."} if block["is_numbered"] else {"bulletType": "bullet"}
                story.append(ListFlowable(items, **bullets))
            case "code":
                story.append(Preformatted(block["text"], styles["Code"]))
            case "table":
                width = (A4[0] - 144) / len(block["rows"][0])
                ruled = [("GRID", (0, 0), (-1, -1), 0.5, colors.black)]
                story.append(Table(block["rows"], width, style=ruled))
    SimpleDocTemplate(str(path), pagesize=A4).build(story, running_lines, running_lines)


def message() -> EmailMessage:
    """Return the handbook as a message of text and HTML with an attachment."""
    message = EmailMessage()
    message["Subject"] = f"{TITLE} – für den März"  # noqa: RUF001
    message["From"] = "Änne Müller <anne@example.com>"
    message["To"] = "Pump Office <office@example.com>"
    message["Date"] = "Tue, 03 Mar 2026 08:15:00 +0100"
    message["Message-ID"] = "<handbook@example.com>"
    message.set_content((DOCUMENTS / "handbook.md").read_text())
    message.add_alternative(f"<html><body>{to_html(BLOCKS)}</body></html>", subtype="html")
    message.add_attachment(b"%PDF-1.4", maintype="application", subtype="pdf", filename="Übersicht.pdf")
    return message


def python_email(path: Path) -> None:
    path.write_bytes(message().as_bytes())


def python_mailbox(path: Path) -> None:
    path.unlink(missing_ok=True)
    box = mailbox.mbox(str(path))
    box.add(message())
    reply = EmailMessage()
    reply["Subject"] = "Re: reading"
    reply["From"] = "office@example.com"
    reply["Date"] = "Tue, 03 Mar 2026 09:15:00 +0100"
    reply.set_content("Thanks.\nFrom now on we read it.\n")
    box.add(reply)
    box.close()


if __name__ == "__main__":
    for program, suffix in (
        *((python_docx, "docx"), (odfpy, "odt"), (ebooklib, "epub"), (jupytext, "ipynb")),
        *((nbformat, "ipynb"), (fpdf2, "pdf"), (reportlab, "pdf")),
        *((python_email, "eml"), (python_mailbox, "mbox")),
    ):
        program(DOCUMENTS / f"handbook.{program.__name__.replace('_', '-')}.{suffix}")
