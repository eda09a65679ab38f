#!/bin/sh
# Make the files of programs that have a command line. README.md names the packages.
#
# Usage: make.sh PYTHON NODE_FOLDER, with a Python that has the packages, and a folder with node_modules
set -eu
python=$1
node=$2
here=$(cd "$(dirname "$0")" && pwd)
out=$here/../documents
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME="$work"

cd "$here"
"$python" documents.py
"$python" slides_and_sheets.py
"$python" by_hand.py
"$python" source.py >"$work/blocks.json"
(cd "$node" && node "$here/make.mjs" "$work/blocks.json" "$out")

cp "$out/handbook.md" "$here/deck.md" "$work"
cd "$work"
for suffix in docx odt epub html rst ipynb org; do
  pandoc --standalone --metadata title="Pump station handbook" handbook.md -o "$out/handbook.pandoc.$suffix"
done
pandoc --standalone handbook.md -t asciidoc -o "$out/handbook.pandoc.adoc"
pandoc --standalone handbook.md -t asciidoctor -o "$out/handbook.pandoc-asciidoctor.adoc"
sed 's/^# /## /; s/^> \(.*\)/::: notes\n\1\n:::/' deck.md >pandoc-deck.md
pandoc --slide-level=2 pandoc-deck.md -o "$out/deck.pandoc.pptx"

# LibreOffice reads what others wrote, and writes it in its own way.
office() { soffice --headless --convert-to "$@" >/dev/null 2>&1; }
cp "$out/handbook.docx-js.docx" lo.docx && cp "$out/deck.python-pptx.pptx" lo.pptx && cp "$out/stock.openpyxl.xlsx" lo.xlsx
office epub lo.docx && mv lo.epub "$out/handbook.libreoffice.epub"
office html:HTML lo.docx && mv lo.html "$out/handbook.libreoffice.html"
office odp lo.pptx && mv lo.odp "$out/deck.libreoffice.odp"
office pptx:"Impress MS PowerPoint 2007 XML" --outdir converted "$out/deck.libreoffice.odp"
mv converted/*.pptx "$out/deck.libreoffice.pptx"
office ods lo.xlsx && mv lo.ods "$out/stock.libreoffice.ods"
office xls lo.xlsx && mv lo.xls "$out/stock.libreoffice.xls"
office csv lo.xlsx && mv lo.csv "$out/stock.libreoffice.csv"
office xlsx:"Calc MS Excel 2007 XML" --outdir converted "$out/stock.libreoffice.ods"
mv converted/*.xlsx "$out/stock.libreoffice.xlsx"

# Calibre
for suffix in epub docx; do
  ebook-convert "$out/handbook.pandoc.html" "calibre.$suffix" --no-default-epub-cover >/dev/null 2>&1 ||
    ebook-convert "$out/handbook.pandoc.html" "calibre.$suffix" >/dev/null
  mv "calibre.$suffix" "$out/handbook.calibre.$suffix"
done

# Gnumeric and AbiWord
for suffix in xlsx ods; do ssconvert lo.xlsx "$out/stock.gnumeric.$suffix" 2>/dev/null; done
abiword --to="$out/handbook.abiword.odt" lo.docx 2>/dev/null

# Markup that other programs write
"$python" -m docutils --writer=html5 "$out/handbook.pandoc.rst" "$out/handbook.docutils.html"
"$python" -m docutils --writer=odt "$out/handbook.pandoc.rst" "$out/handbook.docutils.odt"
asciidoctor "$out/handbook.pandoc-asciidoctor.adoc" -o "$out/handbook.asciidoctor.html"
cp "$out/handbook.nbformat.ipynb" notebook.ipynb
for format in html rst asciidoc; do "$python" -m nbconvert --log-level ERROR --to "$format" notebook.ipynb; done
"$python" -c 'import re, sys; print(re.sub(r"(?s)<style.*?</style>", "", sys.stdin.read()))' \
  <notebook.html >"$out/handbook.nbconvert.html"
mv notebook.rst "$out/handbook.nbconvert.rst" && mv notebook.asciidoc "$out/handbook.nbconvert.adoc"
"$python" -m m2r2 handbook.md --no-underscore-emphasis >/dev/null && mv handbook.rst "$out/handbook.m2r2.rst"
(echo "#+OPTIONS: num:nil author:nil" && cat "$out/handbook.pandoc.org") >notebook.org
emacs --batch notebook.org -f org-odt-export-to-odt 2>/dev/null && mv notebook.odt "$out/handbook.emacs.odt"
emacs --batch notebook.org -f org-html-export-to-html 2>/dev/null && mv notebook.html "$out/handbook.emacs.html"
emacs --batch notebook.org -f org-org-export-to-org 2>/dev/null && mv notebook.org.org "$out/handbook.emacs.org"

# A patch as a message
git init -q patch && cp handbook.md patch/handbook.md
git -C patch add handbook.md
GIT_AUTHOR_DATE=2026-03-03T08:15:00+0100 GIT_COMMITTER_DATE=2026-03-03T08:15:00+0100 \
  git -C patch -c user.name="Änne Müller" -c user.email=anne@example.com commit -qm "Add the handbook für den März"
git -C patch format-patch -q -1 --stdout >"$out/handbook.git.eml"

# Documents and PDF of a page with a ruled table, and PDF of LaTeX
documents() { PYTHONPATH="$here" "$python" -c "import documents; print(documents.$1())"; }
print_page() { chromium --headless --no-sandbox --disable-gpu "$@" 2>/dev/null; }
documents ruled_page >handbook.html
"$python" -m weasyprint -q handbook.html "$out/handbook.weasyprint.pdf"
print_page --print-to-pdf="$out/handbook.chromium.pdf" handbook.html
office odt:writer8 handbook.html && mv handbook.odt "$out/handbook.libreoffice.odt"
office docx:"MS Word 2007 XML" handbook.html && cp handbook.docx "$out/handbook.libreoffice.docx"
office pdf handbook.docx && mv handbook.pdf "$out/handbook.libreoffice.pdf"
documents latex >handbook.tex
pdflatex -interaction=batchmode handbook.tex >/dev/null && mv handbook.pdf "$out/handbook.latex.pdf"

# PDF in two columns, with hyphenation and ligatures
pandoc --standalone handbook.md -t latex -V classoption=twocolumn -V geometry=margin=2cm -V fontsize=10pt -o columns.tex
sed -i 's/\\begin{longtable}/\\begin{center}\\begin{tabular}/; s/\\end{longtable}/\\end{tabular}\\end{center}/; s/\[\]{@{}lll@{}}/{@{}lll@{}}/; /\\end\(first\)\?head/d; /\\end\(last\)\?foot/d' columns.tex
pdflatex -interaction=batchmode columns.tex >/dev/null && mv columns.pdf "$out/columns.latex.pdf"
documents page_in_columns >columns.html
"$python" -m weasyprint -q columns.html "$out/columns.weasyprint.pdf"
print_page --no-pdf-header-footer --print-to-pdf="$out/columns.chromium.pdf" columns.html

# PDF of right-to-left text
print_page --no-pdf-header-footer --print-to-pdf="$out/../arabic.chromium.pdf" "$here/arabic.html"
