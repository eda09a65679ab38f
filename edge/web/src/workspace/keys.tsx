import { useState, type ReactNode } from "react";
import { listKeys, revokeKey } from "../api/accounts";
import type { ApiKey, CreatedApiKey } from "../api/types";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { LoadNote } from "../ui/load-note";
import { ProblemNote } from "../ui/problem-note";
import { TimeAgo } from "../ui/time-ago";
import { useAction } from "../ui/use-action";
import { useLoad } from "../ui/use-load";
import { KeyForm } from "./key-form";
import { MadeKeyNote } from "./created-key";

/** API keys of the workspace, for programs: make one, see when each was used, revoke one. */
export function Keys(): ReactNode {
  const { value: keys, problem, reload } = useLoad(listKeys);
  const [made, setMade] = useState<CreatedApiKey | null>(null);
  const [doomed, setDoomed] = useState<ApiKey | null>(null);
  const usable = keys?.filter((key) => key.revoked_at === null) ?? [];
  const revoked = keys?.filter((key) => key.revoked_at !== null) ?? [];
  return (
    <section className="card" aria-labelledby="keys">
      <h2 id="keys">API keys</h2>
      <p className="muted">
        For programs: <code>Authorization: Bearer hw_…</code> with every request.
      </p>
      <LoadNote value={keys} problem={problem} reload={reload} />
      <ul className="rows" aria-label="API keys">
        {usable.map((key) => (
          <KeyRow
            key={key.id}
            apiKey={key}
            onRevoke={() => {
              setDoomed(key);
            }}
          />
        ))}
      </ul>
      {revoked.length > 0 && (
        <details className="more">
          <summary>{revoked.length === 1 ? "1 revoked key" : `${revoked.length} revoked keys`}</summary>
          <ul className="rows" aria-label="Revoked keys">
            {revoked.map((key) => (
              <KeyRow key={key.id} apiKey={key} onRevoke={null} />
            ))}
          </ul>
        </details>
      )}
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

function KeyRow({ apiKey, onRevoke }: { apiKey: ApiKey; onRevoke: (() => void) | null }): ReactNode {
  const { name, hint, role, scopes, last_used_at: usedAt } = apiKey;
  return (
    <li className="row">
      <div className="row-what">
        <p>
          <span className="row-name">{name}</span> <code className="muted">hw_{hint}…</code>
        </p>
        <p className="small muted">
          {role}, {scopes.length === 0 ? "all functions" : `only ${scopes.join(" and ")}`} ·{" "}
          <Moment said={usedAt ? "used" : "never used"} at={usedAt} /> · <KeyEnd apiKey={apiKey} />
        </p>
      </div>
      {onRevoke && (
        <button type="button" className="plain" aria-label={`Revoke ${name}`} onClick={onRevoke}>
          Revoke
        </button>
      )}
    </li>
  );
}

function KeyEnd({ apiKey: { expires_at: expiresAt, revoked_at: revokedAt } }: { apiKey: ApiKey }): ReactNode {
  if (revokedAt !== null) return <Moment said="revoked" at={revokedAt} />;
  if (expiresAt === null) return "doesn't expire";
  return <Moment said={new Date(expiresAt) <= new Date() ? "expired" : "expires"} at={expiresAt} />;
}

function Moment({ said, at }: { said: string; at: string | null }): ReactNode {
  return (
    <>
      {said}
      {at && (
        <>
          {" "}
          <TimeAgo at={at} />
        </>
      )}
    </>
  );
}

function RevokeKey({
  apiKey,
  onDone,
  onCancel,
}: {
  apiKey: ApiKey;
  onDone: () => void;
  onCancel: () => void;
}): ReactNode {
  const { act, isBusy, problem } = useAction();
  return (
    <ConfirmDialog
      title={`Revoke ${apiKey.name}?`}
      confirm="Revoke key"
      busy={isBusy}
      onConfirm={() => {
        act(revokeKey(apiKey.id), onDone);
      }}
      onCancel={onCancel}
    >
      <p>Whatever uses it is refused from now on. A revoked key can't be brought back.</p>
      {problem && <ProblemNote problem={problem} />}
    </ConfirmDialog>
  );
}
