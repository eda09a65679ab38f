import { createContext, memo, useContext, useMemo, type ReactNode } from "react";
import Markdown, { type Components, type Options } from "react-markdown";
import remarkGfm from "remark-gfm";
import remend from "remend";
import { WrittenUpTo } from "../code-blocks/code-block";
import { findFormulas, rehypeFormulas } from "../formulas/find-formulas";
import { FormulaSpan } from "../formulas/formula";
import { canFormat } from "../ui/can-format";
import { markdownComponents } from "../ui/markdown-components";
import { CitationCard, WithCitationCard } from "./citation-card";
import { markWeak, rehypeCitations } from "./citations";
import type { WeakCitation } from "../api/types";
import { OpenPassage } from "./open-passage";
import { isOfWeb, type Evidence } from "./message-parts";

const Passages = createContext<readonly Evidence[]>([]);

/** Closing unfinished syntax takes time quadratic in the text's brackets. */
const MAX_CLOSED_CHARS = 20_000;

const components: Components = {
  ...markdownComponents,
  // All buttons in this tree were made by rehypeCitations.
  button: ({ node }) => (
    <CitationButton n={String(node?.properties["dataCites"])} isWeak={node?.properties["dataWeak"] !== undefined} />
  ),
  span: FormulaSpan,
};

interface Props {
  text: string;
  passages: readonly Evidence[];
  isStreaming: boolean;
  /** The sentences whose passages may not support them, in Unicode code points of the text. */
  weak?: readonly WeakCitation[];
}

const NONE: readonly WeakCitation[] = [];

/** An answer's Markdown. While it streams, unfinished syntax (`**bold`) is closed to avoid flicker. Plain text if formatting takes too long. */
export const AnswerText = memo(function AnswerText({ text, passages, isStreaming, weak = NONE }: Props): ReactNode {
  const numbers = passages.map((passage) => passage.n).join(" ");
  const known = useMemo(() => new Set(numbers.split(" ")), [numbers]);
  const prepared = useMemo(() => prepare(text, isStreaming, weak), [text, isStreaming, weak]);
  if (prepared === null) {
    return (
      <pre className="plain-text" dir="auto">
        {text}
      </pre>
    );
  }
  const { markdown, formulas } = prepared;
  const rehypePlugins: Options["rehypePlugins"] = [
    [rehypeCitations, { known }],
    [rehypeFormulas, { formulas }],
  ];
  return (
    <Passages value={passages}>
      <WithCitationCard>
        <div className={isStreaming ? "prose streaming" : "prose"} dir="auto">
          <WrittenUpTo value={isStreaming ? markdown.trimEnd().length : Infinity}>
            <Markdown remarkPlugins={[remarkGfm]} rehypePlugins={rehypePlugins} components={components}>
              {markdown}
            </Markdown>
          </WrittenUpTo>
        </div>
      </WithCitationCard>
    </Passages>
  );
});

type Prepared = ReturnType<typeof findFormulas>;

/**
 * Take the formulas out of an answer's Markdown, and close unfinished syntax or mark weak citations. Null if formatting
 * takes too long.
 */
function prepare(text: string, isStreaming: boolean, weak: readonly WeakCitation[]): Prepared | null {
  if (!canFormat(text)) return null;
  if (!isStreaming) return findFormulas(markWeak(text, weak));
  const { markdown, formulas } = findFormulas(text, isStreaming);
  if (text.length >= MAX_CLOSED_CHARS) return { markdown, formulas };
  return { markdown: remend(markdown, { linkMode: "text-only", katex: false }), formulas };
}

function CitationButton({ n, isWeak }: { n: string; isWeak: boolean }): ReactNode {
  const passage = useContext(Passages).find((candidate) => candidate.n === n);
  const open = useContext(OpenPassage);
  const show = useContext(CitationCard);
  if (!passage) return `[${n}]`;
  const doubt = isWeak ? "The source may not say this. " : "";
  const label = `${doubt}Citation ${n}: ${passage.title}`;
  const className = isWeak ? "cite weak" : "cite";
  const events = {
    onPointerEnter: ({ currentTarget }: { currentTarget: Element }) => {
      show(passage, currentTarget);
    },
    onPointerLeave: () => {
      show(null);
    },
    onFocus: ({ currentTarget }: { currentTarget: Element }) => {
      if (currentTarget.matches(":focus-visible")) show(passage, currentTarget);
    },
    onBlur: () => {
      show(null);
    },
  };
  if (isOfWeb(passage)) {
    return (
      <a
        className={className}
        href={passage.address}
        target="_blank"
        rel="noopener noreferrer nofollow"
        aria-label={label}
        {...events}
      >
        <Number n={n} />
      </a>
    );
  }
  return (
    <button
      type="button"
      className={className}
      aria-label={label}
      {...events}
      onClick={() => {
        show(null);
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
