/** Edit the text of a filter: its terms, which all have to match. The API parses it. Pure. */

/** A quoted text, or one that is not closed; a parenthesis; white space; anything else. */
const TOKEN = /"(?:[^"\\]|\\.)*(?:"|$)|[()]|\s+|[^\s()"]+/gs;

interface Terms {
  terms: string[];
  /** Whether `OR` is at the top: all is a single term then. */
  isAlternative: boolean;
}

/** Split a filter into its terms. One with `OR` at its top is a single term, and so is one that can't be split. */
export function splitTerms(filter: string): string[] {
  return read(filter).terms;
}

function read(filter: string): Terms {
  const terms: string[] = [];
  let term = "";
  let depth = 0;
  for (const [token] of filter.matchAll(TOKEN)) {
    if (token === "(") depth += 1;
    if (token === ")") depth -= 1;
    if (depth === 0 && term === "" && isKeyword(token, "OR")) return { terms: [filter.trim()], isAlternative: true };
    if (depth > 0 || token.trim() !== "") {
      term += token;
    } else if (isKeyword(term, "NOT")) {
      term += " ";
    } else if (term !== "" && term !== "-") {
      if (!isKeyword(term, "AND")) terms.push(term);
      term = "";
    }
  }
  return { terms: term === "" ? terms : [...terms, term], isAlternative: false };
}

function isKeyword(token: string, keyword: string): boolean {
  return token.toUpperCase() === keyword;
}

/** Add a condition that has to match too, unless the filter has it. */
export function addTerm(filter: string, condition: string): string {
  const { terms, isAlternative } = read(filter);
  if (terms.includes(condition)) return filter;
  return [...(isAlternative ? [`(${filter.trim()})`] : terms), condition].join(" ");
}

/** Remove the term at a place. */
export function removeTerm(filter: string, place: number): string {
  return splitTerms(filter)
    .filter((_, index) => index !== place)
    .join(" ");
}
