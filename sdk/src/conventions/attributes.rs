//! What resources, spans and records carry, by name.

use super::{Former, billing, cosmo, derrakht, fastapi, freshbytes};

/// An attribute, or a field that OTLP has for records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attribute {
    /// The name.
    pub name: &'static str,
    /// Where it stands.
    pub places: &'static [Place],
    /// Who says it.
    pub set_by: SetBy,
    /// The fields of old records that held the same.
    pub formerly: &'static [Former],
}

/// Where an [`Attribute`] stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// On the resource, and so on everything that a process sends.
    Resource,
    /// On spans.
    Span,
    /// On log records.
    Record,
    /// A field of OTLP's log record itself, beside its attributes.
    RecordField,
}

/// Who says an [`Attribute`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetBy {
    /// The SDK, where it is known.
    Sdk,
    /// The service, as a field of the event.
    Service,
}

const RESOURCE: &[Place] = &[Place::Resource];
const RECORD: &[Place] = &[Place::Record];
const SPAN: &[Place] = &[Place::Span];
const EVERYWHERE: &[Place] = &[Place::Span, Place::Record];

const fn sdk(name: &'static str, places: &'static [Place]) -> Attribute {
    Attribute {
        name,
        places,
        set_by: SetBy::Sdk,
        formerly: &[],
    }
}

const fn service(name: &'static str, formerly: &'static [Former]) -> Attribute {
    Attribute {
        name,
        places: RECORD,
        set_by: SetBy::Service,
        formerly,
    }
}

const fn field(name: &'static str, formerly: &'static [Former]) -> Attribute {
    Attribute {
        name,
        places: &[Place::RecordField],
        set_by: SetBy::Sdk,
        formerly,
    }
}

impl Attribute {
    const fn was(mut self, formerly: &'static [Former]) -> Self {
        self.formerly = formerly;
        self
    }
}

