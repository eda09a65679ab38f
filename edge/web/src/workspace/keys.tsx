import { useState, type ReactNode } from "react";
import { listKeys, revokeKey, type Key, type MadeKey } from "../api/people";
import { problemOf } from "../api/problem";
import type { Problem } from "../api/types";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { ProblemNote } from "../ui/problem-note";
import { TimeAgo } from "../ui/time-ago";
import { useLoad } from "../ui/use-load";
import { KeyForm } from "./key-form";
import { MadeKeyNote } from "./made-key-note";

/** API keys of the workspace, for programs: make one, see when each was used, revoke one. */
export function Keys(): ReactNode {
  const { value: keys, problem, reload } = useLoad(listKeys);
  const [made, setMade] = useState<MadeKey | null>(null);
  const [doomed, setDoomed] = useState<Key | null>(null);
  return (
    <section className="card" aria-labelledby="keys">
      <h2 id="keys">API keys</h2>
      <p className="muted">
        For programs: <code>Authorization: Bearer hw_…</code> with every request.
      </p>
      {problem && (
        <ProblemNote problem={problem}>
          <button type="button" onClick={reload}>
            Try again
          </button>
        </ProblemNote>
      )}
      {!keys && !problem && <p className="muted">Loading…</p>}
      <ul className="rows" aria-label="API keys">
        {keys?.map((key) => (
          <KeyRow
            key={key.id}
            apiKey={key}
            onRevoke={() => {
              setDoomed(key);
            }}
          />
        ))}
      </ul>
      {made ? (
        <MadeKeyNote
          made={made}
          onDone={() => {
            setMade(null);
          }}
        />
      ) : (
        <KeyForm
          onMade={(key) => {
            setMade(key);
            reload();
          }}
        />
      )}
      {doomed && (
        <RevokeKey
          apiKey={doomed}
          onDone={() => {
            setDoomed(null);
            reload();
          }}
          onCancel={() => {
            setDoomed(null);
          }}
        />
      )}
    </section>
  );
}

function KeyRow({ apiKey, onRevoke }: { apiKey: Key; onRevoke: () => void }): ReactNode {
  const { name, hint, role, scopes, expires_at: expiresAt, last_used_at: usedAt } = apiKey;
  const isOver = expiresAt !== null && new Date(expiresAt) <= new Date();
  return (
    <li className="row">
      <div className="row-what">
        <p>
          <span className="row-name">{name}</span> <code className="muted">hw_{hint}…</code>
        </p>
        <p className="small muted">
          {role}, {scopes.length === 0 ? "all functions" : `only ${scopes.join(" and ")}`} ·{" "}
          {usedAt ? (
            <>
              used <TimeAgo at={usedAt} />
            </>
          ) : (
            "never used"
          )}{" "}
          ·{" "}
          {expiresAt ? (
            <>
              {isOver ? "expired" : "expires"} <TimeAgo at={expiresAt} />
            </>
          ) : (
            "doesn't expire"
          )}
        </p>
      </div>
      <button type="button" className="plain" aria-label={`Revoke ${name}`} onClick={onRevoke}>
        Revoke
      </button>
    </li>
  );
}

function RevokeKey({ apiKey, onDone, onCancel }: { apiKey: Key; onDone: () => void; onCancel: () => void }): ReactNode {
  const [problem, setProblem] = useState<Problem | null>(null);
  const revoke = (): void => {
    revokeKey(apiKey.id).then(onDone, (error: unknown) => {
      setProblem(problemOf(error));
    });
  };
  return (
    <ConfirmDialog title={`Revoke ${apiKey.name}?`} confirm="Revoke key" onConfirm={revoke} onCancel={onCancel}>
      <p>Whatever uses it is refused from now on. A revoked key can't be brought back.</p>
      {problem && <ProblemNote problem={problem} />}
    </ConfirmDialog>
  );
}
