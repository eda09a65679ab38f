import { createContext, memo, useContext, useMemo, type ReactNode } from "react";
import Markdown, { type Components, type Options } from "react-markdown";
import remarkGfm from "remark-gfm";
import remend from "remend";
import { canFormat } from "../ui/can-format";
import { markdownComponents } from "../ui/markdown-components";
import { rehypeCitations } from "./citations";
import { keepTex } from "./tex";
import { OpenPassage } from "./open-passage";
import { hostOf, isOfWeb, type Evidence } from "./message-parts";

const Passages = createContext<readonly Evidence[]>([]);

/** Closing unfinished syntax takes time quadratic in the text's brackets. */
const MAX_CLOSED_CHARS = 20_000;

const components: Components = {
  ...markdownComponents,
  // All buttons in this tree were made by rehypeCitations.
  button: ({ node }) => <CitationButton n={String(node?.properties["dataCites"])} />,
};

interface Props {
  text: string;
  passages: readonly Evidence[];
  isStreaming: boolean;
}

/** An answer's Markdown. While it streams, unfinished syntax (`**bold`) is closed to avoid flicker. Plain text if formatting takes too long. */
export const AnswerText = memo(function AnswerText({ text, passages, isStreaming }: Props): ReactNode {
  const numbers = passages.map((passage) => passage.n).join(" ");
  const rehypePlugins = useMemo<NonNullable<Options["rehypePlugins"]>>(
    () => [[rehypeCitations, { known: new Set(numbers.split(" ")) }]],
    [numbers],
  );
  if (!canFormat(text)) {
    return (
      <pre className="plain-text" dir="auto">
        {text}
      </pre>
    );
  }
  return (
    <Passages value={passages}>
      <div className={isStreaming ? "prose streaming" : "prose"} dir="auto">
        <Markdown remarkPlugins={[remarkGfm]} rehypePlugins={rehypePlugins} components={components}>
          {keepTex(isStreaming && text.length < MAX_CLOSED_CHARS ? remend(text, { linkMode: "text-only" }) : text)}
        </Markdown>
      </div>
    </Passages>
  );
});

function CitationButton({ n }: { n: string }): ReactNode {
  const passage = useContext(Passages).find((candidate) => candidate.n === n);
  const open = useContext(OpenPassage);
  if (!passage) return `[${n}]`;
  const label = `Citation ${n}: ${passage.title}`;
  if (isOfWeb(passage)) {
    return (
      <a
        className="cite"
        href={passage.address}
        target="_blank"
        rel="noopener noreferrer nofollow"
        aria-label={label}
        title={`${hostOf(passage)}: ${passage.text}`}
      >
        <Number n={n} />
      </a>
    );
  }
  return (
    <button
      type="button"
      className="cite"
      aria-label={label}
      title={passage.title}
      onClick={() => {
        open(passage);
      }}
    >
      <Number n={n} />
    </button>
  );
}

function Number({ n }: { n: string }): ReactNode {
  return (
    <>
      <span className="copied">[</span>
      {n}
      <span className="copied">]</span>
    </>
  );
}
