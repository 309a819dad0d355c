//! What a thread keeps from one line to the next: the line's own storage, and what would be
//! worked out again each time, such as the date and the thread's name.
//!
//! Before, the storage was allocated with each line, and the time alone cost 1,800 of a
//! line's 14,000 instructions, the thread's number 1,100.

use std::cell::RefCell;
use std::io::Write;
use std::thread::ThreadId;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::event::escape::push_json;

/// A line of more bytes than this gives its storage back.
const KEPT_BYTES: usize = 64 * 1024;

const DAY: u64 = 24 * 60 * 60;

/// The last second of the year 9999, after which a date has another form.
const LAST_SECOND: u64 = 253_402_300_799;

/// A thread's storage for lines.
#[derive(Default)]
pub(super) struct Line {
    pub(super) bytes: Vec<u8>,
    /// The day that was written last, in days since 1970, and its form.
    day: Option<(u64, [u8; 10])>,
    /// The members of the JSON line that name the thread.
    thread: Option<Box<[u8]>>,
}

thread_local! {
    static LINE: RefCell<Line> = RefCell::default();
}

/// Calls `write` with this thread's empty line. A fresh one takes its place where the
/// thread is writing a line already (a panic below it makes a record of its own), or is at
/// its end.
pub(super) fn with(write: impl FnOnce(&mut Line)) {
    let mut write = Some(write);
    let _ = LINE.try_with(|line| {
        if let Ok(mut line) = line.try_borrow_mut()
            && let Some(write) = write.take()
        {
            line.bytes.clear();
            write(&mut line);
            line.bytes.clear();
            line.bytes.shrink_to(KEPT_BYTES);
        }
    });
    if let Some(write) = write {
        write(&mut Line::default());
    }
}

impl Line {
    /// RFC 3339, UTC, microseconds.
    pub(super) fn push_timestamp(&mut self, time: SystemTime) {
        let Some(since) = time
            .duration_since(UNIX_EPOCH)
            .ok()
            .filter(|since| since.as_secs() <= LAST_SECOND)
        else {
            // A clock that is this wrong may take its time.
            self.bytes
                .extend_from_slice(super::timestamp(time).as_bytes());
            return;
        };
        let (day, second) = (since.as_secs() / DAY, since.as_secs() % DAY);
        let date = match self.day {
            Some((kept, date)) if kept == day => date,
            _ => {
                let mut date = [b'0'; 10];
                date.copy_from_slice(&super::timestamp(time).as_bytes()[..10]);
                self.day = Some((day, date));
                date
            }
        };
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        text[..10].copy_from_slice(&date);
        digits(&mut text[11..13], second / 3_600);
        digits(&mut text[14..16], second / 60 % 60);
        digits(&mut text[17..19], second % 60);
        digits(&mut text[20..26], since.subsec_micros().into());
        self.bytes.extend_from_slice(&text);
    }

    /// `,"thread":"main","thread_id":1`
    pub(super) fn push_thread(&mut self) {
        let thread = self.thread.get_or_insert_with(thread_members);
        self.bytes.extend_from_slice(thread);
    }
}

/// The last digits of a number, as many as there is room for.
fn digits(room: &mut [u8], mut number: u64) {
    for place in room.iter_mut().rev() {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn thread_members() -> Box<[u8]> {
    let thread = std::thread::current();
    let mut members = Vec::new();
    if let Some(name) = thread.name() {
        members.extend_from_slice(b",\"thread\":");
        push_json(&mut members, name);
    }
    if let Some(number) = thread_number(thread.id()) {
        // Writing to a Vec does not fail.
        let _ = write!(members, ",\"thread_id\":{number}");
    }
    members.into()
}

/// The number inside `ThreadId(7)`, which the standard library shows in no other way.
fn thread_number(id: ThreadId) -> Option<u64> {
    let shown = format!("{id:?}");
    shown
        .trim_matches(|c: char| !c.is_ascii_digit())
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn written(line: &mut Line, time: SystemTime) -> String {
        line.bytes.clear();
        line.push_timestamp(time);
        String::from_utf8(line.bytes.clone()).unwrap()
    }

    proptest! {
        #[test]
        fn a_time_is_written_as_the_calendar_says(
            seconds in proptest::collection::vec(0..LAST_SECOND + DAY, 4),
            nanoseconds in 0..1_000_000_000_u32,
        ) {
            // One line, so that a date that was kept for too long shows.
            let mut line = Line::default();
            for seconds in seconds {
                for later in [0, 1, 60, 3_600, DAY] {
                    let since = Duration::new(seconds + later, nanoseconds);
                    let time = UNIX_EPOCH + since;
                    prop_assert_eq!(written(&mut line, time), super::super::timestamp(time));
                }
            }
        }
    }

    #[test]
    fn a_time_before_1970_is_written_too() {
        let time = UNIX_EPOCH - Duration::from_micros(1);
        let text = written(&mut Line::default(), time);
        assert_eq!(text, "1969-12-31T23:59:59.999999Z");
    }

    #[test]
    fn a_line_inside_of_a_line_has_storage_of_its_own() {
        let mut written = Vec::new();
        with(|outer| {
            outer.bytes.extend_from_slice(b"outer");
            with(|inner| {
                inner.bytes.extend_from_slice(b"inner");
                written.push(inner.bytes.clone());
            });
            written.push(outer.bytes.clone());
        });
        assert_eq!(written, [b"inner", b"outer"]);
    }

    #[test]
    fn a_long_line_does_not_keep_its_storage() {
        with(|line| line.bytes.resize(10 * KEPT_BYTES, b'a'));
        with(|line| assert!(line.bytes.capacity() <= KEPT_BYTES));
    }

    #[test]
    fn a_line_names_its_own_thread() {
        let members = || {
            let mut members = Vec::new();
            with(|line| {
                line.push_thread();
                members.clone_from(&line.bytes);
            });
            String::from_utf8(members).unwrap()
        };
        let named = std::thread::Builder::new().name("a\"b".to_owned());
        let other = named.spawn(members).unwrap().join().unwrap();
        let number = other
            .strip_prefix(r#","thread":"a\"b","thread_id":"#)
            .unwrap();
        assert!(number.parse::<u64>().is_ok() && !members().contains("a\\\"b"));
    }
}
