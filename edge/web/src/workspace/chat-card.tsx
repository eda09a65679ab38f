/** How chats of the workspace work: instructions for the models, allowed models, share links. For owners. */

import { useState, type ReactNode, type SubmitEvent } from "react";
import { changeChatSettings, readChatSettings } from "../api/chat-settings";
import { fieldError } from "../api/problem";
import type { ChatModelList, ChatSettings } from "../api/types";
import { allowChatModels, readChatModels } from "../api/usage";
import { Checkbox, Field } from "../ui/field";
import { LoadNote } from "../ui/load-note";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import { useLoad } from "../ui/use-load";

const MAX_CHARS = 4_000;

export function ChatCard(): ReactNode {
  const settings = useLoad(readChatSettings);
  const models = useLoad(readChatModels);
  return (
    <section className="card" aria-labelledby="chat-settings">
      <h2 id="chat-settings">Chat</h2>
      <LoadNote value={settings.value} problem={settings.problem} reload={settings.reload} />
      {settings.value && (
        <SettingsForm key={JSON.stringify(settings.value)} settings={settings.value} onSaved={settings.reload} />
      )}
      <LoadNote value={models.value} problem={models.problem} reload={models.reload} />
      {models.value && <ModelsForm key={JSON.stringify(models.value)} list={models.value} onSaved={models.reload} />}
    </section>
  );
}

function SettingsForm({ settings, onSaved }: { settings: ChatSettings; onSaved: () => void }): ReactNode {
  const [instructions, setInstructions] = useState(settings.instructions);
  const [shareLinks, setShareLinks] = useState(settings.share_links);
  const [domains, setDomains] = useState(settings.mail_domains.join(", "));
  const { perform, isBusy, problem } = useAction();
  const invalid = problem && fieldError(problem, ["instructions", "mail_domains"]);
  const isSame =
    instructions === settings.instructions &&
    shareLinks === settings.share_links &&
    domains === settings.mail_domains.join(", ");
  const save = (event: SubmitEvent): void => {
    event.preventDefault();
    const mailDomains = domains.split(",").map((domain) => domain.trim());
    const changes = { instructions, share_links: shareLinks, mail_domains: mailDomains.filter(Boolean) };
    perform(changeChatSettings(changes), onSaved);
  };
  return (
    <form aria-label="Instructions" onSubmit={save}>
      <Field
        label="Instructions for the models"
        optional
        lines={5}
        isProse
        maxLength={MAX_CHARS}
        value={instructions}
        onChange={setInstructions}
        error={invalid?.field === "instructions" ? invalid.message : null}
        hint="Added to every question of the workspace, for example: who asks, which words to use, in which language to answer. Answers use their sources only, whatever you write here."
      />
      <Checkbox
        label="Members may share conversations by link"
        checked={shareLinks}
        onChange={setShareLinks}
        hint="If you turn this off, existing links stop working until you turn it on again."
      />
      <Field
        label="Domains that standing questions may send mail to"
        optional
        value={domains}
        onChange={setDomains}
        error={invalid?.field === "mail_domains" ? invalid.message : null}
        hint="Such as `example.com`, separated by commas. Members whose name is an e-mail address can always get mail."
      />
      {problem && !invalid && <ProblemNote problem={problem} />}
      <div className="actions">
        <button type="submit" disabled={isBusy || isSame}>
          {isBusy ? "Saving…" : "Save"}
        </button>
      </div>
    </form>
  );
}

function ModelsForm({ list, onSaved }: { list: ChatModelList; onSaved: () => void }): ReactNode {
  const allowed = list.models.filter((model) => model.allowed).map((model) => model.name);
  const [chosen, setChosen] = useState<readonly string[]>(allowed);
  const { perform, isBusy, problem } = useAction();
  if (!list.configured || list.models.length < 2) return null;
  const isSame = chosen.length === allowed.length && chosen.every((name) => allowed.includes(name));
  const save = (event: SubmitEvent): void => {
    event.preventDefault();
    perform(allowChatModels(chosen.length === list.models.length ? null : [...chosen]), onSaved);
  };
  return (
    <form aria-label="Models" onSubmit={save}>
      <fieldset>
        <legend>Models that members may use</legend>
        {list.models.map(({ name }) => (
          <Checkbox
            key={name}
            label={name}
            checked={chosen.includes(name)}
            onChange={(checked) => {
              setChosen(checked ? [...chosen, name] : chosen.filter((one) => one !== name));
            }}
          />
        ))}
      </fieldset>
      {chosen.length === 0 && <p className="note">Allow at least one model.</p>}
      {problem && <ProblemNote problem={problem} />}
      <div className="actions">
        <button type="submit" disabled={isBusy || isSame || chosen.length === 0}>
          {isBusy ? "Saving…" : "Save models"}
        </button>
      </div>
    </form>
  );
}
