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
    service(
        "client.address",
        &[
            billing("ip"),
            cosmo("request.remote_addr"),
            cosmo("ip_address"),
            derrakht("ip_address"),
            fastapi("client_ip"),
        ],
    ),
    service(
        "user_agent.original",
        &[
            cosmo("request.user_agent"),
            cosmo("user_agent"),
            fastapi("user_agent"),
        ],
    ),
    service(
        "http.request.method",
        &[billing("Method"), cosmo("request.method")],
    ),
    service("http.route", &[]),
    service(
        "url.path",
        &[
            billing("path"),
            billing("attempted_endpoint"),
            cosmo("request.path"),
        ],
    ),
    service(
        "http.response.status_code",
        &[billing("Status"), fastapi("status_code")],
    ),
    service(
        "http.server.request.duration",
        &[
            billing("Duration"),
            cosmo("duration"),
            cosmo("performance.duration_ms"),
            fastapi("duration_ms"),
        ],
    ),
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
    service("operation.name", &[billing("metric_name")]),
    service("operation.duration", &[billing("value"), billing("unit")]),
    service("db.query.count", &[cosmo("queries_count")]),
    service("job.name", &[]),
    service("order.id", &[derrakht("order_id")]),
    service(
        "payment.id",
        &[billing("payment_id"), derrakht("payment_id")],
    ),
    service("payment.amount", &[billing("amount"), derrakht("amount")]),
    service("payment.currency", &[billing("currency")]),
    service("payment.gateway", &[derrakht("gateway")]),
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
];
