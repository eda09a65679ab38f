"""Write the handbook in the shapes that Word, Google Docs, Google Slides, Google Sheets, Colab and Outlook export.

These programs don't run here: the XML follows ECMA-376 and what their exports have in common.
"""

import json
import zipfile
from base64 import b64encode
from email.message import EmailMessage
from html import escape
from pathlib import Path

from documents import chapters, to_html
from source import DOCUMENTS, Block, deck, handbook, sheets

BLOCKS = handbook()
TITLE = "Pump station handbook"
HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"


def write_zip(path: Path, members: dict[str, str]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            method = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(name, (2026, 3, 3, 8, 0, 0)), content, method)


def relations(*pairs: tuple[str, str]) -> str:
    found = "".join(
        f'<Relationship Id="rId{at}" Type="{R}/{kind}" Target="{target}"/>'
        for at, (kind, target) in enumerate(pairs, start=1)
    )
    return f'{HEAD}<Relationships xmlns="{PACKAGE}">{found}</Relationships>'


def content_types(**parts: str) -> str:
    return f'{HEAD}<Types xmlns="{TYPES}"><Default Extension="xml" ContentType="application/xml"/></Types>'


def split_runs(text: str, properties: str = "") -> str:
    """Return runs as Word has them after editing: a word is split, and marks of the spelling are between."""
    cut = len(text) // 2
    first, second = escape(text[:cut]), escape(text[cut:])
    return (
        f'<w:r w:rsidRPr="00A1"><w:rPr>{properties}<w:lang w:val="en-GB"/></w:rPr><w:t xml:space="preserve">{first}'
        f'</w:t></w:r><w:proofErr w:type="spellStart"/><w:r w:rsidR="00B2"><w:rPr>{properties}</w:rPr>'
        f'<w:t xml:space="preserve">{second}</w:t></w:r><w:proofErr w:type="spellEnd"/>'
    )


def word(path: Path) -> None:
    """Word in German: styles have localised ids, headings are numbered, a table of contents is above."""
    names = {1: "berschrift1", 2: "berschrift2", 3: "berschrift3"}
    body = [
        '<w:sdt><w:sdtPr><w:docPartObj><w:docPartGallery w:val="Table of Contents"/></w:docPartObj></w:sdtPr>'
        '<w:sdtContent><w:p><w:pPr><w:pStyle w:val="Verzeichnis2"/></w:pPr><w:hyperlink w:anchor="_Toc1"><w:r><w:t>'
        "Starting a pump</w:t></w:r><w:r><w:tab/><w:t>1</w:t></w:r></w:hyperlink></w:p></w:sdtContent></w:sdt>"
    ]
    for block in BLOCKS:
        match block["kind"]:
            case "heading":
                mark = '<w:bookmarkStart w:id="1" w:name="_Toc1"/><w:r><w:lastRenderedPageBreak/></w:r>'
                style = f'<w:pPr><w:pStyle w:val="{names[block["level"]]}"/></w:pPr>'
                body.append(f'<w:p>{style}{mark}{split_runs(block["text"])}<w:bookmarkEnd w:id="1"/></w:p>')
            case "text":
                body.append(f"<w:p>{split_runs(block['text'])}</w:p>")
            case "list":
                number = 2 if block["is_numbered"] else 1
                kept = f'<w:numPr><w:ilvl w:val="0"/><w:numId w:val="{number}"/></w:numPr>'
                body += [
                    f'<w:p><w:pPr><w:pStyle w:val="Listenabsatz"/>{kept}</w:pPr>{split_runs(item["text"])}</w:p>'
                    for item in block["items"]
                ]
            case "code":
                font = '<w:rFonts w:ascii="Courier New" w:hAnsi="Courier New" w:cs="Courier New"/>'
                body += [f"<w:p>{split_runs(line, font)}</w:p>" for line in block["text"].split("\n")]
            case "table":
                rows = []
                for at, row in enumerate(block["rows"]):
                    cells = "".join(f"<w:tc><w:tcPr/><w:p>{split_runs(cell)}</w:p></w:tc>" for cell in row)
                    rows.append(f"<w:tr>{'<w:trPr><w:tblHeader/></w:trPr>' if not at else ''}{cells}</w:tr>")
                body.append(f"<w:tbl><w:tblPr/>{''.join(rows)}</w:tbl>")
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="{names[level]}"><w:name w:val="heading {level}"/>'
        f'<w:pPr><w:outlineLvl w:val="{level - 1}"/></w:pPr></w:style>'
        for level in names
    )
    styles += '<w:style w:type="paragraph" w:styleId="Verzeichnis2"><w:name w:val="toc 2"/></w:style>'
    styles += '<w:style w:type="paragraph" w:styleId="Listenabsatz"><w:name w:val="List Paragraph"/></w:style>'
    levels = {1: '<w:numFmt w:val="bullet"/>', 2: '<w:start w:val="1"/><w:numFmt w:val="decimal"/>'}
    numbering = "".join(
        f'<w:abstractNum w:abstractNumId="{n}"><w:lvl w:ilvl="0">{levels[n]}</w:lvl></w:abstractNum>' for n in levels
    )
    numbering += "".join(f'<w:num w:numId="{n}"><w:abstractNumId w:val="{n}"/></w:num>' for n in levels)
    parts = (("styles", "styles.xml"), ("numbering", "numbering.xml"))
    write_zip(
        path,
        {
            "[Content_Types].xml": content_types(),
            "_rels/.rels": relations(("officeDocument", "word/document.xml")),
            "word/document.xml": f'{HEAD}<w:document xmlns:w="{W}"><w:body>{"".join(body)}</w:body></w:document>',
            "word/_rels/document.xml.rels": relations(*parts),
            "word/styles.xml": f'{HEAD}<w:styles xmlns:w="{W}">{styles}</w:styles>',
            "word/numbering.xml": f'{HEAD}<w:numbering xmlns:w="{W}">{numbering}</w:numbering>',
        },
    )


