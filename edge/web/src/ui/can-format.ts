/** Decide whether a text can be formatted as Markdown quickly enough. Pure. */

const MAX_CHARS = 300_000;
/** Marks and lines become elements of the page: about a second for this many. */
const MAX_MARKS = 40_000;
/** Parsing takes time quadratic in the marks of a paragraph, and in the lines below headings: about 100 ms for this many. */
const MAX_MARKS_OF_PARAGRAPH = 3_000;
const MAX_LINES_OF_PARAGRAPH = 8_000;
const MAX_UNDERLINES = 1_000;
/** Each level of quotes and lists is a level of recursion, for each of their lines. */
const MAX_DEPTH = 50;

const MARK = /[*_~`[\]()<>!&\\$]/g;
const PIPE_OR_MARK = /[|*_~`[\]()<>!&\\$]/g;
const UNDERLINE = /^[>\s]*[=-]+\s*$/;
const CONTAINER = /[>*+-]|\d{1,9}[.)]/y;
const INDENT_OF_LIST = 2;

/**
 * Whether a text can be formatted. Others are shown as plain text: Markdown's parser and renderer take seconds for some,
 * such as long paragraphs of `**`, and fail at deep nesting.
 */
export function canFormat(text: string): boolean {
  if (text.length > MAX_CHARS) return false;
  let [marks, underlines] = [0, 0];
  let paragraph = { lines: 0, marks: 0 };
  for (const line of text.split("\n")) {
    marks += 1 + count(line, PIPE_OR_MARK);
    if (UNDERLINE.test(line)) underlines += 1;
    if (/\S/.test(line)) paragraph = { lines: paragraph.lines + 1, marks: paragraph.marks + count(line, MARK) };
    else paragraph = { lines: 0, marks: 0 };
    if (
      marks > MAX_MARKS ||
      underlines > MAX_UNDERLINES ||
      paragraph.lines > MAX_LINES_OF_PARAGRAPH ||
      paragraph.marks > MAX_MARKS_OF_PARAGRAPH ||
      depth(line) > MAX_DEPTH
    )
      return false;
  }
  return true;
}

function count(line: string, marks: RegExp): number {
  return line.match(marks)?.length ?? 0;
}

/** The levels of quotes and lists that a line can open. */
function depth(line: string): number {
  let [levels, spaces, at] = [0, 0, 0];
  for (;;) {
    for (; line[at] === " " || line[at] === "\t"; at++) spaces += 1;
    CONTAINER.lastIndex = at;
    if (!CONTAINER.test(line)) return levels;
    at = CONTAINER.lastIndex;
    levels = 1 + Math.max(levels, Math.floor(spaces / INDENT_OF_LIST));
  }
}
