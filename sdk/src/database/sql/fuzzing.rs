//! What must hold of any statement; see [`crate::fuzzing`].

use super::lexer::{Kind, Lexer};
use super::{CUT, Dialect, MAX_SUMMARY, MAX_TEXT, Reading, read};

const ALL: [Dialect; 3] = [Dialect::PostgreSql, Dialect::MySql, Dialect::Sqlite];

/// Stands inside of values. No keyword has its letters.
const SECRET: &str = "zqjxzq";

/// What ends a value too early, or too late, where it is read by another database's rules.
const INSIDE: [&str; 22] = [
    " ", "--", "/*", "*/", "#", "$$", "$a$", "\"", "`", "[", "]", "\n", "\r", ";", "(", ",", "1",
    " FROM ", "ß", "''", "E", "/*!",
];

/// What stands between values, and has a meaning of its own to some lexer.
const BETWEEN: [&str; 20] = [
    " ",
    ", ",
    " = ",
    " (",
    ") ",
    " AND ",
    " -- a\n",
    " /* b */ ",
    " || ",
    "::text ",
    " IN (",
    " SELECT a FROM b WHERE ",
    " c$d ",
    "+",
    " .5 ",
    " JOIN t ON ",
    "; UPDATE u SET v = ",
    "- ",
    " < ",
    " $1 ",
];

/// Any text, and a statement that the same bytes choose the parts of.
pub(crate) fn statements(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for dialect in ALL {
        within_bounds(&read(&text, dialect), &text, dialect);
        let statement = statement(data, dialect);
        let reading = read(&statement, dialect);
        within_bounds(&reading, &statement, dialect);
        for told in [&reading.text, &reading.summary] {
            assert!(
                !told.contains(SECRET),
                "{dialect:?}: {told:?} of {statement:?}"
            );
        }
    }
}

fn within_bounds(reading: &Reading, sql: &str, dialect: Dialect) {
    let text = reading.text.as_str();
    assert!(
        text.len() <= MAX_TEXT.min(sql.len()) + CUT.len_utf8(),
        "{text:?} of {sql:?}"
    );
    assert!(reading.summary.len() <= MAX_SUMMARY);
    assert!(reading.summary.starts_with(&reading.operation));
    let mut lexer = Lexer::new(text, dialect);
    while let Some(token) = lexer.next() {
        assert_ne!(
            token.kind,
            Kind::Literal,
            "{dialect:?}: {text:?} of {sql:?}"
        );
    }
}

/// Values with the secret in them; each byte chooses what is next.
fn statement(data: &[u8], dialect: Dialect) -> String {
    let mut sql = "SELECT x FROM y WHERE z = ".to_owned();
    let mut bytes = data.iter().map(|byte| usize::from(*byte)).take(256);
    while let Some(byte) = bytes.next() {
        sql.push_str(BETWEEN[byte % BETWEEN.len()]);
        // A value is no part of the word before it.
        if sql.ends_with(|last: char| last.is_alphanumeric() || "_'?$".contains(last)) {
            sql.push(' ');
        }
        let form = bytes.next().unwrap_or_default();
        let mut inside = SECRET.to_owned();
        for _ in 0..form >> 4 & 7 {
            inside.push_str(INSIDE[bytes.next().unwrap_or_default() % INSIDE.len()]);
        }
        inside.push_str(SECRET);
        sql.push_str(&value(&inside, form, dialect));
        sql.push(' ');
    }
    sql
}

fn value(inside: &str, form: usize, dialect: Dialect) -> String {
    match (dialect, form & 7) {
        (Dialect::PostgreSql, 0) => format!("E'{inside}\\'{SECRET}'"),
        (Dialect::PostgreSql, 1) => format!("$q${inside}$q$"),
        (Dialect::PostgreSql, 2) => format!("$${}$$", inside.replace('$', "")),
        (Dialect::PostgreSql, 3) => format!("U&'{inside}'"),
        (Dialect::MySql, 0) => format!("\"{}\"", inside.replace('"', "\"\"")),
        (Dialect::MySql, 1) => format!("N'{inside}\\'{SECRET}'"),
        (Dialect::MySql, 2) => format!("'{inside}\\\\'"),
        (Dialect::MySql, 3) => format!("\"{}\\\"{SECRET}\"", inside.replace('"', "\"\"")),
        (Dialect::Sqlite, 1) => format!("'{inside}\\'"),
        (_, 4) => format!("7{SECRET}"),
        (_, 5) => format!("x'{inside}'"),
        _ => format!("'{inside}'"),
    }
}
