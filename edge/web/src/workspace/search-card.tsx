import { useState, type ReactNode, type SubmitEvent } from "react";
import { fieldError } from "../api/problem";
import { changeSearchSettings, readSearchSettings } from "../api/search-settings";
import { Field } from "../ui/field";
import { LoadNote } from "../ui/load-note";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import { useLoad } from "../ui/use-load";

/** How searches of the workspace rank. For editors. */
export function SearchCard(): ReactNode {
  const { value: settings, problem, reload } = useLoad(readSearchSettings);
  return (
    <section className="card" aria-labelledby="search-settings">
      <h2 id="search-settings">Search</h2>
      <LoadNote value={settings} problem={problem} reload={reload} />
      {settings && <HalfLifeForm key={settings.half_life_days} days={settings.half_life_days} onSaved={reload} />}
    </section>
  );
}

function HalfLifeForm({ days, onSaved }: { days: number; onSaved: () => void }): ReactNode {
  const [text, setText] = useState(days === 0 ? "" : String(days));
  const { perform, isBusy, problem } = useAction();
  const chosen = text.trim() === "" ? 0 : Number(text);
  const invalid = problem && fieldError(problem, ["half_life_days"]);
  const save = (event: SubmitEvent): void => {
    event.preventDefault();
    perform(changeSearchSettings({ half_life_days: chosen }), onSaved);
  };
  return (
    <form aria-label="Recent documents" onSubmit={save}>
      <Field
        label="Prefer recent documents: half-life in days"
        optional
        type="number"
        minimum={0}
        maximum={36_500}
        value={text}
        onChange={setText}
        error={invalid ? invalid.message : null}
        hint="Newer documents rank higher, older ones lower, by the date in their front matter. Leave empty for no preference."
      />
      {problem && !invalid && <ProblemNote problem={problem} />}
      <div className="actions">
        <button type="submit" disabled={isBusy || chosen === days}>
          {isBusy ? "Saving…" : "Save"}
        </button>
      </div>
    </form>
  );
}
