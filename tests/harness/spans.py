"""Decode the spans that a collector has received over OTLP/HTTP."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.fakes.http_target import Hit


@dataclass(frozen=True)
class ReceivedSpan:
    """A span. `parent` is "" for the first of a trace; `failed` is its status."""

    name: str
    service: str
    kind: int
    trace: str
    id: str
    parent: str
    attributes: Mapping[str, Any]
    events: tuple[str, ...]
    failed: bool


def received_spans(hits: Iterable[Hit]) -> list[ReceivedSpan]:
    """Return the spans of the requests, in the order of their arrival."""
    spans = []
    for hit in hits:
        headers = {name.lower(): value for name, value in hit.headers.items()}
        assert (hit.path.removeprefix("/hook"), headers["content-type"]) == ("/v1/traces", "application/x-protobuf")
        for resource in ExportTraceServiceRequest.FromString(hit.body).resource_spans:
            service = _values(resource.resource.attributes)["service.name"]
            for scope in resource.scope_spans:
                spans += [_span(span, service) for span in scope.spans]
    return spans


def received_projects(hits: Iterable[Hit]) -> set[str]:
    """Return the Google Cloud projects that the requests name."""
    resources = (each for hit in hits for each in ExportTraceServiceRequest.FromString(hit.body).resource_spans)
    return {str(_values(each.resource.attributes)["gcp.project_id"]) for each in resources}


def _span(span: Any, service: str) -> ReceivedSpan:
    return ReceivedSpan(
        name=span.name,
        service=service,
        kind=span.kind,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        attributes=_values(span.attributes),
        events=tuple(event.name for event in span.events),
        failed=span.status.code == span.status.STATUS_CODE_ERROR,
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
