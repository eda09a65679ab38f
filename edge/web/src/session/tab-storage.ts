/**
 * What one tab keeps for as long as it is open, through reloads: in memory and in `sessionStorage`. Where the browser
 * forbids the latter, only a reload loses it.
 */

const PREFIX = "headwater:";
const memory = new Map<string, unknown>();

/** Keep a value that JSON can carry; null forgets it. */
export function keep(name: string, value: unknown): void {
  memory.set(name, value);
  try {
    if (value === null) sessionStorage.removeItem(PREFIX + name);
    else sessionStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Storage is blocked or full.
  }
}

/** Return what was kept; null when nothing was, or not by this version of the app. */
export function kept<T>(name: string, isValid: (value: unknown) => value is T): T | null {
  if (!memory.has(name)) memory.set(name, stored(name));
  const value = memory.get(name);
  return isValid(value) ? value : null;
}

export function forgetAll(): void {
  memory.clear();
  try {
    for (const name of Object.keys(sessionStorage)) if (name.startsWith(PREFIX)) sessionStorage.removeItem(name);
  } catch {
    // Storage is blocked: there was nothing in it.
  }
}

/** Tell whether `value` is an object whose `names` are all strings. */
export function hasStrings<N extends string>(value: unknown, names: readonly N[]): value is Record<N, string> {
  if (typeof value !== "object" || value === null) return false;
  return names.every((name) => typeof (value as Record<string, unknown>)[name] === "string");
}

export function isString(value: unknown): value is string {
  return typeof value === "string";
}

function stored(name: string): unknown {
  try {
    return JSON.parse(sessionStorage.getItem(PREFIX + name) ?? "null");
  } catch {
    return null;
  }
}
