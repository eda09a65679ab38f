"""The tree of a conversation's messages: paths, and versions of a message. Pure.

An edited question is a sibling of the question, another answer a sibling of the answer. One path is shown at a time.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

Role = Literal["user", "assistant"]


class MessageTree:
    """The messages of a conversation by the message that they follow."""

    def __init__(
        self, messages: Iterable[tuple[uuid.UUID, uuid.UUID | None, Role]] = (), *, is_running: bool = False
    ) -> None:
        """Build the tree from the id, the stored parent and the role of each message, in the order of writing.

        A first message is its own parent. One without a parent follows the message before it: the revision before the
        migration that added parents wrote it. `is_running`: one of the answers is not complete.
        """
        self.is_running = is_running
        self._roles: dict[uuid.UUID, Role] = {}
        self._parents: dict[uuid.UUID, uuid.UUID | None] = {}
        self._children: defaultdict[uuid.UUID | None, list[uuid.UUID]] = defaultdict(list)
        before: uuid.UUID | None = None
        for id_, stored, role in messages:
            self._roles[id_] = role
            parent = before if stored is None else stored
            # A parent that is not older would be a circle.
            self._parents[id_] = parent if parent in self._parents else None
            self._children[self._parents[id_]].append(id_)
            before = id_

    def __contains__(self, id_: object) -> bool:
        """Return True if this message is in the conversation."""
        return id_ in self._parents

    def is_question(self, id_: uuid.UUID) -> bool:
        """Return True if this is a question of the conversation."""
        return self._roles.get(id_) == "user"

    def parent(self, id_: uuid.UUID) -> uuid.UUID | None:
        """Return the message that this one follows, None for a first message."""
        return self._parents[id_]

    def versions(self, id_: uuid.UUID) -> list[uuid.UUID]:
        """Return this message and the others that follow the same message, oldest first."""
        return self._children[self._parents[id_]]

    def path_to(self, id_: uuid.UUID | None) -> list[uuid.UUID]:
        """Return the messages from the first to this one; none for None."""
        path: list[uuid.UUID] = []
        while id_ is not None:
            path.append(id_)
            id_ = self._parents[id_]
        return path[::-1]

    def path_through(self, id_: uuid.UUID | None) -> list[uuid.UUID]:
        """Return the path through this message to the newest one below it; that to the newest of all for None.

        An unknown message counts as None: it has been deleted.
        """
        if id_ not in self._parents:
            return self.path_to(next(reversed(self._parents), None))
        below, last = {id_}, id_
        for each, parent in self._parents.items():  # parents come before what follows them
            if parent in below:
                below.add(each)
                last = each
        return self.path_to(last)
