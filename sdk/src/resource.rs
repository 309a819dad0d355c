//! Who emits: the attributes that every span, record and metric of this process carries.
//! Names: <https://opentelemetry.io/docs/specs/semconv/resource/>.

use opentelemetry::{Key, KeyValue, Value};
use opentelemetry_sdk::Resource;

use crate::settings::Settings;

/// What the program itself said of the service, in code.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    pub(crate) service_name: String,
    pub(crate) version: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) attributes: Vec<KeyValue>,
}

/// Puts the resource together: what is found, then the environment, then what the code says.
///
/// The service's name is the exception, and the environment wins there: code must always
/// give a name, so `OTEL_SERVICE_NAME` would otherwise never have an effect.
pub(crate) fn resource(identity: Identity, settings: &Settings) -> Resource {
    let found = [
        Some(KeyValue::new("service.name", identity.service_name)),
        // A random id, as the specification asks for: it tells replicas apart, and two
        // lives of one replica.
        Some(KeyValue::new(
            "service.instance.id",
            uuid::Uuid::new_v4().to_string(),
        )),
        gethostname::gethostname()
            .into_string()
            .ok()
            .map(|name| KeyValue::new("host.name", name)),
        Some(KeyValue::new("process.pid", i64::from(std::process::id()))),
        executable_name().map(|name| KeyValue::new("process.executable.name", name)),
        Some(KeyValue::new("process.runtime.name", "rust")),
        Some(KeyValue::new("os.type", std::env::consts::OS)),
        Some(KeyValue::new("host.arch", std::env::consts::ARCH)),
        Some(KeyValue::new("telemetry.sdk.name", "opentelemetry")),
        Some(KeyValue::new("telemetry.sdk.language", "rust")),
        Some(KeyValue::new("telemetry.sdk.version", SDK_VERSION)),
        Some(KeyValue::new("telemetry.distro.name", "throughline")),
        Some(KeyValue::new(
            "telemetry.distro.version",
            env!("CARGO_PKG_VERSION"),
        )),
    ];
    let environment = settings
        .resource_attributes
        .iter()
        .map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let code = [
        settings
            .service_name
            .clone()
            .map(|name| KeyValue::new("service.name", name)),
        identity
            .version
            .map(|version| KeyValue::new("service.version", version)),
        identity
            .environment
            .map(|name| KeyValue::new("deployment.environment.name", name)),
    ];
    Resource::builder_empty()
        .with_attributes(found.into_iter().flatten())
        .with_attributes(environment)
        .with_attributes(identity.attributes)
        .with_attributes(code.into_iter().flatten())
        .build()
}

/// The OpenTelemetry SDK's version in step with the workspace's pin.
const SDK_VERSION: &str = "0.33.1";

fn executable_name() -> Option<String> {
    let path = std::env::current_exe().ok()?;
    Some(path.file_name()?.to_str()?.to_owned())
}

/// One attribute as text, where there is one.
pub(crate) fn text(resource: &Resource, key: &'static str) -> Option<String> {
    match resource.get(&Key::from_static_str(key))? {
        Value::String(text) => Some(text.as_str().to_owned()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Env;

    fn settings(variables: &'static [(&str, &str)]) -> Settings {
        let lookup = move |name: &str| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Settings::read(&Env::new(&lookup)).unwrap()
    }

    fn identity() -> Identity {
        Identity {
            service_name: "checkout".to_owned(),
            version: Some("1.2.3".to_owned()),
            environment: None,
            attributes: vec![KeyValue::new("team", "payments")],
        }
    }

    #[test]
    fn code_names_the_service_and_the_operator_may_rename_it() {
        let plain = resource(identity(), &settings(&[]));
        assert_eq!(text(&plain, "service.name").unwrap(), "checkout");
        let by_attribute = settings(&[("OTEL_RESOURCE_ATTRIBUTES", "service.name=shop")]);
        let renamed = resource(identity(), &by_attribute);
        assert_eq!(text(&renamed, "service.name").unwrap(), "shop");
        let by_both = settings(&[
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=shop"),
            ("OTEL_SERVICE_NAME", "canary"),
        ]);
        let renamed = resource(identity(), &by_both);
        assert_eq!(text(&renamed, "service.name").unwrap(), "canary");
    }

    #[test]
    fn what_code_says_wins_over_the_environment() {
        let env = settings(&[(
            "OTEL_RESOURCE_ATTRIBUTES",
            "service.version=0.0.0,team=web,deployment.environment.name=staging",
        )]);
        let resource = resource(identity(), &env);
        assert_eq!(text(&resource, "service.version").unwrap(), "1.2.3");
        assert_eq!(text(&resource, "team").unwrap(), "payments");
        assert_eq!(
            text(&resource, "deployment.environment.name").unwrap(),
            "staging"
        );
    }

    #[test]
    fn the_process_and_this_distribution_are_named() {
        let resource = resource(identity(), &settings(&[]));
        assert_eq!(
            text(&resource, "telemetry.distro.name").unwrap(),
            "throughline"
        );
        assert_eq!(
            text(&resource, "process.pid").unwrap(),
            std::process::id().to_string()
        );
        assert_eq!(text(&resource, "service.instance.id").unwrap().len(), 36);
    }

    #[test]
    fn the_stated_sdk_version_is_the_one_that_is_linked() {
        let stock = Resource::builder().build();
        assert_eq!(text(&stock, "telemetry.sdk.version").unwrap(), SDK_VERSION);
    }
}
