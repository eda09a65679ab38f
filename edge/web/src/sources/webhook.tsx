import { useState, type ReactNode } from "react";
import { createWebhook, removeWebhook } from "../api/sources";
import type { CreatedWebhook, Source } from "../api/types";
import { CopyField } from "../ui/copy-field";
import { ProblemNote } from "../ui/problem-note";
import { TimeAgo } from "../ui/time-ago";
import { useAction } from "../ui/use-action";

/** Create, renew and remove the webhook of a source. */
export function WebhookSettings({ source, onChange }: { source: Source; onChange: () => void }): ReactNode {
  const [created, setCreated] = useState<CreatedWebhook | null>(null);
  const { perform, isBusy, problem } = useAction();
  const create = (): void => {
    perform(createWebhook(source.id), (webhook) => {
      setCreated(webhook);
      onChange();
    });
  };
  const remove = (): void => {
    perform(removeWebhook(source.id), () => {
      setCreated(null);
      onChange();
    });
  };
  return (
    <fieldset className="webhook">
      <legend>Webhook</legend>
      <p className="small muted">
        {source.webhook === null ? (
          "A webhook collects this source as soon as its server reports a change, such as a push."
        ) : source.webhook.received_at === null ? (
          "The server has not reported a change yet."
        ) : (
          <>
            The server last reported a change <TimeAgo at={source.webhook.received_at} />.
          </>
        )}
      </p>
      {created && (
        <>
          <CopyField label="Webhook address" value={new URL(created.path, location.origin).href} />
          <CopyField
            label="Webhook secret"
            note="Copy the secret now. You can't see it again. At GitHub, choose the content type application/json."
            value={created.secret}
          />
        </>
      )}
      {problem && <ProblemNote problem={problem} />}
      <div className="actions">
        <button type="button" disabled={isBusy} onClick={create}>
          {source.webhook === null ? "Create webhook" : "Renew secret"}
        </button>
        {source.webhook !== null && (
          <button type="button" className="plain" disabled={isBusy} onClick={remove}>
            Remove webhook
          </button>
        )}
      </div>
    </fieldset>
  );
}
