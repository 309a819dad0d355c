"""OTLP in JSON for the SDK's own HTTP exporters, which only write protobuf.

The exporters take a session of `requests`; this one's adapter turns each body into JSON on its
way out, by protobuf's own mapping and the four rules that OTLP adds to it. So all else is the
stock SDK: what it collects, when it sends, and what it makes of the answer.
"""

import base64
import gzip
import json

import requests
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_REQUESTS = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}
_HEXADECIMAL = {"traceId", "spanId", "parentSpanId"}


def session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", _JsonAdapter())
    return session


class _JsonAdapter(requests.adapters.HTTPAdapter):
    def send(self, request, **options):
        kind = _REQUESTS[request.path_url]
        body = request.body
        compressed = request.headers.get("Content-Encoding") == "gzip"
        if compressed:
            body = gzip.decompress(body)
        encoded = json.dumps(to_json(kind.FromString(body))).encode()
        if compressed:
            encoded = gzip.compress(encoded)
        request.body = encoded
        request.headers["Content-Type"] = "application/json"
        request.headers["Content-Length"] = str(len(encoded))
        return super().send(request, **options)


def to_json(message):
    """Names in lowerCamelCase and 64-bit numbers as text are protobuf's own; numbers for enums
    and hexadecimal ids are OTLP's."""
    return _with_hexadecimal_ids(
        json_format.MessageToDict(message, use_integers_for_enums=True)
    )


def _with_hexadecimal_ids(value):
    if isinstance(value, list):
        return [_with_hexadecimal_ids(item) for item in value]
    if isinstance(value, dict):
        return {
            name: base64.b64decode(item).hex()
            if name in _HEXADECIMAL
            else _with_hexadecimal_ids(item)
            for name, item in value.items()
        }
    return value
