"""Read one page of a list of GitHub's API: repositories, threads, releases, stars."""

from urllib.parse import quote

import msgspec

from functions.collection.connectors.api_client import ApiAnswer, ApiClient
from functions.collection.connectors.github import discussions
from functions.collection.connectors.github.config import GitHubConfig
from functions.collection.connectors.github.threads import REVISION, Release, Thread, found_release, found_thread
from functions.collection.connectors.thread_walk import Found, Page, Task, Walk, fingerprint_of
from headwater.errors import SystemicError
from headwater.filters.globs import compile_patterns

_PAGE = "per_page=100"


class Repository(msgspec.Struct):
    """A repository as lists have it."""

    full_name: str
    name: str = ""
    html_url: str = ""
    description: str | None = None
    topics: list[str] = []
    language: str | None = None
    pushed_at: str | None = None
    fork: bool = False
    has_issues: bool = True
    has_discussions: bool = False


class GitHubLists:
    """The lists of one source. `read` is the `ReadPage` of its walk."""

    def __init__(self, client: ApiClient, config: GitHubConfig) -> None:
        self._client = client
        self._config = config
        self._target = config.target
        self._is_excluded = compile_patterns(config.exclude)

    def first_task(self) -> Task:
        """Return the list that a walk begins with."""
        return Task("stars" if self._target.kind == "stars" else "repositories")

    def read(self, walk: Walk, task: Task) -> Page:
        """Read the next page of a task's list."""
        match task.kind:
            case "repositories":
                return self._repositories(walk, task)
            case "stars":
                return self._stars(walk, task)
            case "threads":
                return self._threads(walk, task)
            case "discussions":
                return self._discussions(walk, task)
            case _:
                return self._releases(walk, task)

    def _repositories(self, walk: Walk, task: Task) -> Page:
        """Add the tasks of the repositories of a page. Forks of an owner are left out."""
        target = self._target
        if target.kind == "repository":
            answer = self._client.get(f"/repos/{target.path}")
            repositories = [_existing(answer, target.path).read(Repository)]
        else:
            answer = self._client.get(task.url or f"/orgs/{target.owner}/repos?{_PAGE}&sort=full_name")
            if answer.is_missing and not task.url:
                answer = self._client.get(f"/users/{target.owner}/repos?{_PAGE}&sort=full_name")
            listed = _existing(answer, target.owner).read(list[Repository])
            repositories = [each for each in listed if not each.fork and not self._is_excluded(each.name)]
        walk.repositories |= dict.fromkeys(each.full_name for each in repositories)
        next_url = answer.next_url if target.kind == "owner" else None
        if not next_url:
            walk.complete_if_gone()
        tasks = [each for repository in repositories for each in self._tasks(repository)]
        return Page([], next_url, tasks=tasks)

    def _tasks(self, repository: Repository) -> list[Task]:
        config, prefix = self._config, "" if self._target.kind == "repository" else f"{repository.name}/"
        kinds = {
            "threads": config.issues or config.pull_requests,
            "discussions": config.discussions and repository.has_discussions,
            "releases": config.releases,
        }
        return [Task(kind, repository.full_name, prefix) for kind, is_wanted in kinds.items() if is_wanted]

    def _threads(self, walk: Walk, task: Task) -> Page:
        """Read issues and pull requests, the last updated first: then an update meanwhile hides none."""
        before = walk.since(task)
        since = f"&since={quote(before.since)}" if before.since else ""
        first = f"/repos/{task.repository}/issues?state=all&sort=updated&direction=desc&{_PAGE}{since}"
        answer = self._client.get(task.url or first, etag="" if task.url else before.etag)
        if answer.status == 304 or answer.is_missing:  # 410: the repository has no issues
            return Page([], is_unchanged=True)
        threads, unreadable = answer.read_list(Thread)
        found = [found_thread(thread, task.prefix, self._config) for thread in threads]
        return Page(found, answer.next_url, etag=answer.headers.get("etag", ""), unreadable=unreadable)

    def _discussions(self, walk: Walk, task: Task) -> Page:
        since = walk.since(task).since
        after = task.url or None
        repository = discussions.ask(self._client, self._config, discussions.LIST, task.repository, after=after)
        listed = repository.discussions if repository else None
        if listed is None:
            return Page([], is_unchanged=True)
        new = [each for each in listed.nodes if each.updated_at >= since]
        found = [discussions.found_discussion(each, task.prefix, self._config) for each in new]
        goes_on = listed.page_info.has_next_page and len(new) == len(listed.nodes)
        return Page(found, listed.page_info.end_cursor if goes_on else None)

    def _releases(self, walk: Walk, task: Task) -> Page:
        etag = "" if task.url else walk.since(task).etag
        answer = self._client.get(task.url or f"/repos/{task.repository}/releases?{_PAGE}", etag=etag)
        if answer.status == 304:
            return Page([], is_unchanged=True)
        releases, unreadable = ([], {}) if answer.is_missing else answer.read_list(Release)
        found = [found_release(release, task.prefix) for release in releases]
        etag = answer.headers.get("etag", "")
        return Page(found, answer.next_url, etag=etag, whole=True, unreadable=unreadable)

    def _stars(self, walk: Walk, task: Task) -> Page:
        """Read starred repositories. A push may have changed the README, so its time is the fingerprint."""
        etag = "" if task.url else walk.since(task).etag
        answer = self._client.get(task.url or f"/users/{self._target.owner}/starred?{_PAGE}", etag=etag)
        if answer.status == 304:
            return Page([], is_unchanged=True)
        found = []
        repositories, unreadable = _existing(answer, self._target.owner).read_list(Repository)
        for each in repositories:
            fingerprint = fingerprint_of(REVISION, each.pushed_at, each.description, each.topics)
            found.append(Found(each.full_name, fingerprint, msgspec.json.encode(each), each.pushed_at or ""))
        etag = answer.headers.get("etag", "")
        return Page(found, answer.next_url, etag=etag, whole=True, unreadable=unreadable)


def _existing(answer: ApiAnswer, name: str) -> ApiAnswer:
    if answer.is_missing:
        raise SystemicError(
            f"GitHub has no {name}, or the token may not read it. Check the address; private repositories need a token."
        )
    return answer
