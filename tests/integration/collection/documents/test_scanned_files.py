"""Scanned PDF files: the reason without an extension that recognises text, and their text with the example's."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pypdfium2
import pytest

from headwater.errors import PermanentError
from headwater.parsers import SCANNED_PDF
from scripts.checks import system_tools
from tests.harness.extensions import declare_parser
from tests.harness.paths import ROOT
from tests.harness.pdfs import make_pdf

EXAMPLE = ROOT / "examples" / "extension-ocr"
PAGES = (
    "BT /F1 24 Tf 72 700 Td (The north pump) Tj ET BT /F1 14 Tf 72 640 Td (It runs at eleven hundred turns a min-) Tj "
    "0 -18 Td (ute, and needs oil every spring.) Tj ET",
    "",
    "BT /F1 14 Tf 72 700 Td (Call the workshop before you open the valve.) Tj ET",
)
PARSE = """
import json, sys
from pathlib import Path
from uuid import UUID
from functions.collection.documents.parsed_file import ParseFailure
from functions.collection.documents.parser_pool import parser_pool
from headwater.config import Settings
from headwater.connectors import Fetched

names = {"scan.pdf": "application/pdf", "misnamed.md": "text/markdown"}
files = [Fetched(name, Path(sys.argv[1]).read_bytes(), kind) for name, kind in names.items()]
for file, result in parser_pool(Settings(database_url="")).parse(UUID(int=1), files, "constant"):
    if isinstance(result, ParseFailure):
        print(json.dumps(result.reason))
    else:
        print(json.dumps({"text": result.text, "warnings": result.warnings, "pages": result.pages}))
"""


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Print pages, and put pictures of them into another file, as a scanner does."""
    scanned = pypdfium2.PdfDocument.new()
    for page in pypdfium2.PdfDocument(make_pdf(*PAGES)):
        picture = pypdfium2.PdfImage.new(scanned)
        picture.set_bitmap(page.render(scale=150 / 72, grayscale=True))
        width, height = page.get_size()
        picture.set_matrix(pypdfium2.PdfMatrix().scale(width, height))
        sheet = scanned.new_page(width, height)
        sheet.insert_obj(picture)
        sheet.gen_content()
    path = tmp_path_factory.mktemp("scan") / "scan.pdf"
    scanned.save(path)
    return path


def parse(path: Path, *folders: Path) -> list[object]:
    """Parse a file under two names, with the packages in `folders` installed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "shared", *folders)))}
    command = [sys.executable, "-P", "-c", PARSE, str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_scanned_file_is_told_as_such_without_an_extension(scan: Path) -> None:
    reasons = parse(scan)
    assert len(reasons) == 2
    assert all("its pages are images, as scanners make them. Recognise their text" in str(one) for one in reasons)


def test_example_recognises_the_text_of_each_page(scan: Path, tmp_path: Path) -> None:
    if system_tools.program("tesseract") is None:
        pytest.skip("needs tesseract: apt-get install tesseract-ocr")
    first, second = parse(scan, declare_parser(tmp_path, SCANNED_PDF, "headwater_ocr:parse_scan"), EXAMPLE)
    assert first == second
    assert isinstance(first, dict)
    text, pages = first["text"], first["pages"]
    words = " ".join(text.split())
    assert words == (
        "The north pump It runs at eleven hundred turns a minute, and needs oil every spring. "
        "Call the workshop before you open the valve."
    )
    assert text[pages[2] :].startswith("Call the workshop")
    assert pages[:2] == [0, pages[2]]
    assert first["warnings"] == ["its pages are images: the text was recognised, and may have mistakes"]


def test_example_without_tesseract_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PermanentError, match="apt-get install tesseract-ocr"):
        import_module("headwater_ocr").parse_scan("scan.pdf", b"", "application/pdf")
