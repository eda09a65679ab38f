/** The conversation that is new flows in, and which one the URL names; the one that is new from then on flows out. Pure. */

/** A conversation that has its id before it has a URL. */
export interface Fresh {
  id: string;
  /** The first question has given it its URL. */
  isUsed: boolean;
}

export function begin(): Fresh {
  return { id: crypto.randomUUID(), isUsed: false };
}

/** Follow the URL to conversation `id` (null: it names none). One that has begun and is left is stored, no longer new. */
export function follow(fresh: Fresh, id: string | null): Fresh {
  const isHere = id === fresh.id;
  if (isHere === fresh.isUsed) return fresh;
  return isHere ? { ...fresh, isUsed: true } : begin();
}