def google_docs(path: Path) -> None:
    """Google Docs: the title has the style `Title`, code is text in a monospaced font, tables have no header row."""
    body = []
    for block in BLOCKS:
        match block["kind"]:
            case "heading":
                level = block["level"]
                style = "Title" if level == 1 else f"Heading{level - 1}"
                run = f'<w:r><w:rPr><w:rtl w:val="0"/></w:rPr><w:t xml:space="preserve">{block["text"]}</w:t></w:r>'
                body.append(f'<w:p><w:pPr><w:pStyle w:val="{style}"/><w:rPr/></w:pPr>{run}</w:p>')
            case "text":
                run = f'<w:r><w:rPr><w:rtl w:val="0"/></w:rPr><w:t xml:space="preserve">{block["text"]}</w:t></w:r>'
                body.append(f"<w:p><w:pPr><w:rPr/></w:pPr>{run}</w:p><w:p><w:pPr><w:rPr/></w:pPr></w:p>")
            case "list":
                kept = f'<w:numPr><w:ilvl w:val="0"/><w:numId w:val="{2 if block["is_numbered"] else 1}"/></w:numPr>'
                for item in block["items"]:
                    run = f'<w:r><w:t xml:space="preserve">{item["text"]}</w:t></w:r>'
                    body.append(f'<w:p><w:pPr>{kept}<w:ind w:left="720"/></w:pPr>{run}</w:p>')
            case "code":
                font = '<w:rPr><w:rFonts w:ascii="Roboto Mono" w:cs="Roboto Mono" w:hAnsi="Roboto Mono"/></w:rPr>'
                for line in block["text"].split("\n"):
                    run = f'<w:r>{font}<w:t xml:space="preserve">{line}</w:t></w:r>'
                    body.append(f"<w:p><w:pPr><w:rPr/></w:pPr>{run}</w:p>")
            case "table":
                rows = [
                    "".join(f"<w:tc><w:p><w:r><w:t>{cell}</w:t></w:r></w:p></w:tc>" for cell in row)
                    for row in block["rows"]
                ]
                body.append(f"<w:tbl>{''.join(f'<w:tr>{cells}</w:tr>' for cells in rows)}</w:tbl>")
    styles = '<w:style w:type="paragraph" w:styleId="Title"><w:name w:val="Title"/></w:style>' + "".join(
        f'<w:style w:type="paragraph" w:styleId="Heading{level}"><w:name w:val="heading {level}"/></w:style>'
        for level in (1, 2, 3)
    )
    formats = {1: "bullet", 2: "decimal"}
    numbering = "".join(
        f'<w:abstractNum w:abstractNumId="{n}"><w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="{formats[n]}"/>'
        f'</w:lvl></w:abstractNum><w:num w:numId="{n}"><w:abstractNumId w:val="{n}"/></w:num>'
        for n in formats
    )
    write_zip(
        path,
        {
            "word/numbering.xml": f'{HEAD}<w:numbering xmlns:w="{W}">{numbering}</w:numbering>',
            "word/styles.xml": f'{HEAD}<w:styles xmlns:w="{W}">{styles}</w:styles>',
            "word/document.xml": f'{HEAD}<w:document xmlns:w="{W}"><w:body>{"".join(body)}</w:body></w:document>',
            "word/_rels/document.xml.rels": relations(("numbering", "numbering.xml"), ("styles", "styles.xml")),
            "_rels/.rels": relations(("officeDocument", "word/document.xml")),
            "[Content_Types].xml": content_types(),
        },
    )


