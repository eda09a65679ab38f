/** Export and delete all of the user's data in the workspace. */

import { useState, type ReactNode } from "react";
import { deleteData, exportData } from "../api/accounts";
import { chooseWorkspace } from "../session/session";
import { useAccount } from "../sign-in/account";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { Checkbox } from "../ui/field";
import { ProblemNote } from "../ui/problem-note";
import { saveFile } from "../ui/save-file";
import { useAction } from "../ui/use-action";

export function PersonalData(): ReactNode {
  const { perform, isBusy, problem } = useAction();
  const [isDeleting, setIsDeleting] = useState(false);
  return (
    <section className="card" aria-labelledby="your-data">
      <h2 id="your-data">Your data</h2>
      <p className="muted">
        Your conversations, ratings, share links, extractions, standing questions, usage and API keys in this workspace,
        and what agents remember of you. Documents belong to the workspace.
      </p>
      {problem && <ProblemNote problem={problem} />}
      <div className="actions">
        <button
          type="button"
          disabled={isBusy}
          onClick={() => {
            perform(exportData(), (file) => {
              saveFile(file, "headwater-data.json");
            });
          }}
        >
          {isBusy ? "Exporting…" : "Export as JSON"}
        </button>
        <button
          type="button"
          onClick={() => {
            setIsDeleting(true);
          }}
        >
          Delete…
        </button>
      </div>
      {isDeleting && (
        <DeleteData
          onCancel={() => {
            setIsDeleting(false);
          }}
        />
      )}
    </section>
  );
}

function DeleteData({ onCancel }: { onCancel: () => void }): ReactNode {
  const { signsIn } = useAccount();
  const [leave, setLeave] = useState(false);
  const { perform, isBusy, problem } = useAction();
  return (
    <ConfirmDialog
      title="Delete all of your data?"
      confirm="Delete my data"
      busy={isBusy}
      onConfirm={() => {
        perform(deleteData(leave), () => {
          if (leave) chooseWorkspace(null);
          window.location.assign("/");
        });
      }}
      onCancel={onCancel}
    >
      <p>
        This permanently deletes your conversations in this workspace, with their answers, ratings and share links, your
        extractions and standing questions, and what agents remember of you. Export them first to keep a copy. Costs
        stay in the workspace&apos;s sums, without your name.
      </p>
      {signsIn && (
        <Checkbox
          label="Also leave this workspace and delete my API keys"
          checked={leave}
          onChange={setLeave}
          hint="Programs that use your keys lose access immediately."
        />
      )}
      {problem && <ProblemNote problem={problem} />}
    </ConfirmDialog>
  );
}
