/** A shared conversation. It needs no sign-in: the token in the link's address opens it. */

import { useCallback, useId, type ReactNode } from "react";
import { readShared } from "../api/share-links";
import type { SharedConversation, SharedMessage } from "../api/types";
import { AnswerText } from "../chat/answer-text";
import { OpenPassage } from "../chat/open-passage";
import { useTitle } from "../routing/use-title";
import { BrandMark } from "../ui/icons";
import { LoadNote } from "../ui/load-note";
import { NotFound } from "../ui/not-found";
import { useLoad } from "../ui/use-load";
import { evidenceOf } from "./evidence";

export function SharedPage({ id, token }: { id: string; token: string }): ReactNode {
  const load = useCallback((signal: AbortSignal) => readShared(id, token, signal), [id, token]);
  const { value: shared, problem, reload } = useLoad(load);
  useTitle(shared?.title ?? null);
  return (
    <>
      <header className="top">
        <span className="brand">
          <BrandMark />
          <span>Headwater</span>
        </span>
      </header>
      <main id="main" className="column shared">
        {shared && <Messages shared={shared} />}
        {!shared && problem?.status === 404 ? (
          <NotFound what="Shared conversation">
            This link doesn't exist, has expired or was revoked. Ask its sender for a new one.
          </NotFound>
        ) : (
          <LoadNote value={shared} problem={problem} reload={reload} />
        )}
      </main>
    </>
  );
}

function Messages({
  shared: { title, messages, shared_at: at, expires_at: end },
}: {
  shared: SharedConversation;
}): ReactNode {
  return (
    <>
      <div>
        <h1 dir="auto">{title}</h1>
        <p className="small muted">
          Shared on {new Date(at).toLocaleString()}. This link works until {new Date(end).toLocaleString()}.
        </p>
      </div>
      {messages.map((message, index) =>
        message.role === "user" ? (
          <p key={index} className="question" dir="auto">
            {message.text}
          </p>
        ) : (
          <SharedAnswer key={index} message={message} />
        ),
      )}
    </>
  );
}

function SharedAnswer({ message }: { message: SharedMessage }): ReactNode {
  const prefix = useId();
  const idOf = (n: string): string => `${prefix}-${n}`;
  return (
    <article className="answer" aria-label="Answer">
      <OpenPassage
        value={({ n }) => {
          document.getElementById(idOf(n))?.scrollIntoView({ block: "center" });
        }}
      >
        <AnswerText text={message.text} passages={evidenceOf(message)} isStreaming={false} />
      </OpenPassage>
      {message.state !== "complete" && <p className="note">This answer is incomplete.</p>}
      {message.sources.length > 0 && (
        <section className="cited">
          <h2 className="label">Sources</h2>
          <ol className="sources" aria-label="Sources">
            {message.sources.map((source) => (
              <li key={source.n} id={idOf(source.n)}>
                <Source source={source} />
              </li>
            ))}
          </ol>
        </section>
      )}
    </article>
  );
}

function Source({ source }: { source: SharedMessage["sources"][number] }): ReactNode {
  const place = [...source.headings, ...(source.page === null ? [] : [`page ${source.page.toString()}`])].join(" › ");
  return (
    <>
      <span className="cite" aria-hidden="true">
        {source.n}
      </span>{" "}
      {source.url === null ? (
        <span dir="auto">{source.title}</span>
      ) : (
        <a href={source.url} target="_blank" rel="noopener noreferrer nofollow" dir="auto">
          {source.title}
        </a>
      )}{" "}
      <span className="small muted" dir="auto">
        {place}
      </span>
      {source.passage !== null && (
        <blockquote className="small" dir="auto">
          {source.passage}
        </blockquote>
      )}
    </>
  );
}
