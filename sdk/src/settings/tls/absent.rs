//! In place of the variables for certificates where the feature `tls` is not built. An `https`
//! endpoint is an error then, so that they can only be left over from another build.

use super::env::Env;
use super::features;
use super::otlp::Names;
use crate::InitError;

#[derive(Clone, Debug, Default)]
pub(crate) struct TlsSettings {}

impl TlsSettings {
    pub(super) fn read(env: &Env<'_>, names: &Names) -> Result<Self, InitError> {
        for suffix in ["CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"] {
            if let Some((variable, _)) = names.of(suffix).first_set(env) {
                env.warn(format!(
                    "{variable} has no effect: {}",
                    features::without("tls")
                ));
            }
        }
        Ok(Self)
    }

    pub(super) fn is_set(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_in_vain_is_said_with_the_feature() {
        let variable = "OTEL_EXPORTER_OTLP_CLIENT_KEY";
        let lookup = |name: &str| (name == variable).then(|| "client.key".to_owned());
        let env = Env::new(&lookup);
        let tls = TlsSettings::read(&env, &Names { signal: "logs" }).unwrap();
        assert!(!tls.is_set());
        let said = env.take_warnings().join("\n");
        assert!(said.contains(variable) && said.contains("`tls`"), "{said}");
    }
}
