import { useState, type ReactNode, type SubmitEvent } from "react";
import type { Budget, BudgetState } from "../api/types";
import { changeBudgets, readBudgets } from "../api/usage";
import { useHasRole } from "../sign-in/account";
import { Field } from "../ui/field";
import { LoadNote } from "../ui/load-note";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import { useLoad } from "../ui/use-load";
import { dollars } from "./days";

const FIELDS = [
  { applies_to: "workspace", period: "day", label: "Workspace, US dollars a day" },
  { applies_to: "workspace", period: "month", label: "Workspace, US dollars a month" },
  { applies_to: "member", period: "day", label: "Each member, US dollars a day" },
  { applies_to: "key", period: "day", label: "Each API key, US dollars a day" },
] as const;

/** The budgets that apply to the user, and for owners a form to change them. */
export function Budgets(): ReactNode {
  const isOwner = useHasRole("owner");
  const { value: budgets, problem, reload } = useLoad(readBudgets);
  return (
    <section className="card" aria-labelledby="budgets">
      <h2 id="budgets">Budgets</h2>
      <LoadNote value={budgets} problem={problem} reload={reload} />
      {budgets?.length === 0 && <p className="muted">No budget is set.</p>}
      {budgets && budgets.length > 0 && (
        <ul>
          {budgets.map((budget) => (
            <li key={`${budget.applies_to} ${budget.target} ${budget.period}`}>{describeBudget(budget)}</li>
          ))}
        </ul>
      )}
      {isOwner && budgets && <BudgetForm key={JSON.stringify(budgets.map(keyOf))} budgets={budgets} onSaved={reload} />}
    </section>
  );
}

export function describeBudget({ applies_to: who, target, period, amount, spent }: BudgetState): string {
  const whose =
    target === "" ? (who === "workspace" ? "Workspace" : `Each ${who === "key" ? "API key" : who}`) : target;
  const left = spent === null ? "" : `, ${dollars(spent)} spent`;
  return `${whose}: ${dollars(amount)} a ${period}${left}`;
}

function keyOf({ applies_to, target, period, amount }: BudgetState): Budget {
  return { applies_to, target, period, amount };
}

function BudgetForm({ budgets, onSaved }: { budgets: readonly BudgetState[]; onSaved: () => void }): ReactNode {
  const [texts, setTexts] = useState(() =>
    FIELDS.map((field) => {
      const budget = budgets.find((each) => isBudgetOf(each, field));
      return budget ? String(budget.amount) : "";
    }),
  );
  const { perform, isBusy, problem } = useAction();
  const save = (event: SubmitEvent): void => {
    event.preventDefault();
    // Budgets of single members and keys are set over the API, and stay.
    const others = budgets.filter((each) => !FIELDS.some((field) => isBudgetOf(each, field))).map(keyOf);
    const chosen = FIELDS.flatMap(({ applies_to, period }, index) => {
      const text = texts[index]?.trim() ?? "";
      return text === "" ? [] : [{ applies_to, period, target: "", amount: Number(text) }];
    });
    perform(changeBudgets([...others, ...chosen]), onSaved);
  };
  return (
    <form aria-label="Budgets" onSubmit={save}>
      {FIELDS.map((field, index) => (
        <Field
          key={field.label}
          label={field.label}
          optional
          type="number"
          minimum={0}
          maximum={1_000_000}
          step="any"
          value={texts[index] ?? ""}
          onChange={(text) => {
            setTexts((before) => before.map((each, place) => (place === index ? text : each)));
          }}
        />
      ))}
      <p className="small muted">Questions that would exceed a budget are refused until it renews at 00:00 UTC.</p>
      {problem && <ProblemNote problem={problem} />}
      <div className="actions">
        <button type="submit" disabled={isBusy}>
          {isBusy ? "Saving…" : "Save budgets"}
        </button>
      </div>
    </form>
  );
}

function isBudgetOf(budget: BudgetState, field: (typeof FIELDS)[number]): boolean {
  return budget.target === "" && budget.applies_to === field.applies_to && budget.period === field.period;
}
