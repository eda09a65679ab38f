"""Events of Git servers: which pushes concern a source. Pure."""

import msgspec

_BRANCH = "refs/heads/"


class _Repository(msgspec.Struct, frozen=True):
    default_branch: str = ""


class _Event(msgspec.Struct, frozen=True):
    """A push as GitHub, Gitea and Forgejo send it (`repository`), or GitLab (`project`). Other events lack `ref`."""

    ref: str = ""
    repository: _Repository = _Repository()
    project: _Repository = _Repository()


def is_pushed(branch: str | None, event: bytes) -> bool:
    """Return False if an event is a push that leaves `branch` as it is; None is the default branch.

    An event that isn't understood may have changed it.
    """
    try:
        push = msgspec.json.decode(event, type=_Event)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True
    wanted = branch or push.repository.default_branch or push.project.default_branch
    return not (push.ref and wanted) or push.ref == _BRANCH + wanted
