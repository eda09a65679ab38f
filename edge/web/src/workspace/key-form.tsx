import { useState, type ReactNode, type SubmitEvent } from "react";
import { createKey } from "../api/accounts";
import { problemOf } from "../api/problem";
import type { CreatedApiKey, Problem, Role } from "../api/types";
import { useAccount } from "../sign-in/account";
import { Choice, Field } from "../ui/field";
import { ProblemNote } from "../ui/problem-note";
import { EXPIRIES, NEW_KEY, SCOPES, toNewKey, type KeyFields } from "./new-key";
import { rolesUpTo } from "./roles";

/** Create an API key. */
export function KeyForm({ onCreated }: { onCreated: (key: CreatedApiKey) => void }): ReactNode {
  const { me } = useAccount();
  const [fields, setFields] = useState<KeyFields>(NEW_KEY);
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const set = (change: Partial<KeyFields>): void => {
    setFields((before) => ({ ...before, ...change }));
  };

  const create = (event: SubmitEvent): void => {
    event.preventDefault();
    setIsBusy(true);
    setProblem(null);
    createKey(toNewKey(fields))
      .then(onCreated, (error: unknown) => {
        setProblem(problemOf(error));
      })
      .finally(() => {
        setIsBusy(false);
      });
  };

  return (
    <details className="more">
      <summary>Create an API key</summary>
      <form className="more-fields" aria-label="Create an API key" onSubmit={create}>
        <Field
          label="Name"
          hint="What the key is for, for example nightly export"
          required
          value={fields.name}
          onChange={(name) => {
            set({ name });
          }}
        />
        <Choice
          label="Role"
          value={fields.role}
          options={rolesUpTo(me.role)}
          onChange={(role) => {
            set({ role: role as Role });
          }}
        />
        <Choice
          label="Expires"
          value={fields.expiry}
          options={EXPIRIES}
          onChange={(expiry) => {
            set({ expiry });
          }}
        />
        <fieldset className="field">
          <legend>
            Limit access to <span className="small muted">leave empty for full access</span>
          </legend>
          {SCOPES.map(([scope, text]) => (
            <label key={scope} className="check">
              <input
                type="checkbox"
                checked={fields.scopes.includes(scope)}
                onChange={(event) => {
                  const others = fields.scopes.filter((chosen) => chosen !== scope);
                  set({ scopes: event.target.checked ? [...others, scope] : others });
                }}
              />
              {text}
            </label>
          ))}
        </fieldset>
        {problem && <ProblemNote problem={problem} />}
        <div className="actions">
          <button type="submit" disabled={isBusy}>
            {isBusy ? "Creating…" : "Create key"}
          </button>
        </div>
      </form>
    </details>
  );
}
