/** Edit the arguments of a call as texts: strings as they are, other values as JSON. Pure. */

type Input = Readonly<Record<string, unknown>>;

export function textsOf(input: Input): Record<string, string> {
  return Object.fromEntries(
    Object.entries(input).map(([name, value]) => [
      name,
      typeof value === "string" ? value : JSON.stringify(value, null, 2),
    ]),
  );
}

/** Return the arguments with changed texts, or null if a text is no JSON where the argument was no string. */
export function changedInput(
  input: Input,
  texts: Readonly<Record<string, string>>,
): { input: Input | null; errors: Readonly<Record<string, string>> } {
  const errors: Record<string, string> = {};
  const changed = Object.entries(input).map(([name, value]) => {
    const text = texts[name] ?? "";
    if (typeof value === "string") return [name, text];
    if (text === JSON.stringify(value, null, 2)) return [name, value];
    try {
      return [name, JSON.parse(text) as unknown];
    } catch {
      errors[name] = "Enter JSON: a number, true, false, null, a list or an object.";
      return [name, value];
    }
  });
  const hasErrors = Object.keys(errors).length > 0;
  return { input: hasErrors ? null : (Object.fromEntries(changed) as Input), errors };
}
