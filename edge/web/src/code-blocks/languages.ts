/** Which code can be highlighted: its languages, by the names that stand after the fence of a code block. Pure. */

/** Highlighting takes time quadratic in the length of some lines: at most 0.3 s for this much code. */
const MAX_CHARS = 10_000;
const LONG_LINE = /[^\n]{301}/;

/** The names of the highlighter's languages, and the usual other names of these. */
const NAMES =
  "arduino bash sh zsh c h cpp c++ hpp csharp cs c# css diff patch go golang graphql gql ini toml java javascript js jsx mjs cjs " +
  "json jsonc json5 kotlin kt less lua makefile make markdown md objectivec objc perl php php-template plaintext text txt " +
  "python py python-repl pycon r ruby rb rust rs scss shell console sql swift typescript ts tsx vbnet vb wasm " +
  "xml html xhtml svg rss yaml yml";

export const LANGUAGES: ReadonlySet<string> = new Set(NAMES.split(" "));

/** Whether the language, in lower case, is known, and highlighting takes little time. Other code has no colours. */
export function canHighlight(code: string, language: string): boolean {
  return LANGUAGES.has(language) && code.length <= MAX_CHARS && !LONG_LINE.test(code);
}