def google_slides(path: Path) -> None:
    """Google Slides: placeholders with `idx`, bullets in each paragraph, notes in their own part."""
    p = f'xmlns:p="{W.replace("wordprocessingml", "presentationml")}"'
    a = f'xmlns:a="{W.replace("wordprocessingml", "drawingml")}"'
    members = {"_rels/.rels": relations(("officeDocument", "ppt/presentation.xml")), "[Content_Types].xml": ""}

    def shape(text: str, kind: str) -> str:
        return (
            f'<p:sp><p:nvSpPr><p:cNvPr id="54" name="Google Shape;54;p13"/><p:cNvSpPr txBox="1"/><p:nvPr>{kind}</p:nvPr>'
            f"</p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/><a:lstStyle/>{text}</p:txBody></p:sp>"
        )

    def paragraph(text: str, depth: int = 0, bullet: str = "<a:buNone/>") -> str:
        return f'<a:p><a:pPr lvl="{depth}" marL="457200">{bullet}</a:pPr><a:r><a:t>{text}</a:t></a:r></a:p>'

    for at, (title, blocks) in enumerate(deck(), start=1):
        shapes = [shape(paragraph(title), '<p:ph type="ctrTitle"/>' if at == 1 else '<p:ph type="title"/>')]
        related = [("slideLayout", "../slideLayouts/slideLayout1.xml")]
        for block in blocks:
            match block["kind"]:
                case "text":
                    kind = '<p:ph idx="1" type="subTitle"/>' if at == 1 else '<p:ph idx="1" type="body"/>'
                    shapes.append(shape(paragraph(block["text"]), kind))
                case "list":
                    mark = '<a:buAutoNum type="arabicPeriod"/>' if block["is_numbered"] else '<a:buChar char="●"/>'
                    text = "".join(paragraph(item["text"], item["depth"], mark) for item in block["items"])
                    shapes.append(shape(text, ""))
                case "table":
                    rows = "".join(
                        "<a:tr>"
                        + "".join(f"<a:tc><a:txBody>{paragraph(cell)}</a:txBody><a:tcPr/></a:tc>" for cell in row)
                        + "</a:tr>"
                        for row in block["rows"]
                    )
                    data = f"<a:graphic><a:graphicData><a:tbl>{rows}</a:tbl></a:graphicData></a:graphic>"
                    shapes.append(f"<p:graphicFrame><p:nvGraphicFramePr/>{data}</p:graphicFrame>")
                case "note":
                    note = shape(paragraph(block["text"]), '<p:ph idx="1" type="body"/>')
                    tree = f"<p:cSld><p:spTree>{note}</p:spTree></p:cSld>"
                    members[f"ppt/notesSlides/notesSlide{at}.xml"] = f"{HEAD}<p:notes {p} {a}>{tree}</p:notes>"
                    related.append(("notesSlide", f"../notesSlides/notesSlide{at}.xml"))
        tree = f"<p:cSld><p:spTree>{''.join(shapes)}</p:spTree></p:cSld>"
        members[f"ppt/slides/slide{at}.xml"] = f"{HEAD}<p:sld {p} {a}>{tree}</p:sld>"
        members[f"ppt/slides/_rels/slide{at}.xml.rels"] = relations(*related)
    ids = "".join(f'<p:sldId id="{255 + at}" r:id="rId{at}"/>' for at in range(1, len(deck()) + 1))
    members["ppt/presentation.xml"] = (
        f'{HEAD}<p:presentation {p} xmlns:r="{R}"><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>'
    )
    slides = [("slide", f"slides/slide{at}.xml") for at in range(1, len(deck()) + 1)]
    members["ppt/_rels/presentation.xml.rels"] = relations(*slides)
    write_zip(path, members)


