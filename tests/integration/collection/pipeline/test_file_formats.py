"""Collecting files of other formats: text, pages, and a reason for each file that can't be read."""

import shutil
from pathlib import Path

import pytest

from tests.harness.archives import make_docx, make_zip
from tests.harness.databases import FreshDatabase
from tests.harness.paths import ROOT
from tests.harness.pdfs import make_pdf
from tests.harness.pipeline import Repository, running_pipeline

DOCUMENTS = ROOT / "tests/data/documents"
PDF = make_pdf("BT /F1 12 Tf 72 700 Td (First page.) Tj ET", "BT /F1 12 Tf 72 700 Td (Second.) Tj ET")


@pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")
def test_files_are_read_with_their_pages_and_others_fail_alone(database: FreshDatabase, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.write(
        {
            "a.pdf": PDF,
            "b.docx": make_docx("<w:p><w:r><w:t>Word text</w:t></w:r></w:p>"),
            "c.xlsx": (DOCUMENTS / "sheets.openpyxl.xlsx").read_bytes(),
            "misnamed.md": PDF,
            "bomb.docx": make_zip({"word/document.xml": b" " * 45_000_000}),
            "cut.pdf": (DOCUMENTS / "handbook.chromium.pdf").read_bytes()[:5_000],
            "secret.pdf": (DOCUMENTS / "encrypted.pdf").read_bytes(),
        }
    )
    with running_pipeline(database) as pipeline:
        run = pipeline.collect(pipeline.add_source(repository.url, include=["**"]))
        stored = pipeline.rows("select key, text, page_starts from documents where error is null order by key")
    assert [(key, pages) for key, _, pages in stored] == [
        ("a.pdf", [0, 13]),
        ("b.docx", None),
        ("c.xlsx", None),
        ("misnamed.md", [0, 13]),
    ]
    assert [text for _, text, _ in stored[:2]] == ["First page.\n\nSecond.", "Word text"]
    assert run.state == "partial"
    reasons = {failure.key: failure.reason for failure in run.failures}
    assert reasons.keys() == {"bomb.docx", "cut.pdf", "secret.pdf"}
    assert "would unpack to 45,000,000 bytes" in reasons["bomb.docx"]
    assert "damaged" in reasons["cut.pdf"]
    assert "opens only with a password" in reasons["secret.pdf"]
    assert any(one.key == "misnamed.md" and "read as pdf" in one.reason for one in run.warnings)
