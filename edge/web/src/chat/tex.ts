/** Show TeX in Markdown as it was written, with its backslashes. Pure. */

/** Fenced code, a code span, or TeX: `\\(…\\)`, `\\[…\\]`, `$$…$$`. The lengths keep the search linear. */
const CODE_OR_TEX =
  /(^|\n)(?:```|~~~)[^]*?(?:\n(?:```|~~~)|$)|`[^`\n]{1,500}`|\\\([^\n]{1,500}?\\\)|\\\[[^]{1,2000}?\\\]|\$\$[^]{1,2000}?\$\$/g;
const MARKUP = /[\\`*_{}[\]()#+.!<>|~$^-]/g;

/** Escape the Markdown markup within TeX. Code is unchanged. */
export function keepTex(text: string): string {
  return text.replace(CODE_OR_TEX, (match) => (/^(?:\\|\$)/.test(match) ? match.replace(MARKUP, "\\$&") : match));
}
