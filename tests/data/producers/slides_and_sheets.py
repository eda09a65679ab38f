"""Make the slides with python-pptx and the sheets with openpyxl, XlsxWriter, PyExcelerate, odfpy and `csv`."""

import csv
import io
from pathlib import Path

from source import DOCUMENTS, deck, sheets


def python_pptx(path: Path) -> None:
    from pptx import Presentation
    from pptx.util import Cm

    presentation = Presentation()
    for number, (title, blocks) in enumerate(deck()):
        has_table = any(block["kind"] == "table" for block in blocks)
        slide = presentation.slides.add_slide(presentation.slide_layouts[5 if has_table else 1 if number else 0])
        slide.shapes.title.text = title
        body = None if has_table else slide.placeholders[1].text_frame
        is_first = True
        for block in blocks:
            items = block.get("items") or [{"depth": 0, "text": block.get("text", "")}]
            match block["kind"]:
                case "list" | "text":
                    for item in items:
                        paragraph = body.paragraphs[0] if is_first else body.add_paragraph()
                        paragraph.text, paragraph.level, is_first = item["text"], item["depth"], False
                case "note":
                    slide.notes_slide.notes_text_frame.text = block["text"]
                case "table":
                    rows = block["rows"]
                    shape = slide.shapes.add_table(len(rows), len(rows[0]), Cm(2), Cm(5), Cm(20), Cm(6))
                    for at, row in enumerate(rows):
                        for column, text in enumerate(row):
                            shape.table.cell(at, column).text = text
    presentation.save(str(path))


def openpyxl(path: Path) -> None:
    import datetime as dt

    from openpyxl import Workbook
    from openpyxl.styles import Font

    workbook = Workbook()
    workbook.remove(workbook.active)
    for sheet in sheets():
        page = workbook.create_sheet(sheet["name"])
        if sheet["caption"]:
            page.append([sheet["caption"]])
            page.merge_cells("A1:E1")
        for at, row in enumerate(sheet["rows"]):
            values = [dt.date.fromisoformat(cell) if _is_date(cell) else cell for cell in row]
            page.append(values)
            for cell in page[page.max_row]:
                cell.font = Font(bold=at == 0)
    workbook.save(path)


def xlsxwriter(path: Path) -> None:
    import datetime as dt

    from xlsxwriter import Workbook

    workbook = Workbook(str(path))
    date = workbook.add_format({"num_format": "yyyy-mm-dd"})
    for sheet in sheets():
        page = workbook.add_worksheet(sheet["name"])
        first = 1 if sheet["caption"] else 0
        if first:
            page.merge_range(0, 0, 0, 4, sheet["caption"])
        for at, row in enumerate(sheet["rows"], start=first):
            for column, cell in enumerate(row):
                if _is_date(cell):
                    page.write_datetime(at, column, dt.datetime.fromisoformat(cell), date)
                else:
                    page.write(at, column, cell)
        header = [{"header": name} for name in sheet["rows"][0]]
        page.add_table(first, 0, first + len(sheet["rows"]) - 1, 4, {"columns": header, "name": f"Table{first}"})
    workbook.close()


def pyexcelerate(path: Path) -> None:
    import datetime as dt

    from pyexcelerate import Format, Style, Workbook

    workbook = Workbook()
    for sheet in sheets():
        caption = [[sheet["caption"]]] if sheet["caption"] else []
        rows = [[dt.datetime.fromisoformat(c) if _is_date(c) else c for c in row] for row in sheet["rows"]]
        page = workbook.new_sheet(sheet["name"], data=caption + rows)
        for at, row in enumerate(caption + rows, start=1):
            for column, cell in enumerate(row, start=1):
                if isinstance(cell, dt.datetime):
                    page.set_cell_style(at, column, Style(format=Format("yyyy-mm-dd")))
    workbook.save(str(path))


def odfpy(path: Path) -> None:
    from odf.opendocument import OpenDocumentSpreadsheet
    from odf.table import Table, TableCell, TableRow
    from odf.text import P

    document = OpenDocumentSpreadsheet()
    for sheet in sheets():
        table = Table(name=sheet["name"])
        for row in ([[sheet["caption"]]] if sheet["caption"] else []) + sheet["rows"]:
            line = TableRow()
            for cell in row:
                if _is_date(cell):
                    kept = TableCell(valuetype="date", datevalue=cell)
                elif isinstance(cell, str):
                    kept = TableCell(valuetype="string")
                else:
                    kept = TableCell(valuetype="float", value=cell)
                kept.addElement(P(text=str(cell)))
                line.addElement(kept)
            table.addElement(line)
        document.spreadsheet.addElement(table)
    document.save(str(path))


def python_csv(path: Path) -> None:
    """Write the first sheet as Python does: commas, CRLF, UTF-8."""
    text = io.StringIO()
    csv.writer(text).writerows(sheets()[0]["rows"])
    path.write_bytes(text.getvalue().encode())


def excel_csv(path: Path) -> None:
    """Write it as Excel does in Germany: semicolons, decimal commas, Windows-1252."""
    text = io.StringIO()
    rows = [[str(c).replace(".", ",") if isinstance(c, float) else c for c in row] for row in sheets()[0]["rows"]]
    csv.writer(text, delimiter=";").writerows(rows)
    path.write_bytes(text.getvalue().encode("cp1252"))


def excel_unicode(path: Path) -> None:
    """Write it as Excel's "Unicode text": tabs, UTF-16 with a byte order mark."""
    text = io.StringIO()
    csv.writer(text, delimiter="\t").writerows(sheets()[0]["rows"])
    path.write_bytes(text.getvalue().encode("utf-16"))


def _is_date(cell: object) -> bool:
    return isinstance(cell, str) and len(cell) == 10 and cell[4] == cell[7] == "-"


if __name__ == "__main__":
    python_pptx(DOCUMENTS / "deck.python-pptx.pptx")
    for program, suffix in (
        *((openpyxl, "xlsx"), (xlsxwriter, "xlsx"), (pyexcelerate, "xlsx"), (odfpy, "ods"), (python_csv, "csv")),
        *((excel_csv, "csv"), (excel_unicode, "tsv")),
    ):
        program(DOCUMENTS / f"stock.{program.__name__.replace('_', '-')}.{suffix}")
