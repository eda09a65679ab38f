/** The card that shows a cited passage while the pointer or the focus is on its citation. */

import { createContext, useCallback, useEffect, useRef, useState, type ReactNode } from "react";
import Markdown, { type Components } from "react-markdown";
import remarkGfm from "remark-gfm";
import { hostOf, isOfWeb, type Evidence } from "./message-parts";

const MAX_CHARS = 400;
/** The pointer may cross the gap between a citation and its card (WCAG 2.2, 1.4.13). */
const HIDE_AFTER_MS = 200;
const GAP_PX = 6;
const LEADING_HEADING = /^#{1,6} +(.*)\n+/;

/** Shows the card of a passage at its citation; null hides it. */
export type ShowCard = (passage: Evidence | null, citation?: Element) => void;
export const CitationCard = createContext<ShowCard>(() => undefined);

interface Shown {
  passage: Evidence;
  citation: Element;
}

/** Citations within it show their cards. */
export function WithCitationCard({ children }: { children: ReactNode }): ReactNode {
  const [shown, setShown] = useState<Shown | null>(null);
  const card = useRef<HTMLDivElement>(null);
  const timer = useRef<number>(undefined);

  const show = useCallback<ShowCard>((passage, citation) => {
    window.clearTimeout(timer.current);
    if (passage && citation) setShown({ passage, citation });
    else timer.current = window.setTimeout(setShown, HIDE_AFTER_MS, null);
  }, []);

  useEffect(() => {
    const element = card.current;
    if (!shown || !element) return;
    element.showPopover();
    place(element, shown.citation.getBoundingClientRect());
    const hide = (): void => {
      setShown(null);
    };
    const onKey = ({ key }: KeyboardEvent): void => {
      if (key === "Escape") hide();
    };
    window.addEventListener("keydown", onKey);
    window.addEventListener("scroll", hide, true);
    return () => {
      window.removeEventListener("keydown", onKey);
      window.removeEventListener("scroll", hide, true);
    };
  }, [shown]);
  useEffect(
    () => () => {
      window.clearTimeout(timer.current);
    },
    [],
  );

  return (
    <CitationCard value={show}>
      {children}
      {shown && (
        <div
          ref={card}
          className="citation-card"
          popover="manual"
          role="tooltip"
          onPointerEnter={() => {
            show(shown.passage, shown.citation);
          }}
          onPointerLeave={() => {
            show(null);
          }}
        >
          <CardText passage={shown.passage} />
        </div>
      )}
    </CitationCard>
  );
}

function Heading({ children }: { children?: ReactNode }): ReactNode {
  return (
    <p>
      <strong>{children}</strong>
    </p>
  );
}

/** A card has no headings of its own in the page's outline. */
const components: Components = { h1: Heading, h2: Heading, h3: Heading, h4: Heading, h5: Heading, h6: Heading };

/** A passage with its title and place, formatted. Nothing in it can be pressed, since the card is a description. */
export function CardText({ passage }: { passage: Evidence }): ReactNode {
  const text = passage.text
    .trim()
    .replace(LEADING_HEADING, (line, heading: string) => (heading.trim() === passage.title ? "" : line));
  const place = isOfWeb(passage) ? hostOf(passage) : passage.key;
  return (
    <>
      <p className="citation-card-title" dir="auto">
        {passage.title}
      </p>
      <p className="small muted" dir="auto">
        {[place, ...passage.headingPath].filter((part) => part !== passage.title).join(" · ")}
      </p>
      <div className="prose" dir="auto">
        <Markdown
          remarkPlugins={[remarkGfm]}
          components={components}
          disallowedElements={["a", "img", "input"]}
          unwrapDisallowed
        >
          {text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS).trimEnd()}…` : text}
        </Markdown>
      </div>
    </>
  );
}

/** Place the card below its citation, or above it if there is more room. It never covers the citation: its end is cut off instead. */
function place(card: HTMLElement, citation: DOMRect): void {
  const { width, height } = card.getBoundingClientRect();
  const below = citation.bottom + GAP_PX;
  const [roomBelow, roomAbove] = [window.innerHeight - below - GAP_PX, citation.top - 2 * GAP_PX];
  const isBelow = height <= roomBelow || roomBelow >= roomAbove;
  const shownHeight = Math.min(height, isBelow ? roomBelow : roomAbove);
  card.style.left = `${Math.max(GAP_PX, Math.min(citation.left, window.innerWidth - width - GAP_PX))}px`;
  card.style.top = `${isBelow ? below : citation.top - GAP_PX - shownHeight}px`;
  card.style.maxHeight = `${shownHeight}px`;
}
