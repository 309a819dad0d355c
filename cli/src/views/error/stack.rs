//! An exception with its stack, as one reads it: the newest call first, the service's own calls
//! open and all others folded.

use crate::sentry::{Exception, Frame};

/// Of a stack in which nobody knows the service's own frames, so many are shown at once.
const SHOWN: usize = 8;

pub(super) struct Thrown {
    pub(super) kind: String,
    pub(super) value: String,
    /// How it was caught, in words.
    pub(super) how: String,
    /// The frames that say most.
    pub(super) own: Vec<Call>,
    /// The whole stack, if the rest is folded.
    pub(super) all: Vec<Call>,
}

#[derive(Clone)]
pub(super) struct Call {
    pub(super) function: String,
    pub(super) place: String,
    pub(super) own: bool,
    /// Numbered lines, with whether each is the one.
    pub(super) source: Vec<(String, String, bool)>,
}

impl Thrown {
    pub(super) fn of(exception: Exception) -> Self {
        let all: Vec<Call> = exception.frames.iter().rev().map(Call::of).collect();
        let mut own: Vec<Call> = all.iter().filter(|call| call.own).cloned().collect();
        if own.is_empty() {
            own = all.iter().take(SHOWN).cloned().collect();
        }
        let how = exception.mechanism.as_ref().map(|mechanism| {
            let handled = match mechanism.handled {
                Some(true) => "handled",
                Some(false) => "not handled",
                None => "",
            };
            let kind = mechanism.kind.as_deref().unwrap_or_default();
            let parts = [kind, handled].into_iter().filter(|part| !part.is_empty());
            parts.collect::<Vec<_>>().join(", ")
        });
        Self {
            kind: exception.kind.unwrap_or_default(),
            value: exception.value.unwrap_or_default(),
            how: how.unwrap_or_default(),
            all: if all.len() > own.len() {
                all
            } else {
                Vec::new()
            },
            own,
        }
    }
}

impl Call {
    fn of(frame: &Frame) -> Self {
        let function = match (&frame.module, &frame.function) {
            (Some(module), Some(function)) if !function.starts_with(module.as_str()) => {
                format!("{module} · {function}")
            }
            (_, Some(function)) => function.clone(),
            (Some(module), None) => module.clone(),
            (None, None) => "(no name)".to_owned(),
        };
        let mut place = frame
            .filename
            .clone()
            .or_else(|| frame.abs_path.clone())
            .unwrap_or_default();
        for number in [frame.lineno, frame.colno].into_iter().flatten() {
            place.push_str(&format!(":{number}"));
        }
        Self {
            function,
            place,
            own: frame.in_app == Some(true),
            source: source(frame),
        }
    }
}

/// The lines around, where the SDK sent them.
fn source(frame: &Frame) -> Vec<(String, String, bool)> {
    let Some(line) = &frame.context_line else {
        return Vec::new();
    };
    let before = frame.pre_context.len() as u64;
    let first = frame.lineno.map(|line| line.saturating_sub(before));
    let lines = frame
        .pre_context
        .iter()
        .chain([line])
        .chain(&frame.post_context);
    lines
        .enumerate()
        .map(|(index, text)| {
            let number = first.map(|first| (first + index as u64).to_string());
            (
                number.unwrap_or_default(),
                text.clone(),
                index as u64 == before,
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, in_app: Option<bool>) -> Frame {
        Frame {
            function: Some(function.to_owned()),
            in_app,
            ..Frame::default()
        }
    }

    fn names(calls: &[Call]) -> Vec<&str> {
        calls.iter().map(|call| call.function.as_str()).collect()
    }

    #[test]
    fn the_services_own_calls_come_first_and_the_newest_before_the_older() {
        let thrown = Thrown::of(Exception {
            frames: vec![
                frame("main", Some(true)),
                frame("serve", Some(false)),
                frame("pay", Some(true)),
            ],
            ..Exception::default()
        });
        assert_eq!(names(&thrown.own), ["pay", "main"]);
        assert_eq!(names(&thrown.all), ["pay", "serve", "main"]);
    }

    #[test]
    fn a_stack_of_which_nobody_knows_whose_it_is_is_shown_from_the_newest_call() {
        let frames = (0..20).map(|number| frame(&number.to_string(), None));
        let thrown = Thrown::of(Exception {
            frames: frames.collect(),
            ..Exception::default()
        });
        assert_eq!(names(&thrown.own)[..2], ["19", "18"]);
        assert_eq!((thrown.own.len(), thrown.all.len()), (SHOWN, 20));
    }

    #[test]
    fn the_lines_around_have_their_numbers() {
        let lines = source(&Frame {
            lineno: Some(7),
            pre_context: vec!["five".into(), "six".into()],
            context_line: Some("seven".into()),
            post_context: vec!["eight".into()],
            ..Frame::default()
        });
        let numbers: Vec<_> = lines.iter().map(|(number, ..)| number.as_str()).collect();
        assert_eq!(numbers, ["5", "6", "7", "8"]);
        let chosen: Vec<_> = lines.iter().filter(|(.., is)| *is).collect();
        assert_eq!(chosen.len(), 1);
        assert_eq!(chosen[0].1, "seven");
    }
}
