import { useState, type ReactNode, type SubmitEvent } from "react";
import { addMember, changeRole, listMembers, removeMember } from "../api/accounts";
import type { Member, Role } from "../api/types";
import { useAccount } from "../sign-in/account";
import { chooseWorkspace } from "../session/session";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { Checkbox, Choice, Field } from "../ui/field";
import { LoadNote } from "../ui/load-note";
import { ProblemNote } from "../ui/problem-note";
import { TimeAgo } from "../ui/time-ago";
import { useAction } from "../ui/use-action";
import { useLoad } from "../ui/use-load";
import { rolesUpTo } from "./roles";

/** The workspace's members: add, change roles, remove. */
export function Members(): ReactNode {
  const { me, reload: reloadMe } = useAccount();
  const { value: members, problem, reload } = useLoad(listMembers);
  const { perform, isBusy, problem: changeProblem } = useAction();
  const [removing, setRemoving] = useState<Member | null>(null);

  const change = (promise: Promise<void>, subject: string, onOwnChange: () => void): void => {
    const reloaded = promise.finally(() => {
      setRemoving(null);
      reload();
    });
    perform(reloaded, () => {
      if (subject === me.subject) onOwnChange();
    });
  };

  return (
    <section className="card" aria-labelledby="members">
      <h2 id="members">Members</h2>
      <LoadNote value={members} problem={problem} reload={reload} />
      <ul className="rows" aria-label="Members">
        {members?.map((member) => (
          <MemberRow
            key={`${member.subject} ${member.role}`}
            member={member}
            isMe={member.subject === me.subject}
            onRole={(role) => {
              change(changeRole(member.subject, role), member.subject, reloadMe);
            }}
            onRemove={() => {
              setRemoving(member);
            }}
          />
        ))}
      </ul>
      {changeProblem && <ProblemNote problem={changeProblem} />}
      <AddMember onAdded={reload} />
      {removing && (
        <RemoveMember
          member={removing}
          isMe={removing.subject === me.subject}
          isBusy={isBusy}
          onRemove={(deleteData) => {
            change(removeMember(removing.subject, deleteData), removing.subject, () => {
              chooseWorkspace(null);
            });
          }}
          onCancel={() => {
            setRemoving(null);
          }}
        />
      )}
    </section>
  );
}

interface RemoveProps {
  member: Member;
  isMe: boolean;
  isBusy: boolean;
  onRemove: (deleteData: boolean) => void;
  onCancel: () => void;
}

function RemoveMember({ member, isMe, isBusy, onRemove, onCancel }: RemoveProps): ReactNode {
  const [deleteData, setDeleteData] = useState(false);
  return (
    <ConfirmDialog
      title={`Remove ${member.name ?? member.subject}?`}
      confirm="Remove member"
      busy={isBusy}
      onConfirm={() => {
        onRemove(deleteData);
      }}
      onCancel={onCancel}
    >
      <p>{isMe ? "You lose" : "They lose"} access to this workspace. Its sources and documents are kept.</p>
      <Checkbox
        label="Also delete all of their data"
        checked={deleteData}
        onChange={setDeleteData}
        hint="Conversations, ratings, share links, budgets and API keys. This can't be undone."
      />
    </ConfirmDialog>
  );
}

interface RowProps {
  member: Member;
  isMe: boolean;
  onRole: (role: Role) => void;
  onRemove: () => void;
}

function MemberRow({ member, isMe, onRole, onRemove }: RowProps): ReactNode {
  const { me } = useAccount();
  const [role, setRole] = useState(member.role);
  const displayName = member.name ?? member.subject;
  return (
    <li className="row">
      <div className="row-what">
        <p>
          <span className="row-name">{displayName}</span> {isMe && <span className="muted">(you)</span>}
        </p>
        <p className="small muted">
          {member.name !== null && <code>{member.subject}</code>} joined <TimeAgo at={member.created_at} />
          {member.added_by !== null && `, added by ${member.added_by_name ?? member.added_by}`}
        </p>
      </div>
      <select
        aria-label={`Role of ${displayName}`}
        value={role}
        onChange={(event) => {
          setRole(event.target.value as Role);
        }}
      >
        {rolesUpTo(me.role).map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
      {role !== member.role && (
        <button
          type="button"
          className="primary"
          aria-label={`Save role of ${displayName}`}
          onClick={() => {
            onRole(role);
          }}
        >
          Save
        </button>
      )}
      <button type="button" className="plain" aria-label={`Remove ${displayName}`} onClick={onRemove}>
        Remove
      </button>
    </li>
  );
}

function AddMember({ onAdded }: { onAdded: () => void }): ReactNode {
  const { me } = useAccount();
  const [subject, setSubject] = useState("");
  const [name, setName] = useState("");
  const [role, setRole] = useState<string>("reader");
  const { perform, isBusy, problem } = useAction();

  const add = (event: SubmitEvent): void => {
    event.preventDefault();
    perform(addMember({ subject: subject.trim(), role: role as Role, name: name.trim() || null }), () => {
      setSubject("");
      setName("");
      onAdded();
    });
  };

  return (
    <details className="more">
      <summary>Add a member</summary>
      <form className="more-fields" aria-label="Add a member" onSubmit={add}>
        <Field
          label="Subject"
          hint="The sub claim of the user's token. Users find it on their Workspace page."
          required
          value={subject}
          onChange={setSubject}
        />
        <Field label="Name" optional hint="Shown in the list of members" value={name} onChange={setName} />
        <Choice label="Role" value={role} onChange={setRole} options={rolesUpTo(me.role)} />
        {problem && <ProblemNote problem={problem} />}
        <div className="actions">
          <button type="submit" disabled={isBusy}>
            {isBusy ? "Adding…" : "Add member"}
          </button>
        </div>
      </form>
    </details>
  );
}
