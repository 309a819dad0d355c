//! One program for all targets, as each links the whole SDK: `FUZZ_TARGET` names the one to
//! run, and the arguments are libFuzzer's.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
mod program {
    use std::sync::LazyLock;

    use throughline::fuzzing::TARGETS;

    static RUN: LazyLock<fn(&[u8])> = LazyLock::new(|| {
        let wanted = std::env::var("FUZZ_TARGET").unwrap_or_default();
        let found = TARGETS.iter().find(|(name, _)| *name == wanted);
        let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        found
            .unwrap_or_else(|| panic!("FUZZ_TARGET={wanted:?} is none of {names:?}"))
            .1
    });

    libfuzzer_sys::fuzz_target!(|data: &[u8]| (*RUN)(data));
}

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("this is built and run by `cargo xtask fuzz`");
    std::process::exit(2);
}