def google_sheets(path: Path) -> None:
    """Google Sheets: inline strings, styles of dates, a thousand empty rows below."""
    import datetime as dt

    s = W.replace("wordprocessingml", "spreadsheetml")
    members = {"_rels/.rels": relations(("officeDocument", "xl/workbook.xml"))}
    for at, sheet in enumerate(sheets(), start=1):
        rows = ([[sheet["caption"]]] if sheet["caption"] else []) + sheet["rows"]
        written = []
        for number in range(1, 1001):
            cells = []
            for column, cell in zip("ABCDE", rows[number - 1] if number <= len(rows) else [], strict=False):
                if isinstance(cell, str) and len(cell) == 10 and cell[4] == cell[7] == "-":
                    days = (dt.date.fromisoformat(cell) - dt.date(1899, 12, 30)).days
                    cells.append(f'<c r="{column}{number}" s="1"><v>{days}.0</v></c>')
                elif isinstance(cell, str):
                    cells.append(f'<c r="{column}{number}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>')
                else:
                    cells.append(f'<c r="{column}{number}"><v>{float(cell)}</v></c>')
            written.append(f'<row r="{number}">{"".join(cells)}</row>')
        data = f"<sheetData>{''.join(written)}</sheetData>"
        members[f"xl/worksheets/sheet{at}.xml"] = f'{HEAD}<worksheet xmlns="{s}">{data}</worksheet>'
    listed = "".join(
        f'<sheet name="{sheet["name"]}" sheetId="{at}" state="visible" r:id="rId{at}"/>'
        for at, sheet in enumerate(sheets(), start=1)
    )
    members["xl/workbook.xml"] = (
        f'{HEAD}<workbook xmlns="{s}" xmlns:r="{R}"><workbookPr/><sheets>{listed}</sheets></workbook>'
    )
    members["xl/styles.xml"] = (
        f'{HEAD}<styleSheet xmlns="{s}"><numFmts><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/></numFmts>'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="164" applyNumberFormat="1"/></cellXfs></styleSheet>'
    )
    pages = [("worksheet", f"worksheets/sheet{at}.xml") for at in range(1, len(sheets()) + 1)]
    members["xl/_rels/workbook.xml.rels"] = relations(*pages, ("styles", "styles.xml"))
    members["[Content_Types].xml"] = content_types()
    write_zip(path, members)


