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
import { CreatedKey } from "./created-key";

/** The workspace's API keys: create, list, revoke. */
export function Keys(): ReactNode {
  const { value: keys, problem, reload } = useLoad(listKeys);
  const [created, setCreated] = useState<CreatedApiKey | null>(null);
  const [revoking, setRevoking] = useState<ApiKey | null>(null);
  const usable = keys?.filter((key) => key.revoked_at === null) ?? [];
  const revoked = keys?.filter((key) => key.revoked_at !== null) ?? [];
  return (
    <section className="card" aria-labelledby="keys">
      <h2 id="keys">API keys</h2>
      <p className="muted">
        Programs use API keys to call Headwater. Send <code>Authorization: Bearer hw_…</code> with every request.
      </p>
      <LoadNote value={keys} problem={problem} reload={reload} />
      <ul className="rows" aria-label="API keys">
        {usable.map((key) => (
          <KeyRow
            key={key.id}
            apiKey={key}
            onRevoke={() => {
              setRevoking(key);
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
      {created ? (
        <CreatedKey
          apiKey={created}
          onDone={() => {
            setCreated(null);
          }}
        />
      ) : (
        <KeyForm
          onCreated={(key) => {
            setCreated(key);
            reload();
          }}
        />
      )}
      {revoking && (
        <RevokeKey
          apiKey={revoking}
          onDone={() => {
            setRevoking(null);
            reload();
          }}
          onCancel={() => {
            setRevoking(null);
          }}
        />
      )}
    </section>
  );
}

function KeyRow({ apiKey, onRevoke }: { apiKey: ApiKey; onRevoke: (() => void) | null }): ReactNode {
  const { name, hint, role, scopes, created_by: creator, created_by_name: creatorName, last_used_at: usedAt } = apiKey;
  return (
    <li className="row">
      <div className="row-what">
        <p>
          <span className="row-name">{name}</span> <code className="muted">hw_{hint}…</code>
        </p>
        <p className="small muted">
          {role} · {scopes.length === 0 ? "full access" : `${scopes.join(", ")} only`} · created by{" "}
          {creatorName ?? creator} · <LabelledTime label={usedAt ? "last used" : "never used"} at={usedAt} /> ·{" "}
          <Expiry apiKey={apiKey} />
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

function Expiry({ apiKey: { expires_at: expiresAt, revoked_at: revokedAt } }: { apiKey: ApiKey }): ReactNode {
  if (revokedAt !== null) return <LabelledTime label="revoked" at={revokedAt} />;
  if (expiresAt === null) return "never expires";
  return <LabelledTime label={isPast(expiresAt) ? "expired" : "expires"} at={expiresAt} />;
}

function isPast(time: string): boolean {
  return new Date(time) <= new Date();
}

function LabelledTime({ label, at }: { label: string; at: string | null }): ReactNode {
  return (
    <>
      {label}
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
  const { perform, isBusy, problem } = useAction();
  return (
    <ConfirmDialog
      title={`Revoke ${apiKey.name}?`}
      confirm="Revoke key"
      busy={isBusy}
      onConfirm={() => {
        perform(revokeKey(apiKey.id), onDone);
      }}
      onCancel={onCancel}
    >
      <p>Programs that use this key lose access immediately. You can&apos;t undo this.</p>
      {problem && <ProblemNote problem={problem} />}
    </ConfirmDialog>
  );
}
