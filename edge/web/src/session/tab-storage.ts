/**
 * Values that a tab keeps through reloads: in memory and in `sessionStorage`. If the browser blocks `sessionStorage`,
 * values are lost on reload.
 */

const PREFIX = "headwater:";
const memory = new Map<string, unknown>();

/** Store a JSON value; null removes it. */
export function store(name: string, value: unknown): void {
  memory.set(name, value);
  try {
    if (value === null) sessionStorage.removeItem(PREFIX + name);
    else sessionStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Storage is blocked or full.
  }
}

/** Return a stored value, or null if there is none or `isValid` rejects it. */
export function load<T>(name: string, isValid: (value: unknown) => value is T): T | null {
  if (!memory.has(name)) memory.set(name, readStorage(name));
  const value = memory.get(name);
  return isValid(value) ? value : null;
}

/** Remove all values of this app. */
export function clear(): void {
  memory.clear();
  try {
    for (const name of Object.keys(sessionStorage)) if (name.startsWith(PREFIX)) sessionStorage.removeItem(name);
  } catch {
    // Storage is blocked.
  }
}

/** Check whether `value` is an object whose properties `names` are strings. */
export function hasStrings<N extends string>(value: unknown, names: readonly N[]): value is Record<N, string> {
  if (typeof value !== "object" || value === null) return false;
  return names.every((name) => typeof (value as Record<string, unknown>)[name] === "string");
}

export function isString(value: unknown): value is string {
  return typeof value === "string";
}

function readStorage(name: string): unknown {
  try {
    return JSON.parse(sessionStorage.getItem(PREFIX + name) ?? "null");
  } catch {
    return null;
  }
}
