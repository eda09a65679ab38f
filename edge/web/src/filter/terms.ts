/** Edit the text of a filter: its terms, which all have to match. The API parses it. Pure. */

/** A quoted text, or one that is not closed; a parenthesis; white space; anything else. */
const TOKEN = /"(?:[^"\\]|\\.)*(?:"|$)|[()]|\s+|[^\s()"]+/gs;

/** Split a filter into its terms. One with `OR` at its top is a single term, and so is one that can't be split. */
export function splitTerms(filter: string): string[] {
  const terms: string[] = [];
  let term = "";
  let depth = 0;
  for (const [token] of filter.matchAll(TOKEN)) {
    if (token === "(") depth += 1;
    if (token === ")") depth -= 1;
    if (depth === 0 && term === "" && token === "OR") return [filter.trim()];
    if (depth > 0 || token.trim() !== "") {
      term += token;
    } else if (term !== "" && term !== "-" && term !== "NOT") {
      if (term !== "AND") terms.push(term);
      term = "";
    } else if (term === "NOT") {
      term += " ";
    }
  }
  return term === "" ? terms : [...terms, term];
}

/** Add a condition that has to match too, unless the filter has it. */
export function addTerm(filter: string, condition: string): string {
  const terms = splitTerms(filter);
  if (terms.includes(condition)) return filter;
  const isAlternative = terms.length === 1 && /(?:^|\s)OR\s/.test(filter) && !filter.trim().startsWith("(");
  return [...(isAlternative ? [`(${filter.trim()})`] : terms), condition].join(" ");
}

/** Remove the term at a place. */
export function removeTerm(filter: string, place: number): string {
  return splitTerms(filter)
    .filter((_, index) => index !== place)
    .join(" ");
}
