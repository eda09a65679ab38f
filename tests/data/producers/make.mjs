// Make the handbook, the slides and the sheets with docx, PptxGenJS, ExcelJS, SheetJS, epub-gen-memory, PDFKit and
// Nodemailer. `node make.mjs BLOCKS.json FOLDER`, where BLOCKS.json is what `source.py` prints.
import { createWriteStream, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(process.cwd() + "/");
const { handbook, deck, sheets } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const path = (name) => `${process.argv[3]}/${name}`;
const isDate = (cell) => /^\d{4}-\d\d-\d\d$/.test(cell);
const escape = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");

async function docx() {
  const { Document, HeadingLevel, LevelFormat, Packer, Paragraph, Table, TableCell, TableRow, TextRun } = require("docx");
  const children = [];
  for (const block of handbook) {
    if (block.kind === "heading") {
      children.push(new Paragraph({ text: block.text, heading: HeadingLevel[`HEADING_${block.level}`] }));
    } else if (block.kind === "list") {
      const kept = block.is_numbered ? { numbering: { reference: "steps", level: 0 } } : { bullet: { level: 0 } };
      for (const item of block.items) children.push(new Paragraph({ text: item.text, ...kept }));
    } else if (block.kind === "code") {
      const lines = block.text.split("\n");
      const runs = lines.map((line, at) => new TextRun({ text: line, font: "Consolas", break: at ? 1 : 0 }));
      children.push(new Paragraph({ children: runs }));
    } else if (block.kind === "table") {
      const cell = (text) => new TableCell({ children: [new Paragraph(text)] });
      const rows = block.rows.map((row, at) => new TableRow({ tableHeader: at === 0, children: row.map(cell) }));
      children.push(new Table({ rows }));
    } else {
      children.push(new Paragraph(block.text));
    }
  }
  const levels = [{ level: 0, format: LevelFormat.DECIMAL, text: "%1." }];
  const document = new Document({
    title: "Pump station handbook",
    numbering: { config: [{ reference: "steps", levels }] },
    sections: [{ children }],
  });
  writeFileSync(path("handbook.docx-js.docx"), await Packer.toBuffer(document));
}

async function pptxgenjs() {
  const PptxGenJS = require("pptxgenjs");
  const presentation = new PptxGenJS();
  presentation.defineSlideMaster({
    title: "PLAN",
    objects: [
      { placeholder: { options: { name: "title", type: "title", x: 0.5, y: 0.3, w: 9, h: 0.8 }, text: "" } },
      { placeholder: { options: { name: "body", type: "body", x: 0.5, y: 1.3, w: 9, h: 4 }, text: "" } },
    ],
  });
  for (const [title, blocks] of deck) {
    const slide = presentation.addSlide({ masterName: "PLAN" });
    slide.addText(title, { placeholder: "title" });
    for (const block of blocks) {
      if (block.kind === "note") slide.addNotes(block.text);
      else if (block.kind === "table") slide.addTable(block.rows, { x: 0.5, y: 1.5, w: 9 });
      else if (block.kind === "list") {
        const bullet = block.is_numbered ? { type: "number" } : true;
        const runs = block.items.map((item) => ({
          text: item.text,
          options: { bullet, indentLevel: item.depth, breakLine: true },
        }));
        slide.addText(runs, { x: 0.5, y: 2, w: 9, h: 3 });
      } else slide.addText(block.text, { x: 0.5, y: 1.2, w: 9, h: 0.8 });
    }
  }
  await presentation.writeFile({ fileName: path("deck.pptxgenjs.pptx"), compression: true });
}

async function exceljs() {
  const { Workbook } = require("exceljs");
  const workbook = new Workbook();
  for (const sheet of sheets) {
    const page = workbook.addWorksheet(sheet.name);
    if (sheet.caption) {
      page.addRow([sheet.caption]);
      page.mergeCells("A1:E1");
    }
    for (const row of sheet.rows) {
      const line = page.addRow(row.map((cell) => (isDate(cell) ? new Date(cell) : cell)));
      line.eachCell((cell) => cell.value instanceof Date && (cell.numFmt = "yyyy-mm-dd"));
    }
  }
  await workbook.xlsx.writeFile(path("stock.exceljs.xlsx"));
}

async function sheetjs() {
  const book = require("xlsx");
  const workbook = book.utils.book_new();
  for (const sheet of sheets) {
    const rows = [...(sheet.caption ? [[sheet.caption]] : []), ...sheet.rows];
    const page = book.utils.aoa_to_sheet(
      rows.map((row) => row.map((cell) => (isDate(cell) ? { t: "d", v: new Date(cell), z: "yyyy-mm-dd" } : cell))),
    );
    book.utils.book_append_sheet(workbook, page, sheet.name);
  }
  book.writeFile(workbook, path("stock.sheetjs.xlsx"), { compression: true });
  book.writeFile(workbook, path("stock.sheetjs.xlsb"), { compression: true });
  writeFileSync(path("stock.sheetjs.csv"), "\ufeff" + book.utils.sheet_to_csv(workbook.Sheets[sheets[0].name]));
}

function html(blocks) {
  const row = (cells, tag) => `<tr>${cells.map((cell) => `<${tag}>${escape(cell)}</${tag}>`).join("")}</tr>`;
  return blocks
    .map((block) => {
      if (block.kind === "heading") return `<h${block.level}>${escape(block.text)}</h${block.level}>`;
      if (block.kind === "code") return `<pre>${escape(block.text)}</pre>`;
      if (block.kind === "table") {
        return `<table>${block.rows.map((cells, at) => row(cells, at ? "td" : "th")).join("")}</table>`;
      }
      if (block.kind === "list") {
        const tag = block.is_numbered ? "ol" : "ul";
        return `<${tag}>${block.items.map((item) => `<li>${escape(item.text)}</li>`).join("")}</${tag}>`;
      }
      return `<p>${escape(block.text)}</p>`;
    })
    .join("\n");
}

async function epubGen() {
  const epub = require("epub-gen-memory").default;
  const starts = handbook.flatMap((block, at) => (block.kind === "heading" && block.level < 3 ? [at] : []));
  const chapters = starts.map((start, at) => ({
    title: handbook[start].text,
    content: html(handbook.slice(start + 1, starts[at + 1])),
  }));
  const options = { title: "Pump station handbook", author: "River authority", lang: "en", prependChapterTitles: true };
  writeFileSync(path("handbook.epub-gen.epub"), await epub(options, chapters));
}

function pdfkit() {
  const PDFDocument = require("pdfkit");
  const pdf = new PDFDocument({ size: "A4", info: { Title: "Pump station handbook" } });
  pdf.pipe(createWriteStream(path("handbook.pdfkit.pdf")));
  for (const block of handbook) {
    if (block.kind === "heading") pdf.font("Helvetica-Bold").fontSize(22 - 4 * block.level).text(block.text);
    else pdf.font("Helvetica").fontSize(11);
    if (block.kind === "text") pdf.text(block.text, { align: "justify" });
    if (block.kind === "list") {
      const listType = block.is_numbered ? "numbered" : "bullet";
      pdf.list(block.items.map((item) => item.text), { listType });
    }
    if (block.kind === "code") pdf.font("Courier").fontSize(10).text(block.text);
    if (block.kind === "table") pdf.table({ data: block.rows });
    pdf.moveDown(0.7);
  }
  pdf.end();
}

async function nodemailer() {
  const mailer = require("nodemailer").createTransport({ streamTransport: true, buffer: true });
  const { message } = await mailer.sendMail({
    from: { name: "Änne Müller", address: "anne@example.com" },
    to: "office@example.com",
    subject: "Pump station handbook – für den März",
    date: new Date("2026-03-03T08:15:00+01:00"),
    messageId: "<handbook@example.com>",
    html: `<html><body>${html(handbook)}</body></html>`,
    attachments: [{ filename: "Übersicht.pdf", content: "%PDF-1.4" }],
  });
  writeFileSync(path("handbook.nodemailer.eml"), message);
}

for (const make of [docx, pptxgenjs, exceljs, sheetjs, epubGen, pdfkit, nodemailer]) {
  try {
    await make();
  } catch (error) {
    console.error(make.name, error);
    process.exitCode = 1;
  }
}
