//! The storage of a thread's last record, for its next one: a record's texts were most of
//! what an event allocated.

use std::cell::Cell;

use super::record::{Record, Value};

/// A text with room for more bytes than this is not kept, nor are more texts than
/// [`KEPT_TEXTS`]: a thread keeps 64 KiB at most.
const KEPT_BYTES: usize = 2 * 1024;
const KEPT_TEXTS: usize = 32;

/// Empty lists and texts that have room.
#[derive(Default)]
pub(super) struct Spare {
    pub(super) fields: Vec<(&'static str, Value)>,
    texts: Vec<String>,
}

thread_local! {
    static SPARE: Cell<Spare> = const {
        Cell::new(Spare {
            fields: Vec::new(),
            texts: Vec::new(),
        })
    };
}

impl Spare {
    /// This thread's. It is gone from there until [`keep`](Self::keep), so that an event
    /// inside of a value's `Debug` takes nothing from the one that is being visited.
    pub(super) fn take() -> Self {
        // A thread at its end has none.
        SPARE.try_with(Cell::take).unwrap_or_default()
    }

    pub(super) fn keep(self) {
        let _ = SPARE.try_with(|spare| spare.set(self));
    }

    /// An empty text.
    pub(super) fn text(&mut self) -> String {
        self.texts.pop().unwrap_or_default()
    }

    fn take_back(&mut self, mut text: String) {
        let room = text.capacity();
        if room > 0 && room <= KEPT_BYTES && self.texts.len() < KEPT_TEXTS {
            text.clear();
            self.texts.push(text);
        }
    }
}

/// Takes back what a record was made of, after the last sink has seen it.
pub(super) fn take_back(record: Record<'_>) {
    let mut spare = Spare::take();
    let mut fields = record.fields;
    for (_, value) in fields.drain(..) {
        if let Value::Text(text) = value {
            spare.take_back(text);
        }
    }
    spare.take_back(record.message);
    if fields.capacity() <= KEPT_TEXTS {
        spare.fields = fields;
    }
    spare.keep();
}

#[cfg(test)]
mod tests {
    use super::super::console::tests::record;
    use super::*;

    #[test]
    fn a_thread_keeps_texts_empty_and_within_bounds() {
        let mut given = record();
        given.message = "secret".to_owned();
        given.fields = vec![("long", Value::Text("a".repeat(KEPT_BYTES + 1)))];
        for index in 0..2 * KEPT_TEXTS {
            given.fields.push(("short", Value::Text(index.to_string())));
        }
        take_back(given);
        let spare = Spare::take();
        assert_eq!(spare.texts.len(), KEPT_TEXTS);
        assert!(spare.texts.iter().all(String::is_empty));
        assert!(spare.texts.iter().all(|it| it.capacity() <= KEPT_BYTES));
        assert_eq!(spare.fields.capacity(), 0, "longer than any usual record's");
    }
}