/// The attributes that the SDK sets, and those that the streams of a service carry.
pub const ATTRIBUTES: &[Attribute] = &[
    sdk("service.name", RESOURCE).was(&[cosmo("environment.service")]),
    sdk("service.version", RESOURCE).was(&[cosmo("environment.version")]),
    sdk("service.namespace", RESOURCE),
    sdk("service.instance.id", RESOURCE),
    sdk("deployment.environment.name", RESOURCE).was(&[cosmo("environment.debug")]),
    sdk("host.name", RESOURCE),
    sdk("host.arch", RESOURCE),
    sdk("host.id", RESOURCE),
    sdk("os.type", RESOURCE),
    sdk("os.name", RESOURCE),
    sdk("os.version", RESOURCE),
    sdk("os.description", RESOURCE),
    sdk("process.pid", RESOURCE).was(&[cosmo("process")]),
    sdk("process.executable.name", RESOURCE),
    sdk("process.executable.path", RESOURCE),
    sdk("process.owner", RESOURCE),
    sdk("process.runtime.name", RESOURCE),
    sdk("process.runtime.version", RESOURCE),
    sdk("container.id", RESOURCE),
    sdk("k8s.cluster.name", RESOURCE),
    sdk("k8s.namespace.name", RESOURCE),
    sdk("k8s.deployment.name", RESOURCE),
    sdk("k8s.node.name", RESOURCE),
    sdk("k8s.pod.name", RESOURCE),
    sdk("k8s.pod.uid", RESOURCE),
    sdk("k8s.container.name", RESOURCE),
    sdk("telemetry.sdk.name", RESOURCE),
    sdk("telemetry.sdk.language", RESOURCE),
    sdk("telemetry.sdk.version", RESOURCE),
    sdk("telemetry.distro.name", RESOURCE),
    sdk("telemetry.distro.version", RESOURCE),
    field(
        "timestamp",
        &[
            cosmo("timestamp"),
            derrakht("timestamp"),
            fastapi("timestamp"),
        ],
    ),
    field("observed_timestamp", &[]),
    field(
        "severity_text",
        &[cosmo("level"), derrakht("level"), fastapi("level")],
    ),
    field("severity_number", &[]),
    field(
        "body",
        &[cosmo("message"), derrakht("message"), fastapi("message")],
    ),
    field(
        "event_name",
        &[
            billing("event_type"),
            cosmo("security_event"),
            derrakht("event_name"),
            fastapi("event_type"),
            freshbytes("event_type"),
        ],
    ),
    field(
        "scope.name",
        &[
            cosmo("logger"),
            derrakht("logger"),
            derrakht("event_category"),
            fastapi("logger"),
        ],
    ),
    field(
        "attributes",
        &[
            billing("details"),
            cosmo("task_data"),
            derrakht("extra_data"),
            derrakht("properties"),
            freshbytes("details"),
        ],
    ),
    field("trace_id", &[]),
    field("span_id", &[]),
    field("flags", &[]),
    sdk("user.id", EVERYWHERE).was(&[
        billing("user_id"),
        cosmo("user_id"),
        cosmo("request.user_id"),
        derrakht("user_id"),
        freshbytes("user_id"),
    ]),
    sdk("session.id", EVERYWHERE),
    sdk("request.id", EVERYWHERE).was(&[billing("request_id"), fastapi("request_id")]),
    sdk("tenant.id", EVERYWHERE),
    sdk("code.file.path", RECORD).was(&[
        cosmo("module"),
        cosmo("function"),
        fastapi("module"),
        fastapi("function"),
    ]),
    sdk("code.line.number", RECORD).was(&[cosmo("line"), fastapi("line")]),
    sdk("log.suppressed_count", RECORD),
    sdk("exception.type", RECORD),
    sdk("exception.message", RECORD).was(&[billing("error")]),
    sdk("exception.stacktrace", RECORD),
    sdk("thread.name", RECORD).was(&[cosmo("thread"), cosmo("thread_name")]),
    sdk("db.system.name", EVERYWHERE),
    sdk("db.namespace", EVERYWHERE),
    sdk("db.query.summary", EVERYWHERE),
    sdk("db.query.text", EVERYWHERE),
    sdk("db.operation.name", SPAN),
    sdk("db.response.status_code", SPAN),
    sdk("db.response.returned_rows", SPAN),
    sdk("db.client.operation.duration", RECORD),
    sdk("db.query.count", RECORD).was(&[cosmo("queries_count")]),
    sdk("db.query.time", RECORD),
    sdk("attack.location", RECORD),
    sdk("attack.rule", RECORD),
    sdk("attack.evidence", RECORD),
    sdk("attack.blocked", RECORD),
    sdk("attack.untold_count", RECORD),
    sdk("rate_limit.name", RECORD),
    sdk("rate_limit.count", RECORD),
    sdk("rate_limit.limit", RECORD),
    sdk("rate_limit.window", RECORD),
    sdk("health.check.name", RECORD),
    sdk("health.check.critical", RECORD),
    sdk("health.check.duration", RECORD),
    service("log.category", &[cosmo("security_category")]),
    service("event.severity", &[billing("severity")]),
    sdk("client.address", EVERYWHERE).was(&[
        billing("ip"),
        cosmo("request.remote_addr"),
        cosmo("ip_address"),
        derrakht("ip_address"),
        fastapi("client_ip"),
    ]),
    sdk("user_agent.original", EVERYWHERE).was(&[
        cosmo("request.user_agent"),
        cosmo("user_agent"),
        fastapi("user_agent"),
    ]),
    sdk("http.request.method", EVERYWHERE).was(&[billing("Method"), cosmo("request.method")]),
    sdk("http.route", EVERYWHERE),
    sdk("url.path", EVERYWHERE).was(&[
        billing("path"),
        billing("attempted_endpoint"),
        cosmo("request.path"),
    ]),
    sdk("http.response.status_code", EVERYWHERE).was(&[billing("Status"), fastapi("status_code")]),
    sdk("http.server.request.duration", RECORD).was(&[
        billing("Duration"),
        cosmo("duration"),
        cosmo("performance.duration_ms"),
        fastapi("duration_ms"),
    ]),
    sdk("http.request.method_original", SPAN),
    sdk("http.request.body.size", EVERYWHERE),
    sdk("http.response.body.size", EVERYWHERE),
    sdk("url.query", SPAN),
    sdk("url.scheme", SPAN),
    sdk("server.address", SPAN),
    sdk("server.port", SPAN),
    sdk("network.peer.address", SPAN),
    sdk("network.peer.port", SPAN),
    sdk("network.protocol.name", SPAN),
    sdk("network.protocol.version", SPAN),
    sdk("network.transport", SPAN),
    sdk("error.type", EVERYWHERE),
    sdk("rpc.system.name", EVERYWHERE),
    sdk("rpc.method", EVERYWHERE),
    sdk("rpc.method_original", SPAN),
    sdk("rpc.response.status_code", EVERYWHERE),
    sdk("http.request.resend_count", SPAN),
    sdk("url.full", SPAN),
    sdk("url.template", SPAN),
    service("user.name", &[billing("username")]),
    service("user.email", &[derrakht("user_email"), derrakht("email")]),
    service("user.roles", &[cosmo("user_role")]),
    service("auth.attempt.count", &[cosmo("attempt_count")]),
    service("audit.actor", &[]),
    service(
        "audit.action",
        &[cosmo("action"), cosmo("attempted_action")],
    ),
    service("audit.resource.type", &[]),
    service("audit.resource.id", &[cosmo("target_user_id")]),
    service("audit.outcome", &[]),
    service("audit.changes", &[]),
    service("audit.reason", &[]),
    service("auth.method", &[]),
    sdk("operation.name", EVERYWHERE).was(&[billing("metric_name")]),
    sdk("operation.outcome", EVERYWHERE),
    sdk("operation.duration", RECORD),
    sdk("operation.value", RECORD).was(&[billing("value")]),
    sdk("operation.unit", RECORD).was(&[billing("unit")]),
    sdk("process.memory.usage", RECORD).was(&[cosmo("memory_usage")]),
    sdk("process.cpu.utilization", RECORD),
    sdk("job.name", EVERYWHERE),
    sdk("job.arguments", EVERYWHERE),
    sdk("job.attempt", EVERYWHERE),
    sdk("job.outcome", EVERYWHERE),
    sdk("job.duration", RECORD),
    service("order.id", &[derrakht("order_id")]),
    service("order.item.count", &[]),
    service("order.status", &[]),
    service("order.status.previous", &[]),
    service(
        "payment.id",
        &[billing("payment_id"), derrakht("payment_id")],
    ),
    service("payment.amount", &[billing("amount"), derrakht("amount")]),
    service("payment.currency", &[billing("currency")]),
    service("payment.gateway", &[derrakht("gateway")]),
    service("payment.status", &[]),
    service("payment.status.previous", &[]),
    service("invoice.id", &[]),
    service("refund.id", &[billing("refund_id")]),
    service("refund.reason", &[billing("reason")]),
    service("subscription.id", &[billing("subscription_id")]),
    service("plan.id", &[billing("plan_id")]),
    service("report.type", &[billing("report_type")]),
    service("report.record.count", &[billing("num_records")]),
    service("result.id", &[billing("result_id")]),
    service("task.id", &[cosmo("task_id")]),
    service("property.id", &[cosmo("property_id")]),
    service("story.id", &[derrakht("story_id")]),
    service("story.title", &[derrakht("story_title")]),
    service("story.activity_type", &[derrakht("activity_type")]),
    service("story.part.count", &[derrakht("parts_count")]),
    service("template.id", &[derrakht("template_id")]),
    service("page.name", &[]),
    service("page.count", &[]),
    service("feature.name", &[]),
    service("session.duration", &[]),
];
