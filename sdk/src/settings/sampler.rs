//! `OTEL_TRACES_SAMPLER`, its argument, and whose decision is followed, read here and not by the SDK, so that what does
//! not work is said: <https://opentelemetry.io/docs/specs/otel/trace/sdk/#sampling>.

use std::fmt;

use opentelemetry_sdk::trace::Sampler;

use super::env::Env;

const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
const EXPECTED: &str = "always_on, always_off or traceidratio, each also with parentbased_ before; jaeger_remote and xray need a service to ask, which throughline does not";

/// The sampler that the environment asks for.
#[derive(Clone, Debug)]
pub(crate) struct SamplerSettings {
    /// Decides traces that begin here.
    pub(crate) root: Sampler,
    /// Whether a parent's decision is followed, which is the default.
    pub(crate) parent_based: bool,
    /// Whose decision is followed then.
    pub(crate) trust: TrustInbound,
}

/// Which remote parents are believed when they say whether a trace is kept
/// (`THROUGHLINE_TRUST_INBOUND`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrustInbound {
    None,
    /// Those whose request comes from a loopback or private address.
    Private,
    All,
}

impl fmt::Display for TrustInbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Private => "private",
            Self::All => "all",
        })
    }
}

pub(super) fn sampler(env: &Env<'_>) -> SamplerSettings {
    let word = env.resolve(
        &["OTEL_TRACES_SAMPLER"],
        "parentbased_always_on",
        EXPECTED,
        known,
        |word| (*word).to_owned(),
    );
    let (parent_based, root) = match word.strip_prefix("parentbased_") {
        Some(root) => (true, root),
        None => (false, word),
    };
    let root = match root {
        "always_off" => Sampler::AlwaysOff,
        "traceidratio" => Sampler::TraceIdRatioBased(ratio(env)),
        _ => Sampler::AlwaysOn,
    };
    if !word.ends_with("traceidratio") && env.get(ARGUMENT).is_some() {
        env.warn(format!(
            "{ARGUMENT} has no effect: {word} takes no argument"
        ));
    }
    SamplerSettings {
        root,
        parent_based,
        trust: trust(env),
    }
}

fn trust(env: &Env<'_>) -> TrustInbound {
    env.word(
        "THROUGHLINE_TRUST_INBOUND",
        TrustInbound::Private,
        "none, private or all",
        |text| {
            [TrustInbound::None, TrustInbound::Private, TrustInbound::All]
                .into_iter()
                .find(|trust| trust.to_string().eq_ignore_ascii_case(text))
        },
    )
}

fn known(text: &str) -> Option<&'static str> {
    [
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
    ]
    .into_iter()
    .find(|word| word.eq_ignore_ascii_case(text))
}

/// The share of traces that is kept. Only samplers with a ratio look at it.
fn ratio(env: &Env<'_>) -> f64 {
    env.word(ARGUMENT, 1.0, "a number from 0 to 1", |text| {
        text.parse()
            .ok()
            .filter(|ratio| (0.0..=1.0).contains(ratio))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, argument: &str) -> (String, Vec<String>) {
        let lookup = |variable: &str| match variable {
            "OTEL_TRACES_SAMPLER" => Some(name.to_owned()),
            "OTEL_TRACES_SAMPLER_ARG" => Some(argument.to_owned()),
            _ => None,
        };
        let env = Env::new(&lookup);
        let SamplerSettings {
            root, parent_based, ..
        } = sampler(&env);
        let built = if parent_based {
            format!("ParentBased({root:?})")
        } else {
            format!("{root:?}")
        };
        (built, env.take_warnings())
    }

    #[test]
    fn each_of_the_specifications_samplers_is_built() {
        for (name, argument, built) in [
            ("always_on", "", "AlwaysOn"),
            ("ALWAYS_OFF", "", "AlwaysOff"),
            ("traceidratio", "0.25", "TraceIdRatioBased(0.25)"),
            ("traceidratio", "", "TraceIdRatioBased(1.0)"),
            ("parentbased_always_on", "", "ParentBased(AlwaysOn)"),
            ("parentbased_always_off", "", "ParentBased(AlwaysOff)"),
            (
                "parentbased_traceidratio",
                "0",
                "ParentBased(TraceIdRatioBased(0.0))",
            ),
        ] {
            assert_eq!(read(name, argument), (built.to_owned(), Vec::new()));
        }
    }

    #[test]
    fn trust_is_private_unless_another_word_is_given() {
        for (text, trust, warnings) in [
            ("", TrustInbound::Private, 0),
            ("ALL", TrustInbound::All, 0),
            ("none", TrustInbound::None, 0),
            ("nobody", TrustInbound::Private, 1),
        ] {
            let lookup =
                |variable: &str| (variable == "THROUGHLINE_TRUST_INBOUND").then(|| text.to_owned());
            let env = Env::new(&lookup);
            assert_eq!(sampler(&env).trust, trust);
            assert_eq!(env.take_warnings().len(), warnings, "{text}");
        }
    }

    #[test]
    fn an_argument_that_no_sampler_takes_warns() {
        for name in ["", "always_on"] {
            let (_, warnings) = read(name, "0.1");
            assert!(
                warnings[0].contains("OTEL_TRACES_SAMPLER_ARG has no effect"),
                "{warnings:?}"
            );
        }
    }

    #[test]
    fn a_sampler_that_does_not_exist_warns_and_falls_back() {
        for name in ["jaeger_remote", "parentbased_jaeger_remote", "xray", "some"] {
            let (built, warnings) = read(name, "");
            assert_eq!(built, "ParentBased(AlwaysOn)");
            assert!(warnings[0].contains(name), "{warnings:?}");
            assert!(
                warnings[0].contains("parentbased_always_on is used"),
                "{warnings:?}"
            );
        }
        for argument in ["half", "2", "-0.1", "NaN"] {
            let (built, warnings) = read("traceidratio", argument);
            assert_eq!(built, "TraceIdRatioBased(1.0)");
            assert!(
                warnings[0].contains("OTEL_TRACES_SAMPLER_ARG"),
                "{warnings:?}"
            );
        }
    }
}
