//! Which frames of a stack are the service's own, and what names the place of one.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::normalize::normalize;
use crate::sentry::Frame;

/// The service's own frames; all, where none is known to be.
pub(super) fn of_the_service(stack: &[Frame]) -> impl DoubleEndedIterator<Item = &Frame> {
    let any = stack.iter().any(is_own);
    stack.iter().filter(move |frame| !any || is_own(frame))
}

fn is_own(frame: &Frame) -> bool {
    frame.in_app == Some(true)
}

/// The innermost of the service's own.
pub(super) fn culprit(stack: &[Frame]) -> Option<String> {
    let frame = of_the_service(stack).next_back()?;
    match (frame.module.as_deref(), frame.function.as_deref()) {
        (Some(module), Some(function)) if !function.starts_with(module) => {
            Some(format!("{module} in {function}"))
        }
        (_, Some(function)) => Some(match frame.filename.as_deref() {
            Some(file) if !function.contains(['.', ':']) => format!("{file} in {function}"),
            _ => function.to_owned(),
        }),
        (Some(place), None) => Some(place.to_owned()),
        (None, None) => frame.filename.clone(),
    }
}

/// What of a function's name is made anew by each build or each run.
static OF_THE_BUILD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"::h[0-9a-f]{16}$|\$\$Lambda[$/.\w]*|\$\$[0-9a-fA-F]+|0x[0-9a-fA-F]+|\d+").ok()
});

/// The module and the function, without what another build would change.
pub(super) fn place(frame: &Frame) -> Option<String> {
    let function = frame.function.as_deref().map(|name| match &*OF_THE_BUILD {
        Some(of_the_build) => of_the_build.replace_all(name, ""),
        None => Cow::Borrowed(name),
    });
    let function = function.filter(|name| !name.is_empty());
    let module = frame.module.as_deref().or_else(|| {
        // A bundle is named after its content, and lies wherever it was put.
        let path = frame.filename.as_deref()?;
        path.rsplit(['/', '\\']).next()
    });
    if function.is_none() && module.is_none() {
        return None;
    }
    let module = module.map(normalize).unwrap_or_default();
    Some(format!("{module} {}", function.unwrap_or_default()))
}
