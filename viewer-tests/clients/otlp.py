"""A known set of telemetry from OpenTelemetry's SDK for Python, as its users get it.

A request to `SERVICE-web` asks `SERVICE-payments`, which declines the card: three spans, two
records and five metrics. Prints the ids as JSON; an export that is not acknowledged ends it
with 1.
"""

import argparse
import json
import logging
import sys

from opentelemetry import trace
from opentelemetry.metrics import Observation
from opentelemetry.propagate import extract, inject
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

LINKED = SpanContext(
    trace_id=0x0AF7651916CD43DD8448EB211C80319C,
    span_id=0xB7AD6B7169203331,
    is_remote=True,
    trace_flags=TraceFlags(TraceFlags.SAMPLED),
)

results = []


def checked(exporter):
    """Notes how each export ends: the processors only log it."""
    export = exporter.export

    def noting(batch, *arguments, **options):
        result = export(batch, *arguments, **options)
        results.append((type(exporter).__name__, result.name))
        return result

    exporter.export = noting
    return exporter


def exporters(protocol, endpoint):
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        kinds = (OTLPSpanExporter, OTLPLogExporter, OTLPMetricExporter)
        return [lambda kind=kind: checked(kind(endpoint=endpoint, insecure=True)) for kind in kinds]

    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    options = {"compression": Compression.Gzip}
    if protocol == "http/json":
        import otlp_json

        options["session"] = otlp_json.session()
    kinds = (
        (OTLPSpanExporter, "/v1/traces"),
        (OTLPLogExporter, "/v1/logs"),
        (OTLPMetricExporter, "/v1/metrics"),
    )
    return [
        lambda kind=kind, path=path: checked(kind(endpoint=endpoint + path, **options))
        for kind, path in kinds
    ]


class Service:
    """A service with all three signals. Two in one process stand for two processes: neither
    is the global one."""

    def __init__(self, name, new_span_exporter, new_log_exporter, new_metric_exporter):
        self.name = name
        resource = Resource.create({"service.name": name, "service.version": "1.2.3"})
        self._tracing = TracerProvider(resource=resource)
        self._tracing.add_span_processor(BatchSpanProcessor(new_span_exporter()))
        self.tracer = self._tracing.get_tracer("specimen", "0.1.0")

        self._logging = LoggerProvider(resource=resource)
        self._logging.add_log_record_processor(BatchLogRecordProcessor(new_log_exporter()))
        self.logger = logging.getLogger(name)
        self.logger.setLevel(logging.DEBUG)
        self.logger.propagate = False
        self.logger.addHandler(LoggingHandler(logger_provider=self._logging))

        exponential = View(
            instrument_type=Histogram,
            instrument_name="order.latency",
            aggregation=ExponentialBucketHistogramAggregation(),
        )
        self._metering = MeterProvider(
            resource=resource,
            metric_readers=[PeriodicExportingMetricReader(new_metric_exporter())],
            views=[exponential],
        )
        self.meter = self._metering.get_meter("specimen", "0.1.0")

    def end(self):
        for provider in (self._tracing, self._logging, self._metering):
            provider.force_flush()
            provider.shutdown()


def request(web, payments):
    """One request through both services; the ids of its spans by their names."""
    spans = {}
    headers = {}
    with web.tracer.start_as_current_span(
        "GET /orders/{id}",
        kind=SpanKind.SERVER,
        links=[Link(LINKED, {"link.reason": "retry"})],
        attributes={
            "http.request.method": "GET",
            "http.route": "/orders/{id}",
            "http.response.status_code": 502,
            "a.bool": True,
            "a.int": -42,
            "a.double": 2.5,
            "a.string": "größer <b>&amp;</b>",
            "a.strings": ["red", "green"],
            "a.ints": [1, 2, 3],
            "a.doubles": [0.5, 1.5],
            "a.bools": [True, False],
        },
    ) as server:
        spans["GET /orders/{id}"] = server
        server.add_event("cache.miss", {"cache.key": "order:42"})
        web.logger.warning("the card of order %d is charged again", 42, extra={"order.id": 42})
        with web.tracer.start_as_current_span("charge card", kind=SpanKind.CLIENT) as client:
            spans["charge card"] = client
            inject(headers)
        server.set_status(Status(StatusCode.ERROR, "payments answered 402"))

    with payments.tracer.start_as_current_span(
        "POST /charges",
        context=extract(headers),
        kind=SpanKind.SERVER,
    ) as charge:
        spans["POST /charges"] = charge
        try:
            raise ValueError("card declined")
        except ValueError as error:
            charge.record_exception(error)
            charge.set_status(Status(StatusCode.ERROR, "card declined"))
            payments.logger.exception("charge failed")
    return spans


def measure(service):
    created = service.meter.create_counter("orders.created", "{order}", "Orders that were made")
    for count in (1, 2, 3):
        created.add(count, {"channel": "web"})
    depth = service.meter.create_up_down_counter("queue.depth", "{job}", "Jobs that wait")
    depth.add(5)
    depth.add(-3)
    value = service.meter.create_histogram("order.value", "EUR", "What an order is worth")
    latency = service.meter.create_histogram("order.latency", "s", "How long an order takes")
    for amount in (1.0, 20.0, 300.0, 4000.0):
        value.record(amount)
        latency.record(amount / 1000)
    service.meter.create_observable_gauge(
        "pool.usage", [lambda _: [Observation(0.75, {"pool": "main"})]], "1", "Share in use"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--protocol", required=True, choices=["grpc", "http/protobuf", "http/json"])
    parser.add_argument("--endpoint", required=True, help="without a path")
    parser.add_argument("--service", required=True)
    arguments = parser.parse_args()

    new_exporters = exporters(arguments.protocol, arguments.endpoint)
    web = Service(arguments.service + "-web", *new_exporters)
    payments = Service(arguments.service + "-payments", *new_exporters)
    spans = request(web, payments)
    measure(web)
    web.end()
    payments.end()

    failed = [result for result in results if result[1] != "SUCCESS"]
    # Two services' spans and records, and one's metrics: the other has none to send.
    if failed or len(results) < 5:
        sys.exit(f"not all exports were acknowledged: {results}")
    contexts = {name: span.get_span_context() for name, span in spans.items()}
    print(
        json.dumps(
            {
                "trace_id": trace.format_trace_id(contexts["POST /charges"].trace_id),
                "spans": {
                    name: trace.format_span_id(context.span_id)
                    for name, context in contexts.items()
                },
                "services": [web.name, payments.name],
            }
        )
    )


if __name__ == "__main__":
    main()
