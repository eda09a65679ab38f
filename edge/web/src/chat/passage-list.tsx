import { useContext, type ReactNode } from "react";
import { OpenPassage } from "./open-passage";
import { hostOf, isOfWeb, type Evidence, type Passage, type WebPassage } from "./message-parts";

/** The passages below an answer, with their documents or web pages, and headings. */
export function PassageList({ passages, label }: { passages: readonly Evidence[]; label: string }): ReactNode {
  return (
    <ol className="passages" aria-label={label}>
      {passages.map((passage) => (
        <li key={passage.n}>
          {isOfWeb(passage) ? <PageLink passage={passage} /> : <PassageButton passage={passage} />}
        </li>
      ))}
    </ol>
  );
}

/** Opens the page in a new tab. */
function PageLink({ passage }: { passage: WebPassage }): ReactNode {
  return (
    <a
      className="button passage"
      href={passage.address}
      target="_blank"
      rel="noopener noreferrer nofollow"
      title={passage.text}
    >
      <Where n={passage.n} title={passage.title} place={[hostOf(passage), ...trail(passage)]} />
    </a>
  );
}

function PassageButton({ passage }: { passage: Passage }): ReactNode {
  const open = useContext(OpenPassage);
  return (
    <button
      type="button"
      className="passage"
      onClick={() => {
        open(passage);
      }}
    >
      <Where n={passage.n} title={passage.title} place={[...trail(passage), ...pageOf(passage), passage.key]} />
    </button>
  );
}

function Where({ n, title, place }: { n: string; title: string; place: string[] }): ReactNode {
  return (
    <>
      <span className="cite">{n}</span>
      <span className="passage-where">
        <span className="passage-title" dir="auto">
          {title}
        </span>
        <span className="small muted">{place.join(" · ")}</span>
      </span>
    </>
  );
}

function pageOf({ page }: Passage): string[] {
  return typeof page === "number" ? [`page ${page.toString()}`] : [];
}

/** The headings above a passage, without the document's title. */
function trail(passage: Evidence): string[] {
  const headings = passage.headingPath.filter((heading) => heading !== passage.title);
  return headings.length > 0 ? [headings.join(" › ")] : [];
}
