import { useState, type ReactNode, type SubmitEvent } from "react";
import { addMember, changeRole, listMembers, removeMember } from "../api/accounts";
import type { Member, Role } from "../api/types";
import { useAccount } from "../sign-in/account";
import { chooseWorkspace } from "../session/session";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { Choice, Field } from "../ui/field";
import { LoadNote } from "../ui/load-note";
import { ProblemNote } from "../ui/problem-note";
import { TimeAgo } from "../ui/time-ago";
import { useAction } from "../ui/use-action";
import { useLoad } from "../ui/use-load";
import { rolesUpTo } from "./roles";

/** The members of the workspace: add one, change a role, remove one. */
export function Members(): ReactNode {
  const { me, reload: reloadMe } = useAccount();
  const { value: members, problem, reload } = useLoad(listMembers);
  const { act, isBusy, problem: refusal } = useAction();
  const [leaving, setLeaving] = useState<Member | null>(null);

  const change = (doing: Promise<void>, whenMe: () => void, subject: string): void => {
    const settled = doing.finally(() => {
      setLeaving(null);
      reload();
    });
    act(settled, () => {
      if (subject === me.subject) whenMe();
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
              change(changeRole(member.subject, role), reloadMe, member.subject);
            }}
            onRemove={() => {
              setLeaving(member);
            }}
          />
        ))}
      </ul>
      {refusal && <ProblemNote problem={refusal} />}
      <AddMember onAdded={reload} />
      {leaving && (
        <ConfirmDialog
          title={`Remove ${leaving.name ?? leaving.subject}?`}
          confirm="Remove member"
          busy={isBusy}
          onConfirm={() => {
            // Who has left a workspace goes to the oldest that is left to them.
            change(
              removeMember(leaving.subject),
              () => {
                chooseWorkspace(null);
              },
              leaving.subject,
            );
          }}
          onCancel={() => {
            setLeaving(null);
          }}
        >
          <p>
            {leaving.subject === me.subject ? "You" : "They"} will no longer see this workspace. Sources and documents
            stay.
          </p>
        </ConfirmDialog>
      )}
    </section>
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
  const shown = member.name ?? member.subject;
  return (
    <li className="row">
      <div className="row-what">
        <p>
          <span className="row-name">{shown}</span> {isMe && <span className="muted">you</span>}
        </p>
        <p className="small muted">
          {member.name !== null && <code>{member.subject}</code>} since <TimeAgo at={member.created_at} />
        </p>
      </div>
      <select
        aria-label={`Role of ${shown}`}
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
          aria-label={`Save role of ${shown}`}
          onClick={() => {
            onRole(role);
          }}
        >
          Save
        </button>
      )}
      <button type="button" className="plain" aria-label={`Remove ${shown}`} onClick={onRemove}>
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
  const { act, isBusy, problem } = useAction();

  const add = (event: SubmitEvent): void => {
    event.preventDefault();
    act(addMember({ subject: subject.trim(), role: role as Role, name: name.trim() || null }), () => {
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
          hint="The sub of their token. Their own Workspace page shows it, or the refusal when they sign in."
          required
          value={subject}
          onChange={setSubject}
        />
        <Field label="Name" optional hint="To tell members apart" value={name} onChange={setName} />
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
