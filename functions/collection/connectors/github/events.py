"""Events of GitHub's webhooks: which ones concern a source. Pure."""

import msgspec

from functions.collection.connectors.github.config import GitHubConfig
from headwater.filters.globs import compile_patterns


class _Repository(msgspec.Struct, frozen=True):
    full_name: str = ""


class _Issue(msgspec.Struct, frozen=True):
    pull_request: object = None


class _Event(msgspec.Struct, frozen=True):
    """An event has the object that it is about. A push has `ref`, and what concerns builds one of the others."""

    repository: _Repository = _Repository()
    issue: _Issue | None = None
    pull_request: object = None
    discussion: object = None
    release: object = None
    ref: object = None
    sha: object = None
    check_run: object = None
    check_suite: object = None
    workflow_run: object = None
    workflow_job: object = None
    deployment: object = None


def is_related(config: GitHubConfig, event: bytes) -> bool:
    """Return False for an event of another repository, or of a kind that isn't collected.

    An event that isn't understood may have changed the source.
    """
    try:
        read = msgspec.json.decode(event, type=_Event)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True
    target = config.target
    owner, _, name = read.repository.full_name.lower().partition("/")
    if target.kind == "stars":
        return True
    if owner and (owner != target.owner.lower() or (target.name and name != target.name.lower())):
        return False
    if name and not target.name and compile_patterns(config.exclude)(name):
        return False
    return _is_collected(config, read)


def _is_collected(config: GitHubConfig, event: _Event) -> bool:
    if event.issue is not None:
        return config.issues if event.issue.pull_request is None else config.pull_requests
    for subject, is_wanted in (
        (event.pull_request, config.pull_requests),
        (event.discussion, config.discussions),
        (event.release, config.releases),
    ):
        if subject is not None:
            return is_wanted
    builds = (event.check_run, event.check_suite, event.workflow_run, event.workflow_job, event.deployment)
    return all(other is None for other in (event.ref, event.sha, *builds))
