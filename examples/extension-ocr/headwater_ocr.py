"""An example extension for Headwater: reads scanned PDF files with Tesseract. docs/extending.md explains it.

Tesseract is a program: `apt-get install tesseract-ocr`, with a package for each language, such as `tesseract-ocr-deu`.
"""

import os
import re
import shutil
import subprocess
import time

from headwater.errors import PermanentError
from headwater.parsers import Parsed

DPI = 200
"""Enough for printed text of 8 points."""
MAX_PIXELS = 40_000_000
PAGE_S = 15.0
TOTAL_S = 20.0
"""A file has 30 s in all with the default of PARSE_TIMEOUT_S. Pages after this time are left out, with a warning."""


def parse_scan(name: str, content: bytes, media_type: str) -> Parsed:
    """Recognise the text of each page. A paragraph is a paragraph, and each page begins where `pages` says."""
    import pypdfium2

    program = shutil.which("tesseract")
    if program is None:
        raise PermanentError("its pages are images, and tesseract isn't installed (apt-get install tesseract-ocr)")
    document = pypdfium2.PdfDocument(content)
    until, pages = time.monotonic() + TOTAL_S, []
    for page in document:
        if time.monotonic() > until:
            break
        pages.append(_recognise(program, page))
    if not any(pages):
        raise PermanentError("its pages are images, and no text was recognised in them")
    warnings = ["its pages are images: the text was recognised, and may have mistakes"]
    if len(pages) < len(document):
        warnings.append(f"only the first {len(pages)} of {len(document)} pages were recognised in {TOTAL_S:g} s")
    texts = [f"{text}\n\n" if text else "" for text in pages]
    offsets = tuple(sum(map(len, texts[:number])) for number in range(len(texts)))
    return Parsed(text="".join(texts), warnings=tuple(warnings), pages=offsets)


def _recognise(program: str, page: object) -> str:
    """Return the paragraphs of a page as Markdown."""
    width, height = page.get_size()  # in points of 1/72 inch
    scale = min(DPI / 72, (MAX_PIXELS / max(1.0, width * height)) ** 0.5)
    image = page.render(scale=scale, grayscale=True).to_numpy().squeeze()
    picture = b"P5 %d %d 255\n" % (image.shape[1], image.shape[0]) + image.tobytes()  # PGM
    languages = "+".join(_languages(program))
    command = [program, "stdin", "stdout", "-l", languages, "--dpi", str(round(scale * 72))]
    try:
        done = subprocess.run(  # noqa: S603 - no part of it comes from the file
            command,
            input=picture,
            capture_output=True,
            timeout=PAGE_S,
            check=True,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )
    except subprocess.TimeoutExpired:
        raise PermanentError(f"recognising a page took longer than {PAGE_S:g} s") from None
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip()[-300:]
        raise PermanentError(f"tesseract failed: {reason or error.returncode}") from None
    paragraphs = re.split(r"\n\s*\n", done.stdout.decode(errors="replace").replace("\f", "").replace("\0", ""))
    return "\n\n".join(filter(None, map(_join_lines, paragraphs)))


def _languages(program: str) -> list[str]:
    """Return the languages that are installed; the English one first, which reads most scripts of Latin letters."""
    command = [program, "--list-langs"]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=PAGE_S, check=True)  # noqa: S603
    found = [line for line in listed.stdout.splitlines()[1:] if re.fullmatch(r"\w+", line) and line != "osd"]
    return sorted(found, key=lambda language: (language != "eng", language))[:4]


def _join_lines(paragraph: str) -> str:
    """Join the lines of a paragraph, and words that were divided at the end of a line. Escapes what Markdown reads."""
    lines = [line.strip() for line in paragraph.splitlines() if line.strip()]
    text = " ".join(lines)
    text = re.sub(r"(?<=[a-zà-ÿ])- (?=[a-zà-ÿ])", "", text)
    return re.sub(r"^(#{1,6} |[-+*>] |\d+[.)] )", r"\\\1", re.sub(r"([*_`\[\]<>|])", r"\\\1", text))
