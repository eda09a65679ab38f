import { useState, type ReactNode } from "react";
import { createWebhook, removeWebhook } from "../api/sources";
import type { CreatedWebhook, Source } from "../api/types";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { CopyField } from "../ui/copy-field";
import { ProblemNote } from "../ui/problem-note";
import { TimeAgo } from "../ui/time-ago";
import { useAction } from "../ui/use-action";

/** What is asked before a change that stops the server's reports. */
const QUESTIONS = {
  renew: {
    title: "Renew the secret?",
    confirm: "Renew secret",
    effect: "Reports that are signed with the present secret are refused from now on. Give the new one to the server.",
  },
  remove: {
    title: "Remove the webhook?",
    confirm: "Remove webhook",
    effect: "Reports of the server are refused from now on. Another webhook will have another secret.",
  },
} as const;

const CHANGES = {
  offer: "A webhook collects this source as soon as its server reports a change, such as a push.",
  none: "The server has not reported a change yet.",
  last: "The server last reported a change",
  path: "",
  hint: "At GitHub, choose the content type application/json.",
};

/** Of a source of the kind `uploads`, whose webhook takes mail. */
const MAIL = {
  offer: "A webhook stores mail that a mail provider sends to it. Each message becomes a file of this source.",
  none: "No mail has arrived yet.",
  last: "The last mail arrived",
  path: "/mail",
  hint: "A provider that signs nothing gets it in the address, as the password.",
};

/** Create, renew and remove the webhook of a source. */
export function WebhookSettings({ source, onChange }: { source: Source; onChange: () => void }): ReactNode {
  const [created, setCreated] = useState<CreatedWebhook | null>(null);
  const { perform, isBusy, problem } = useAction();
  const texts = source.kind === "uploads" ? MAIL : CHANGES;
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
          texts.offer
        ) : source.webhook.received_at === null ? (
          texts.none
        ) : (
          <>
            {texts.last} <TimeAgo at={source.webhook.received_at} />.
          </>
        )}
      </p>
      {created && (
        <>
          <CopyField label="Webhook address" value={new URL(created.path + texts.path, location.origin).href} />
          <CopyField
            label="Webhook secret"
            note={`Copy the secret now. You can't see it again. ${texts.hint}`}
            value={created.secret}
          />
        </>
      )}
      {problem && <ProblemNote problem={problem} />}
      {source.webhook === null ? (
        <div className="actions">
          <button type="button" disabled={isBusy} onClick={create}>
            Create webhook
          </button>
        </div>
      ) : (
        <Changes renew={create} remove={remove} isBusy={isBusy} />
      )}
    </fieldset>
  );
}

/** Buttons that renew the secret and remove the webhook, after a question. */
function Changes({ isBusy, ...act }: { renew: () => void; remove: () => void; isBusy: boolean }): ReactNode {
  const [asked, setAsked] = useState<keyof typeof QUESTIONS | null>(null);
  return (
    <div className="actions">
      {(["renew", "remove"] as const).map((change) => (
        <button
          key={change}
          type="button"
          className={change === "remove" ? "plain" : undefined}
          disabled={isBusy}
          onClick={() => {
            setAsked(change);
          }}
        >
          {QUESTIONS[change].confirm}…
        </button>
      ))}
      {asked !== null && (
        <ConfirmDialog
          title={QUESTIONS[asked].title}
          confirm={QUESTIONS[asked].confirm}
          onConfirm={() => {
            setAsked(null);
            act[asked]();
          }}
          onCancel={() => {
            setAsked(null);
          }}
        >
          <p>{QUESTIONS[asked].effect}</p>
        </ConfirmDialog>
      )}
    </div>
  );
}