def epub_2(path: Path) -> None:
    """Write a book of EPUB 2: chapters in Latin-1, names with spaces, a linear="no" cover."""
    items, spine = [], []
    members = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="OPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
    }
    for at, (title, blocks) in enumerate(chapters()):
        items.append(f'<item id="c{at}" href="Text/chapter%20{at}.html" media-type="application/xhtml+xml"/>')
        spine.append(f'<itemref idref="c{at}"/>')
        body = f"<body><div class='chapter'>{to_html(blocks)}</div></body>"
        members[f"OPS/Text/chapter {at}.html"] = (
            f'<html xmlns="http://www.w3.org/1999/xhtml"><head><title>{title}</title></head>{body}</html>'
        )
    members["OPS/book.opf"] = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="2.0"><metadata '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{TITLE}</dc:title></metadata>'
        f'<manifest>{"".join(items)}</manifest><spine toc="ncx">{"".join(spine)}</spine></package>'
    )
    write_zip(path, members)


def word_html(path: Path) -> None:
    """Word's "web page, filtered": paragraphs of lists with their bullets as text, tables of `MsoNormal`."""
    body = []
    gap = '<span style=\'font:7.0pt "Times New Roman"\'>&nbsp;&nbsp;&nbsp;&nbsp; </span>'
    for block in BLOCKS:
        text = escape(block.get("text", ""))
        match block["kind"]:
            case "heading":
                body.append(f"<h{block['level']}><a name=\"_Toc1\"></a>{text}</h{block['level']}>")
            case "text":
                body.append(f"<p class=MsoNormal>{text}</p>\n\n<p class=MsoNormal>&nbsp;</p>")
            case "list":
                for at, item in enumerate(block["items"], start=1):
                    mark = f"{at}.{gap}" if block["is_numbered"] else f"<span style='font-family:Symbol'>·{gap}</span>"
                    words = escape(item["text"])
                    body.append(f"<p class=MsoListParagraph style='text-indent:-18.0pt'>{mark}{words}</p>")
            case "code":
                body.append(f"<pre>{text}</pre>")
            case "table":
                rows = [
                    "".join(f"<td width=150><p class=MsoNormal>{cell}</p></td>" for cell in row)
                    for row in block["rows"]
                ]
                body.append(f"<table class=MsoTableGrid>{''.join(f'<tr>{cells}</tr>' for cells in rows)}</table>")
    head = f"<meta http-equiv=Content-Type content='text/html; charset=windows-1252'><title>{TITLE}</title>"
    page = f"<html>\n<head>\n{head}\n</head>\n<body lang=EN-GB><div class=WordSection1>\n{chr(10).join(body)}\n</div></body></html>"
    path.write_bytes(page.encode("cp1252"))


