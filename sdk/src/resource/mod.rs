//! Who emits: the attributes that every span, record and metric of this process carries.
//! Names: <https://opentelemetry.io/docs/specs/semconv/resource/>.

mod container;
mod host;
mod instance;
mod kubernetes;
mod os;
mod process;

use opentelemetry::{Key, KeyValue, Value};
use opentelemetry_sdk::Resource;

use crate::settings::{Settings, Source};
#[cfg(fuzzing)]
pub(crate) use container::id as container_id;
use instance::Place;

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
    let service = service_name(&identity, settings).0;
    let environment = settings
        .resource_attributes
        .iter()
        .map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let code = [
        Some(KeyValue::new("service.name", service.clone())),
        identity
            .version
            .map(|version| KeyValue::new("service.version", version)),
        identity
            .environment
            .map(|name| KeyValue::new("deployment.environment.name", name)),
    ];
    Resource::builder_empty()
        .with_attributes(found(&service, settings))
        .with_attributes(environment)
        .with_attributes(identity.attributes)
        .with_attributes(code.into_iter().flatten())
        .build()
}

/// The service's name, and who gave it.
fn service_name(identity: &Identity, settings: &Settings) -> (String, Source) {
    if let Some(name) = &settings.service_name {
        let source = Source::Variable("OTEL_SERVICE_NAME".to_owned());
        return (name.clone(), source);
    }
    let given = identity
        .attributes
        .iter()
        .rfind(|a| a.key.as_str() == "service.name");
    if let Some(attribute) = given {
        return (attribute.value.to_string(), Source::Code);
    }
    let mut attributes = settings.resource_attributes.iter();
    match attributes.rfind(|(key, _)| key == "service.name") {
        Some((_, name)) => {
            let source = Source::Variable("OTEL_RESOURCE_ATTRIBUTES".to_owned());
            (name.clone(), source)
        }
        None => (identity.service_name.clone(), Source::Code),
    }
}

/// Puts on record what the service is called and who said so.
pub(crate) fn decide(identity: &Identity, settings: &mut Settings) {
    let (name, source) = service_name(identity, settings);
    settings.decide("OTEL_SERVICE_NAME", name, source);
    for (key, said) in [
        ("service.version", &identity.version),
        ("deployment.environment.name", &identity.environment),
    ] {
        if let Some(value) = said {
            settings.decide(key, value, Source::Code);
        }
    }
}

/// What the process can find out about itself and where it runs.
fn found(service: &str, settings: &Settings) -> Vec<KeyValue> {
    let mountinfo = text_of("/proc/self/mountinfo");
    let cgroup = text_of("/proc/self/cgroup");
    let container = container::id(&cgroup, &mountinfo);
    let namespace = text_of("/var/run/secrets/kubernetes.io/serviceaccount/namespace");
    let host_name = gethostname::gethostname().into_string().ok();
    let pod = kubernetes::attributes(
        &settings.kubernetes,
        host_name.as_deref(),
        &namespace,
        &mountinfo,
    );
    let contained = container.is_some() || settings.kubernetes.present;
    let machine = if contained {
        String::new()
    } else {
        text_of("/etc/machine-id")
    };
    let of_pod = |key: &str| -> Option<String> {
        let attribute = pod.iter().find(|attribute| attribute.key.as_str() == key)?;
        Some(attribute.value.to_string())
    };
    let (uid, container_name) = (of_pod("k8s.pod.uid"), of_pod("k8s.container.name"));
    let place = if instance::is_main(std::process::id(), parent_id()) {
        Place {
            pod: uid.as_deref(),
            container_name: container_name.as_deref(),
            container_id: container,
        }
    } else {
        Place::default()
    };
    let mut found = vec![
        KeyValue::new("service.instance.id", instance::id(service, &place)),
        KeyValue::new("telemetry.sdk.name", "opentelemetry"),
        KeyValue::new("telemetry.sdk.language", "rust"),
        KeyValue::new("telemetry.sdk.version", SDK_VERSION),
        KeyValue::new("telemetry.distro.name", "throughline"),
        KeyValue::new("telemetry.distro.version", env!("CARGO_PKG_VERSION")),
    ];
    found.extend(host::attributes(host_name, &machine));
    found.extend(os::attributes(&os_release()));
    let executable = std::env::current_exe().ok();
    found.extend(process::attributes(
        executable.as_deref(),
        &text_of("/proc/self/status"),
        &text_of("/etc/passwd"),
    ));
    found.extend(container.map(|id| KeyValue::new("container.id", id.to_owned())));
    found.extend(pod);
    found
}

/// Empty where there is no such file, or none that may be read: then there is nothing to
/// tell, which is no reason to fail.
fn text_of(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The two places of os-release(5), the first of which wins.
fn os_release() -> String {
    let release = text_of("/etc/os-release");
    if release.is_empty() {
        text_of("/usr/lib/os-release")
    } else {
        release
    }
}

#[cfg(unix)]
fn parent_id() -> u32 {
    std::os::unix::process::parent_id()
}

/// Elsewhere no parent is known, and so no process counts as a container's main one.
#[cfg(not(unix))]
fn parent_id() -> u32 {
    u32::MAX
}

/// The OpenTelemetry SDK's version in step with the workspace's pin.
const SDK_VERSION: &str = "0.33.1";

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
