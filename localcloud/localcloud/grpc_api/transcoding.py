"""Turn a gRPC request into the request of a REST method, and its JSON into the gRPC response. Pure.

It is the reverse of what Google's servers do with REST requests (google.api.http in googleapis/google/api/http.proto).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict

from localcloud.grpc_api.methods import Method
from localcloud.rest.protojson import camel_case
from localcloud.rest.router import JsonObject, invalid


@dataclass(frozen=True, slots=True)
class RestRequest:
    """A REST request: the path without percent-encoding, the query, and the JSON of the body."""

    path: str
    query: Mapping[str, str]
    body: JsonObject


def rest_request(method: Method, request: Any) -> RestRequest:
    """Return the REST request of a message. Errors: ApiError if a name is missing."""
    fields: JsonObject = MessageToDict(request)
    path = re.sub(r"\{([\w.]+)\}", lambda variable: _take(fields, variable[1]), method.path)
    if method.body == "*":
        return RestRequest(path, {}, fields)
    body = fields.pop(camel_case(method.body), {}) if method.body else {}
    return RestRequest(path, {name: _text(value) for name, value in fields.items()}, body)


def response(method: Method, result: JsonObject) -> Any:
    """Return the message of a REST method's JSON, without enum members."""
    return ParseDict(result, method.response(), ignore_unknown_fields=True)


def _take(fields: JsonObject, variable: str) -> str:
    """Remove a field and return its text: `queue.name` is the field `name` of the field `queue`."""
    *parents, leaf = variable.split(".")
    for parent in parents:
        fields = fields.get(camel_case(parent), {})
    text = str(fields.pop(camel_case(leaf), ""))
    if not text:
        raise invalid(f"Invalid value at '{variable}': the name is missing.")
    return text


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