def colab(path: Path) -> None:
    """Colab: one line a string, metadata of the editor, an image and a table among the outputs."""
    cells = []
    for part in (DOCUMENTS / "handbook.md").read_text().strip().split("\n\n"):
        lines = part.splitlines(keepends=True)
        cells.append({"cell_type": "markdown", "source": lines, "metadata": {"id": f"c{len(cells)}"}})
    image = b64encode(bytes(range(256)) * 8).decode()
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": ["flow 118\n"]},
        {"output_type": "display_data", "data": {"image/png": image, "text/plain": ["<Figure size 640x480>"]}},
    ]
    code = {"cell_type": "code", "source": ["print(state)"], "outputs": outputs, "execution_count": 1, "metadata": {}}
    about = {"colab": {"provenance": []}, "kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = {"nbformat": 4, "nbformat_minor": 0, "metadata": about, "cells": [*cells, code]}
    path.write_text(json.dumps(notebook, indent=2))


def notebook_3(path: Path) -> None:
    """A notebook of format 3: worksheets, cells of headings, `input` instead of `source`."""
    cells = []
    for block, part in zip(BLOCKS, (DOCUMENTS / "handbook.md").read_text().strip().split("\n\n"), strict=True):
        if block["kind"] == "heading":
            cells.append({"cell_type": "heading", "level": block["level"], "source": [block["text"]], "metadata": {}})
        else:
            cells.append({"cell_type": "markdown", "source": part, "metadata": {}})
    outputs = [{"output_type": "pyout", "prompt_number": 1, "text": ["118"]}]
    cells.append({"cell_type": "code", "input": ["flow"], "language": "python", "outputs": outputs, "collapsed": False})
    path.write_text(json.dumps({"nbformat": 3, "metadata": {"name": ""}, "worksheets": [{"cells": cells}]}))


def outlook(path: Path) -> None:
    """Outlook: HTML in Windows-1252 with a picture in the text, encoded words split in the subject."""
    message = EmailMessage()
    message["From"] = "Müller, Änne <anne@example.com>"
    message["To"] = "office@example.com"
    message["Date"] = "Tue, 3 Mar 2026 08:15:00 +0100"
    message["Subject"] = f"AW: {TITLE} – für den März"  # noqa: RUF001
    page = f"<html><head><style>p.MsoNormal {{margin:0cm}}</style></head><body>{to_html(BLOCKS)}</body></html>"
    message.set_content(page, subtype="html", charset="windows-1252", cte="quoted-printable")
    message.add_related(b"\x89PNG\r\n", maintype="image", subtype="png", cid="<image001.png@01D>", filename="image001.png")
    path.write_bytes(message.as_bytes().replace(b"\n", b"\r\n"))


def thunderbird(path: Path) -> None:
    """Thunderbird: text with `format=flowed`, where a space at the end of a line continues it."""
    import textwrap

    lines = []
    for block in BLOCKS:
        items = block.get("items") or [{"text": block.get("text", "")}]
        for at, item in enumerate(items, start=1):
            mark = "" if block["kind"] != "list" else f"{at}. " if block["is_numbered"] else "- "
            text = " | ".join(map(" ".join, block["rows"])) if block["kind"] == "table" else mark + item["text"]
            lines += " \n".join(textwrap.wrap(text, 72)).split("\n")
        lines.append("")
    head = "\r\n".join(
        (
            "From: Anne <anne@example.com>",
            "To: office@example.com",
            "Subject: =?UTF-8?Q?Pump_station_handbook_f=C3=BCr_den_M=C3=A4rz?=",
            "Date: Tue, 3 Mar 2026 08:15:00 +0100",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=UTF-8; format=flowed",
            "Content-Transfer-Encoding: 8bit",
        )
    )
    path.write_bytes((head + "\r\n\r\n" + "\r\n".join(lines)).encode())


def sphinx_rst(path: Path) -> None:
    """reStructuredText as people write it: overlines, a grid table, `::` for code, `#.` for numbers."""
    marks = {1: "=", 2: "-", 3: "~"}
    written = []
    for block in BLOCKS:
        match block["kind"]:
            case "heading":
                line = marks[block["level"]] * len(block["text"])
                above = f"{line}\n" if block["level"] == 1 else ""
                written.append(f"{above}{block['text']}\n{line}")
            case "text":
                is_before_code = block["text"].endswith("like this:")
                written.append(f"{block['text']}:" if is_before_code else block["text"])
            case "list":
                mark = "#. " if block["is_numbered"] else "* "
                written.append("\n".join(mark + item["text"] for item in block["items"]))
            case "code":
                written.append("\n".join(f"   {line}" for line in block["text"].split("\n")))
            case "table":
                widths = [max(map(len, column)) for column in zip(*block["rows"], strict=True)]
                rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
                rows = []
                for at, row in enumerate(block["rows"]):
                    cells = [f" {cell:{width}} " for cell, width in zip(row, widths, strict=True)]
                    rows += ["|" + "|".join(cells) + "|", rule.replace("-", "=") if at == 0 else rule]
                written.append("\n".join([rule, *rows]))
    path.write_text("\n\n".join(written) + "\n")


def list_table_rst(path: Path) -> None:
    """reStructuredText with directives: `list-table`, `code-block`, wrapped paragraphs, an anchor above headings."""
    import textwrap

    marks = {1: "#", 2: "*", 3: "="}
    written = []
    for at, block in enumerate(BLOCKS):
        match block["kind"]:
            case "heading":
                written.append(f".. _section-{at}:\n\n{block['text']}\n{marks[block['level']] * len(block['text'])}")
            case "text":
                written.append(textwrap.fill(block["text"], 79))
            case "list":
                items = enumerate(block["items"], start=1)
                kept = [(f"{n}. " if block["is_numbered"] else "- ", item["text"]) for n, item in items]
                written.append("\n".join(textwrap.fill(m + t, 79, subsequent_indent=" " * len(m)) for m, t in kept))
            case "code":
                body = "\n".join(f"   {line}" for line in block["text"].split("\n"))
                written.append(f".. code-block:: console\n   :linenos:\n\n{body}")
            case "table":
                rows = ["\n".join(f"   {'* -' if not n else '  -'} {c}" for n, c in enumerate(row)) for row in block["rows"]]
                written.append(".. list-table::\n   :header-rows: 1\n   :widths: auto\n\n" + "\n".join(rows))
    path.write_text("\n\n".join(written) + "\n")


def old_asciidoc(path: Path) -> None:
    """AsciiDoc as of 2005, as in Git's documentation: titles with underlines, cells on one line."""
    marks = {1: "=", 2: "-", 3: "~"}
    written = []
    for block in BLOCKS:
        match block["kind"]:
            case "heading":
                written.append(f"{block['text']}\n{marks[block['level']] * len(block['text'])}")
            case "text":
                written.append(block["text"])
            case "list":
                mark = ". " if block["is_numbered"] else "- "
                written.append("\n".join(mark + item["text"] for item in block["items"]))
            case "code":
                written.append(f"----\n{block['text']}\n----")
            case "table":
                rows = "\n".join("|" + " |".join(row) for row in block["rows"])
                written.append(f'[options="header"]\n|=======\n{rows}\n|=======')
    path.write_text("\n\n".join(written) + "\n")


def antora_asciidoc(path: Path) -> None:
    """AsciiDoc as of Antora: attributes above, a sentence a line, a cell a line, anchors, code with callouts."""
    written = []
    for block in BLOCKS:
        match block["kind"]:
            case "heading":
                level = block["level"]
                above = "" if level == 1 else f"[#{block['text'].lower().replace(' ', '-')}]\n"
                below = "\n:page-role: guide\n:url-repo: https://example.com" if level == 1 else ""
                written.append(f"{above}{'=' * level} {block['text']}{below}")
            case "text":
                written.append(block["text"].replace(". ", ".\n"))
            case "list":
                mark = ". " if block["is_numbered"] else "* "
                written.append("\n".join(mark + item["text"] for item in block["items"]))
            case "code":
                written.append(f"[,console]\n----\n{block['text']}\n----")
            case "table":
                head, *rows = block["rows"]
                cells = "\n\n".join("\n".join(f"|{cell}" for cell in row) for row in rows)
                written.append(f'[%header,cols="1,2,2"]\n|===\n|{" |".join(head)}\n\n{cells}\n|===')
    path.write_text("\n\n".join(written) + "\n")


def org_notes(path: Path) -> None:
    """Org as people keep notes: TODO states, tags, drawers, a table with rules, unindented text."""
    written = ["#+TITLE: Pump station handbook\n#+AUTHOR: Anne\n#+STARTUP: overview\n#+OPTIONS: toc:nil"]
    for block in BLOCKS[1:]:
        match block["kind"]:
            case "heading":
                state = "TODO [#A] " if block["level"] == 2 else ""
                drawer = "\n:PROPERTIES:\n:CREATED: [2026-03-03 Tue]\n:END:"
                stars = "*" * (block["level"] - 1)
                written.append(f"{stars} {state}{block['text']}          :pump:work:{drawer}")
            case "text":
                written.append(block["text"])
            case "list":
                items = enumerate(block["items"], start=1)
                mark = [f"{n}. " if block["is_numbered"] else "+ " for n, _ in items]
                written.append("\n".join(m + item["text"] for m, item in zip(mark, block["items"], strict=True)))
            case "code":
                written.append(f"#+BEGIN_SRC sh :results output\n{block['text']}\n#+END_SRC")
            case "table":
                rows = ["| " + " | ".join(row) + " |" for row in block["rows"]]
                written.append("\n".join(["|---+---+---|", rows[0], "|---+---+---|", *rows[1:], "|---+---+---|"]))
    path.write_text("\n\n".join(written) + "\n")


def org_indented(path: Path) -> None:
    """Org with text below its heading's stars, `1)` for numbers and lines of code that begin with a colon."""
    written = []
    level = 1
    for block in BLOCKS:
        level = block.get("level", level)
        indent = " " * (level + 1)
        match block["kind"]:
            case "heading":
                written.append(f"{'*' * level} {block['text']}\n{indent}SCHEDULED: <2026-03-03 Tue>")
            case "text":
                written.append(indent + block["text"])
            case "list":
                marks = [f"{n}) " if block["is_numbered"] else "- [ ] " for n in range(1, 10)]
                kept = [mark + item["text"] for mark, item in zip(marks, block["items"], strict=False)]
                written.append("\n".join(indent + line for line in kept))
            case "code":
                written.append("\n".join(f"{indent}: {line}" for line in block["text"].split("\n")))
            case "table":
                head, *rows = ["| " + " | ".join(row) + " |" for row in block["rows"]]
                written.append("\n".join(indent + line for line in [head, "|-", *rows]))
    path.write_text("\n\n".join(written) + "\n")


def org_roam(path: Path) -> None:
    """Org as of org-roam: a drawer above the title, keywords in lower case, cookies, captions, wrapped paragraphs."""
    import textwrap

    written = [
        ":PROPERTIES:\n:ID:       6f2c5a1e-0000-4000-8000-000000000000\n:END:\n#+title: Pump station handbook\n"
        "#+filetags: :pump:station:"
    ]
    for block in BLOCKS[1:]:
        match block["kind"]:
            case "heading":
                cookie = " [1/3]" if block["level"] == 2 else " [33%]"
                written.append(f"{'*' * (block['level'] - 1)} DONE {block['text']}{cookie}\n  CLOSED: [2026-03-03 Tue 08:15]")
            case "text":
                written.append(textwrap.fill(block["text"], 70))
            case "list":
                marks = [f"{n}. " if block["is_numbered"] else "- " for n in range(1, 10)]
                kept = zip(marks, block["items"], strict=False)
                filled = [textwrap.fill(m + item["text"], 70, subsequent_indent=" " * len(m)) for m, item in kept]
                written.append("\n".join(filled))
            case "code":
                written.append(f"#+name: state\n#+begin_example\n{block['text']}\n#+end_example")
            case "table":
                head, *rows = ["| " + " | ".join(row) + " |" for row in block["rows"]]
                formula = "#+TBLFM: $3=$2"
                written.append("\n".join(["#+caption: Limits", "#+attr_html: :width 100%", head, "|---+---|", *rows, formula]))
    path.write_text("\n\n".join(written) + "\n")


if __name__ == "__main__":
    for program, suffix in (
        *((word, "docx"), (google_docs, "docx"), (epub_2, "epub"), (word_html, "html"), (colab, "ipynb")),
        *((notebook_3, "ipynb"), (outlook, "eml"), (thunderbird, "eml"), (sphinx_rst, "rst"), (list_table_rst, "rst")),
        *((old_asciidoc, "adoc"), (antora_asciidoc, "adoc"), (org_notes, "org"), (org_indented, "org"), (org_roam, "org")),
    ):
        program(DOCUMENTS / f"handbook.{program.__name__.replace('_', '-')}.{suffix}")
    google_slides(DOCUMENTS / "deck.google-slides.pptx")
    google_sheets(DOCUMENTS / "stock.google-sheets.xlsx")
