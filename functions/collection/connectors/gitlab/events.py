"""Events of GitLab's webhooks: which ones concern a source. Pure."""

import msgspec

from functions.collection.connectors.gitlab.config import GitLabConfig
from headwater.filters.globs import compile_patterns


class _Project(msgspec.Struct, frozen=True):
    path_with_namespace: str = ""


class _Attributes(msgspec.Struct, frozen=True):
    noteable_type: str = ""


class _Event(msgspec.Struct, frozen=True):
    object_kind: str = ""
    project: _Project = _Project()
    object_attributes: _Attributes = _Attributes()


_BUILDS = ("push", "tag_push", "pipeline", "build", "deployment", "feature_flag", "emoji")


def is_related(config: GitLabConfig, event: bytes) -> bool:
    """Return False for an event of another project, or of a kind that isn't collected.

    An event that isn't understood may have changed the source.
    """
    try:
        read = msgspec.json.decode(event, type=_Event)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True
    path, own = read.project.path_with_namespace.lower(), config.path.lower()
    if path and path != own and not path.startswith(f"{own}/"):
        return False
    if path != own and compile_patterns(config.exclude)(path.removeprefix(f"{own}/")):
        return False
    kind = read.object_kind
    if kind == "note":
        kind = {"Issue": "issue", "MergeRequest": "merge_request"}.get(read.object_attributes.noteable_type, "push")
    wanted = {
        "issue": config.issues,
        "work_item": config.issues,
        "merge_request": config.merge_requests,
        "release": config.releases,
        "wiki_page": config.wikis,
    }
    return wanted.get(kind, kind not in _BUILDS)
