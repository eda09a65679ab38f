"""GitHub's discussions, which only its GraphQL API has: the queries, their answers, and the documents. Pure but for
`ask`, which sends a query.
"""

from typing import Any, TypeVar

import msgspec

from functions.collection.connectors.api_client import ApiClient
from functions.collection.connectors.api_values import AccessDenied, Refused
from functions.collection.connectors.github.config import GitHubConfig
from functions.collection.connectors.github.threads import REVISION, User, login
from functions.collection.connectors.thread_page import Comment, write_thread
from functions.collection.connectors.thread_walk import Found, fingerprint_of
from headwater.errors import PermanentError, UpstreamError
from headwater.redaction import quote

T = TypeVar("T")

_FIELDS = "number title url body createdAt updatedAt closed author{login} category{name} labels(first:50){nodes{name}}"
_COMMENT = "body createdAt url isAnswer author{login}"
LIST = f"""query($owner:String!,$name:String!,$after:String){{repository(owner:$owner,name:$name){{
  discussions(first:50,after:$after,orderBy:{{field:UPDATED_AT,direction:DESC}}){{
    pageInfo{{hasNextPage endCursor}} nodes{{{_FIELDS} comments{{totalCount}}}}}}}}}}"""
READ = f"""query($owner:String!,$name:String!,$number:Int!,$after:String){{repository(owner:$owner,name:$name){{
  discussion(number:$number){{{_FIELDS} comments(first:50,after:$after){{
    pageInfo{{hasNextPage endCursor}} nodes{{{_COMMENT} replies(first:100){{nodes{{{_COMMENT}}}}}}}}}}}}}}}"""


class PageInfo(msgspec.Struct, rename="camel"):
    has_next_page: bool = False
    end_cursor: str | None = None


class _Named(msgspec.Struct):
    name: str = ""


class _Labels(msgspec.Struct):
    nodes: list[_Named] = []


class Remark(msgspec.Struct, rename="camel"):
    body: str = ""
    created_at: str = ""
    url: str = ""
    is_answer: bool = False
    author: User | None = None
    replies: "Remarks | None" = None


class Remarks(msgspec.Struct, rename="camel"):
    nodes: list[Remark] = []
    page_info: PageInfo = msgspec.field(default_factory=PageInfo)
    total_count: int = 0


class Discussion(msgspec.Struct, rename="camel"):
    number: int
    title: str = ""
    url: str = ""
    body: str = ""
    created_at: str = ""
    updated_at: str = ""
    closed: bool = False
    author: User | None = None
    category: _Named | None = None
    labels: _Labels | None = None
    comments: Remarks = msgspec.field(default_factory=Remarks)

    @property
    def label_names(self) -> list[str]:
        return [label.name for label in self.labels.nodes] if self.labels else []


class Discussions(msgspec.Struct, rename="camel"):
    nodes: list[Discussion] = []
    page_info: PageInfo = msgspec.field(default_factory=PageInfo)


class Repository(msgspec.Struct):
    discussions: Discussions | None = None
    discussion: Discussion | None = None


class _Data(msgspec.Struct):
    repository: Repository | None = None


class _Error(msgspec.Struct):
    type: str = ""
    message: str = ""


class _Answer(msgspec.Struct):
    data: _Data | None = None
    errors: list[_Error] = []


def ask(client: ApiClient, config: GitHubConfig, query: str, repository: str, **variables: Any) -> Repository | None:
    """Send a query for a repository. Returns None if there is none, or not what was asked for.

    GraphQL reports errors in answers with status 200. Raises UpstreamError at a rate limit, with its pause,
    Refused for a cursor that has expired, and AccessDenied.
    """
    owner, _, name = repository.partition("/")
    answer = client.post(config.graphql, {"query": query, "variables": {"owner": owner, "name": name, **variables}})
    read = answer.read(_Answer)
    if not read.errors:
        return read.data.repository if read.data else None
    error = read.errors[0]
    message = quote(error.message)
    if error.type == "NOT_FOUND":
        return None
    if error.type == "RATE_LIMITED" or "rate limit" in message.lower():
        raise client.limit_error(answer.pause_s)
    if error.type in ("FORBIDDEN", "INSUFFICIENT_SCOPES"):
        raise AccessDenied(f"GitHub doesn't show the discussions ({message}). Check the token's permissions.", 403)
    if "cursor" in error.type.lower() or "cursor" in message.lower():
        raise Refused(f"GitHub refuses the page of discussions ({message}).", 422)
    if error.type:
        raise PermanentError(f"GitHub can't answer the query for discussions ({message}).")
    raise UpstreamError(f"GitHub failed to answer the query for discussions ({message}). Try again later.")


def found_discussion(discussion: Discussion, prefix: str, config: GitHubConfig) -> Found:
    """Compare a discussion with the config: what isn't to be collected has no fingerprint."""
    key = f"{prefix}discussions/{discussion.number}"
    in_state = config.state in ("all", "closed" if discussion.closed else "open")
    if not (in_state and config.has_label(discussion.label_names)):
        return Found(key, "", updated=discussion.updated_at)
    seen = (discussion.updated_at, discussion.title, discussion.body, discussion.closed, discussion.label_names)
    fingerprint = fingerprint_of(REVISION, *seen, discussion.comments.total_count)
    return Found(key, fingerprint, updated=discussion.updated_at)


def discussion_document(repository: str, discussion: Discussion, remarks: list[Remark], *, max_bytes: int) -> bytes:
    """Write a discussion: each comment is followed by its replies."""
    comments = []
    for remark in remarks:
        comments.append(_comment(remark, "answered" if remark.is_answer else ""))
        comments += [_comment(reply, "replied") for reply in (remark.replies.nodes if remark.replies else [])]
    fields: dict[str, Any] = {
        "kind": "discussion",
        "repository": repository,
        "number": discussion.number,
        "author": login(discussion.author),
        "date": discussion.created_at,
        "updated": discussion.updated_at,
        "state": "closed" if discussion.closed else "open",
        "category": discussion.category.name if discussion.category else "",
        "labels": discussion.label_names,
    }
    return write_thread(discussion.title, discussion.body, comments, fields, max_bytes=max_bytes)


def _comment(remark: Remark, note: str) -> Comment:
    return Comment(login(remark.author), remark.created_at, remark.body, remark.url, note)
