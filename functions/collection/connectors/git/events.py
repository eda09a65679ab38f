"""Events of Git servers: which pushes concern a source. Pure."""

import msgspec


class _Repository(msgspec.Struct, frozen=True):
    default_branch: str = ""


class _Event(msgspec.Struct, frozen=True):
    """A push as GitHub, Gitea and Forgejo send it (`repository`), or GitLab (`project`). Other events lack `ref`."""

    ref: str = ""
    repository: _Repository = _Repository()
    project: _Repository = _Repository()


def is_pushed(ref: str, event: bytes) -> bool:
    """Return False if an event is a push that leaves a branch or tag as it is; `HEAD` is the default branch.

    An event that isn't understood may have changed it.
    """
    try:
        push = msgspec.json.decode(event, type=_Event)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True
    if ref == "HEAD":
        default = push.repository.default_branch or push.project.default_branch
        ref = f"refs/heads/{default}" if default else push.ref
    return not push.ref or push.ref == ref
