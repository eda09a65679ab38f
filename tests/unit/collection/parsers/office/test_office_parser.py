"""Documents and presentations of several programs as Markdown, and files that can't be read."""

import pytest

from functions.collection.parsers.office.parser import parse
from headwater.errors import PermanentError
from headwater.parsers import Parsed, check_parsed
from tests.harness.archives import make_docx, make_zip
from tests.harness.paths import ROOT

DOCUMENTS = ROOT / "tests/data/documents"

SLIDES = """\
# Pump plan

- Check the oil
    - in the sight glass

> Say why oil matters.

## Limits

| Pump | Flow |
| --- | --- |
| North | 120 |
| South | 95 |

In a group [see site](https://example.com/x)
"""


def read(content: bytes) -> Parsed:
    parsed = parse("a.docx", content, "")
    check_parsed(parsed)
    return parsed


@pytest.mark.parametrize("suffix", ["docx", "odt"])
def test_document_of_libreoffice_is_read_as_it_was_written(suffix: str) -> None:
    expected = (DOCUMENTS / "handbook.md").read_text().rstrip()
    assert read((DOCUMENTS / f"handbook.libreoffice.{suffix}").read_bytes()).text == expected


def test_document_of_python_docx_has_its_title_above_headings_and_numbered_lists() -> None:
    parsed = read((DOCUMENTS / "small.python-docx.docx").read_bytes())
    assert parsed.text == (
        "# Pump station\n\nIntro text.\n\n## Start\n\n- one\n\n1. two\n2. three\n\n> Quoted\n\n"
        "| A | B\\|b |\n| --- | --- |\n| merged |  |"
    )
    assert (parsed.title, parsed.front_matter["author"]) == ("Station", "Ann")


@pytest.mark.parametrize("name", ["slides.python-pptx.pptx", "slides.libreoffice.odp"])
def test_presentation_has_a_section_and_a_page_for_each_slide(name: str) -> None:
    parsed = read((DOCUMENTS / name).read_bytes())
    assert parsed.text.startswith(SLIDES.rstrip())
    assert [parsed.text[at:].split("\n")[0] for at in parsed.pages[:2]] == ["# Pump plan", "## Limits"]


def test_hidden_slides_are_left_out_and_charts_are_tables() -> None:
    parsed = read((DOCUMENTS / "slides.python-pptx.pptx").read_bytes())
    assert "secret" not in parsed.text
    assert parsed.warnings == ("hidden slides are not read: 1",)
    assert parsed.text.endswith("|  | Flow |\n| --- | --- |\n| Mon | 1.5 |\n| Tue | 2 |")


def run(text: str) -> str:
    return f"<w:r><w:t>{text}</w:t></w:r>"


def typed(text: str, font: str = "Courier New") -> str:
    return f"<w:r><w:rPr><w:rFonts w:ascii='{font}'/></w:rPr><w:t>{text}</w:t></w:r>"


def row(*cells: str) -> str:
    return "<w:tr>" + "".join(f"<w:tc><w:p>{run(cell)}</w:p></w:tc>" for cell in cells) + "</w:tr>"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (f"<w:p>{run('a')}<w:del>{run('gone')}</w:del><w:ins>{run('new')}</w:ins></w:p>", "anew"),
        (f"<w:p>{run('a')}<w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r></w:p>", "a"),
        ("<w:p><w:r><w:t>a</w:t><w:br/><w:t>b</w:t><w:tab/><w:t>c</w:t></w:r></w:p>", "a\nb c"),
        (f"<w:sdt><w:sdtContent><w:p>{run('in a control')}</w:p></w:sdtContent></w:sdt>", "in a control"),
        (f"<w:p><w:pPr><w:outlineLvl w:val='1'/></w:pPr>{run('By level')}</w:p>", "## By level"),
        (f"<w:p><w:pPr><w:outlineLvl w:val='²'/></w:pPr>{run('Odd level')}</w:p>", "Odd level"),
        (
            f"<w:tbl><w:tr><w:tc><w:p>{run('only')}</w:p></w:tc></w:tr></w:tbl><w:p>{run('a')}</w:p>",
            "only\n\na",
        ),
        (
            f"<w:tbl>{row('a', 'b')}</w:tbl><w:tbl>{row('1', '2')}</w:tbl><w:p/><w:tbl>{row('x', 'y')}</w:tbl>",
            "| a | b |\n| --- | --- |\n| 1 | 2 |\n\n| x | y |\n| --- | --- |",
        ),
        (
            f"<w:p>{run('a b c')}</w:p><w:p>{typed('ls -l')}</w:p><w:p>{typed('  cd')}</w:p>",
            "a b c\n\n```\nls -l\n  cd\n```",
        ),
        (f"<w:p>{run('a b c')}</w:p><w:p>{typed('Dear', 'Monotype Corsiva')}</w:p>", "a b c\n\nDear"),
        (f"<w:p>{typed('all is typed')}</w:p><w:p>{typed('so none is code')}</w:p>", "all is typed\n\nso none is code"),
        (f"<w:p>{run('a')}<w:r><w:footnoteReference w:id='2'/></w:r></w:p>", "a \\[1]\n\n1. the note"),
    ],
)
def test_parts_of_a_document(body: str, expected: str) -> None:
    notes = f"<w:footnote w:id='2'><w:p>{run('the note')}</w:p></w:footnote>"
    assert read(make_docx(body, footnotes=notes)).text == expected


LAUGHS = "<!DOCTYPE d [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY {new} '{f'&{old};' * 10}'>" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is not a document of Word"),
        (b"%PDF-1.7", "it is not a document of Word"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100, "format of Office 97"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "encrypted with a password"),
        ((DOCUMENTS / "small.python-docx.docx").read_bytes()[:20_000], "not a complete ZIP archive"),
        (make_zip({"a.txt": "a"}), "without a document or presentation"),
        (make_docx("<w:p>"), "document.xml is not well-formed XML"),
        (make_zip({"word/document.xml": "<x/>"}), "it has no document"),
        (make_zip({"word/document.xml": b" " * 45_000_000}), "would unpack to 45,000,000 bytes, more than 300 times"),
        (
            make_zip(
                {"mimetype": "application/vnd.oasis.opendocument.text", "META-INF/manifest.xml": "encryption-data"}
            ),
            "it is encrypted with a password",
        ),
    ],
)
def test_file_that_cannot_be_read_says_why(content: bytes, reason: str) -> None:
    with pytest.raises(PermanentError, match=reason):
        read(content)


@pytest.mark.parametrize("declared", [LAUGHS, "<!DOCTYPE d [<!ENTITY i SYSTEM 'file:///etc/passwd'>"])
def test_entities_are_neither_expanded_nor_read_from_files(declared: str) -> None:
    namespace = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    body = "<w:body><w:p><w:r><w:t>a&i;b</w:t></w:r></w:p></w:body>"
    content = make_zip({"word/document.xml": f"{declared}]><w:document {namespace}>{body}</w:document>"})
    try:
        assert read(content).text in ("a", "ab")
    except PermanentError as error:
        assert "not well-formed" in error.message  # noqa: PT017 (either is safe)
