"""Read one page of a list of GitLab's API: projects, threads, releases, wiki pages."""

from urllib.parse import quote

import msgspec

from functions.collection.connectors.api_client import ApiAnswer, ApiClient
from functions.collection.connectors.gitlab.config import GitLabConfig, id_of
from functions.collection.connectors.gitlab.threads import (
    Release,
    Thread,
    WikiPage,
    found_page,
    found_release,
    found_thread,
)
from functions.collection.connectors.thread_walk import Page, Task, Walk
from headwater.errors import SystemicError
from headwater.filters.globs import compile_patterns

_PAGE = "per_page=100"


class Project(msgspec.Struct):
    """A project as lists have it."""

    id: int
    path_with_namespace: str
    forked_from_project: object = None


class GitLabLists:
    """The lists of one source. `read` is the `ReadPage` of its walk."""

    def __init__(self, client: ApiClient, config: GitLabConfig) -> None:
        self._client = client
        self._config = config
        self._is_excluded = compile_patterns(config.exclude)

    def find(self, *, timeout_s: float = 30.0) -> tuple[str, ApiAnswer]:
        """Find out what the address names: `projects`, `groups` or `users`. Raises SystemicError if it is nothing."""
        path = self._config.path
        for kind in ("projects", "groups", "users") if "/" not in path else ("projects", "groups"):
            place = f"/users?username={quote(path)}" if kind == "users" else f"/{kind}/{id_of(path)}"
            answer = self._client.get(place, timeout_s=timeout_s)
            if not answer.is_missing and (kind != "users" or answer.read(list[object])):
                return kind, answer
        raise SystemicError(
            f"GitLab has no {path}, or the token may not read it. Check the address; private projects need a token."
        )

    def read(self, walk: Walk, task: Task) -> Page:
        """Read the next page of a task's list."""
        match task.kind:
            case "repositories":
                return self._projects(walk, task)
            case "releases":
                return self._releases(walk, task)
            case "wiki":
                return self._wiki(walk, task)
            case _:
                return self._threads(walk, task)

    def _projects(self, walk: Walk, task: Task) -> Page:
        """Add the tasks of the projects of a page. Forks in a group are left out."""
        if task.url:
            answer = self._client.get(task.url)
            projects = answer.read(list[Project])
        else:
            kind, answer = self.find()
            if kind == "projects":
                project = answer.read(Project)
                walk.repositories |= {str(project.id): None}
                walk.complete_if_gone()
                return Page([], tasks=self._tasks(project, ""))
            options = "&include_subgroups=true&with_shared=false" if kind == "groups" else ""
            first = f"/{kind}/{id_of(self._config.path)}/projects?{_PAGE}&order_by=id&sort=asc{options}"
            answer = self._client.get(first)
            projects = [] if answer.is_missing else answer.read(list[Project])
        tasks: list[Task] = []
        for project in projects:
            path = project.path_with_namespace.removeprefix(f"{self._config.path}/")
            if project.forked_from_project is None and not self._is_excluded(path):
                walk.repositories |= {str(project.id): None}
                tasks += self._tasks(project, f"{path}/")
        if not answer.next_url:
            walk.complete_if_gone()
        return Page([], answer.next_url, tasks=tasks)

    def _tasks(self, project: Project, prefix: str) -> list[Task]:
        config = self._config
        kinds = {
            "issues": config.issues,
            "merge_requests": config.merge_requests,
            "releases": config.releases,
            "wiki": config.wikis,
        }
        return [Task(kind, str(project.id), prefix) for kind, is_wanted in kinds.items() if is_wanted]

    def _threads(self, walk: Walk, task: Task) -> Page:
        """Read issues or merge requests, the last updated first: then an update meanwhile hides none.

        Newer servers page issues by key, which deletions meanwhile don't disturb; older ones ignore `pagination`.
        """
        before = walk.since(task)
        since = f"&updated_after={quote(before.since)}" if before.since else ""
        paging = "&pagination=keyset" if task.kind == "issues" else ""
        query = f"scope=all&state=all&order_by=updated_at&sort=desc&{_PAGE}{paging}{since}"
        first = f"/projects/{task.repository}/{task.kind}?{query}"
        answer = self._client.get(task.url or first, etag="" if task.url else before.etag)
        if answer.status == 304 or answer.is_missing:
            return Page([], is_unchanged=True)
        threads, unreadable = answer.read_list(Thread)
        found = [found_thread(thread, task.kind, task.prefix, self._config) for thread in threads]
        return Page(found, answer.next_url, etag=answer.headers.get("etag", ""), unreadable=unreadable)

    def _releases(self, walk: Walk, task: Task) -> Page:
        etag = "" if task.url else walk.since(task).etag
        answer = self._client.get(task.url or f"/projects/{task.repository}/releases?{_PAGE}", etag=etag)
        if answer.status == 304:
            return Page([], is_unchanged=True)
        releases, unreadable = ([], {}) if answer.is_missing else answer.read_list(Release)
        found = [found_release(release, task.prefix) for release in releases]
        etag = answer.headers.get("etag", "")
        return Page(found, answer.next_url, etag=etag, whole=True, unreadable=unreadable)

    def _wiki(self, walk: Walk, task: Task) -> Page:
        """Read all pages of a wiki, which GitLab sends in one answer."""
        etag = walk.since(task).etag
        answer = self._client.get(f"/projects/{task.repository}/wikis?with_content=1", etag=etag)
        if answer.status == 304:
            return Page([], is_unchanged=True)
        pages, unreadable = ([], {}) if answer.is_missing else answer.read_list(WikiPage)
        found = [found_page(page, task.prefix) for page in pages]
        return Page(found, etag=answer.headers.get("etag", ""), whole=True, unreadable=unreadable)
