//! Which headers carry a trace from one service to the next: `OTEL_PROPAGATORS`.

use std::fmt;

use super::env::Env;
use super::setting::Source;
use crate::propagation::DEFAULT;

const VARIABLE: &str = "OTEL_PROPAGATORS";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PropagatorName {
    TraceContext,
    Baggage,
    B3,
    B3Multi,
    XRay,
}

impl PropagatorName {
    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "tracecontext" => Some(Self::TraceContext),
            "baggage" => Some(Self::Baggage),
            "b3" => Some(Self::B3),
            "b3multi" => Some(Self::B3Multi),
            "xray" => Some(Self::XRay),
            _ => None,
        }
    }
}

impl fmt::Display for PropagatorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TraceContext => "tracecontext",
            Self::Baggage => "baggage",
            Self::B3 => "b3",
            Self::B3Multi => "b3multi",
            Self::XRay => "xray",
        })
    }
}

/// The propagators in the order that they were named, each once. An unknown one is left
/// out; where nothing usable was named, the default holds.
pub(super) fn propagators(env: &Env<'_>) -> Vec<PropagatorName> {
    let mut found = Vec::new();
    let mut none = false;
    let mut unknown = Vec::new();
    for name in env.get(VARIABLE).unwrap_or_default().split(',') {
        match name.trim() {
            "" => {}
            name if name.eq_ignore_ascii_case("none") => none = true,
            name => match PropagatorName::parse(name) {
                Some(known) if !found.contains(&known) => found.push(known),
                Some(_) => {}
                None => unknown.push(name.to_owned()),
            },
        }
    }
    let usable = none || !found.is_empty();
    let (chosen, source) = match usable {
        true => (found, Source::Variable(VARIABLE.to_owned())),
        false => (DEFAULT.to_vec(), Source::Default),
    };
    let shown = match chosen.as_slice() {
        [] => "none".to_owned(),
        names => names
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(","),
    };
    for name in unknown {
        let why = match name.to_ascii_lowercase().as_str() {
            "jaeger" | "ottrace" => "has no crate for the OpenTelemetry version in use",
            _ => "is unknown",
        };
        env.warn(format!(
            "{VARIABLE}: the propagator {name:?} {why} (expected a list of tracecontext, baggage, b3, b3multi and xray, or none); {shown} is used"
        ));
    }
    env.decide(VARIABLE, shown, source);
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> (String, Vec<String>) {
        let lookup = |_: &str| Some(value.to_owned());
        let env = Env::new(&lookup);
        propagators(&env);
        (env.take_decided()[0].value.clone(), env.take_warnings())
    }

    #[test]
    fn each_is_registered_once_and_in_the_order_that_was_given() {
        for (value, chosen) in [
            ("", "tracecontext,baggage"),
            ("none", "none"),
            ("b3multi, B3,b3", "b3multi,b3"),
            ("xray,tracecontext,baggage", "xray,tracecontext,baggage"),
        ] {
            assert_eq!(read(value), (chosen.to_owned(), Vec::new()));
        }
    }

    #[test]
    fn one_that_does_not_exist_warns_and_the_others_stay() {
        for name in ["jaeger", "ottrace", "carrier-pigeon"] {
            let (chosen, warnings) = read(&format!("b3,{name}"));
            assert_eq!(chosen, "b3");
            assert!(warnings[0].contains(name), "{warnings:?}");
            let (chosen, warnings) = read(name);
            assert_eq!(chosen, "tracecontext,baggage");
            assert!(
                warnings[0].contains("tracecontext,baggage is used"),
                "{warnings:?}"
            );
        }
    }
}
