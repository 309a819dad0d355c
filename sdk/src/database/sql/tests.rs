use proptest::prelude::*;

use super::Dialect::{MySql, PostgreSql, Sqlite};
use super::*;

const ALL: [Dialect; 3] = [PostgreSql, MySql, Sqlite];

fn text(dialect: Dialect, sql: &str) -> String {
    read(sql, dialect).text
}

fn summary(dialect: Dialect, sql: &str) -> String {
    read(sql, dialect).summary
}

#[test]
fn values_are_replaced_and_the_rest_stays_readable() {
    for (sql, expected) in [
        (
            "SELECT *  FROM users\n WHERE name = 'ada' AND age >= 36",
            "SELECT * FROM users WHERE name = ? AND age >= ?",
        ),
        (
            "SELECT 'it''s', 1.5e-10, .5, 0xFF, -7",
            "SELECT ?, ?, ?, ?, -?",
        ),
        ("SELECT x'CAFE', TRUE, false, NULL", "SELECT ?, ?, ?, NULL"),
        (
            "UPDATE t1 SET c2=3 -- it was 'four'\n;",
            "UPDATE t1 SET c2=? ;",
        ),
        ("SELECT/* 'x' */1", "SELECT ?"),
        ("SELECT DATE '2020-01-01'", "SELECT DATE ?"),
        ("", ""),
    ] {
        for dialect in ALL {
            assert_eq!(text(dialect, sql), expected, "{dialect:?}");
        }
    }
}

#[test]
fn each_database_has_its_own_quotes() {
    for (dialect, sql, expected) in [
        (
            PostgreSql,
            r"SELECT E'it\'s', B'1', U&'\0041' FROM t",
            "SELECT ?, ?, ? FROM t",
        ),
        (
            PostgreSql,
            "SELECT $$a 'b' $x$ c$$, $x$ $$ 'd' $x$, e$1",
            "SELECT ?, ?, e$1",
        ),
        (
            PostgreSql,
            "SELECT \"a b\" FROM \"c\"\"d\" WHERE e = $1",
            "SELECT \"a b\" FROM \"c\"\"d\" WHERE e = $1",
        ),
        (
            PostgreSql,
            "SELECT a[1], ARRAY['x'], b::text, 'c'::text",
            "SELECT a[?], ARRAY[?], b::text, ?::text",
        ),
        (
            PostgreSql,
            "SELECT 1 /* a /* 'b' */ 'c' */, 2",
            "SELECT ? , ?",
        ),
        (PostgreSql, "SELECT 1,$$a b$$", "SELECT ?,?"),
        (
            MySql,
            "SELECT \"a b\", `c ' d`, N'e', _utf8'f' # 'g'\n, 5--1",
            "SELECT ?, `c ' d`, ?, _utf8? , ?--?",
        ),
        (MySql, r"SELECT 'a\\', 'b\n'", "SELECT ?, ?"),
        (
            Sqlite,
            "SELECT [a 'b], `c`, \"d\" FROM \"e f\" WHERE g = ?1 AND h = :i",
            "SELECT [a 'b], `c`, ? FROM \"e f\" WHERE g = ?1 AND h = :i",
        ),
        (Sqlite, r"SELECT 'a\', 'b'", "SELECT ?, ?"),
        (
            Sqlite,
            "SELECT 1 WHERE a IS DISTINCT FROM \"b\"",
            "SELECT ? WHERE a IS DISTINCT FROM ?",
        ),
    ] {
        assert_eq!(text(dialect, sql), expected, "{dialect:?}");
    }
}

#[test]
fn nothing_is_told_after_what_cannot_be_read_for_certain() {
    for (dialect, sql, expected) in [
        // By a setting of the server this ends at the first quote or at the second.
        (MySql, r"SELECT 'a\', 'secret', b", "SELECT ?…"),
        (PostgreSql, r"SELECT 'a\', 'secret', b", "SELECT ?…"),
        // By its version this is code or a comment.
        (MySql, "SELECT 1 /*!99999 ' */, 'secret' ", "SELECT ?…"),
        // Without the comment its second minus would be followed by a space, and begin one.
        (MySql, "SELECT a--/* b */ `c", "SELECT a--…"),
        (MySql, "SELECT a----\n/ `c", "SELECT a--…"),
        (PostgreSql, "SELECT 'open", "SELECT ?…"),
        (PostgreSql, "SELECT \"open", "SELECT ?…"),
        (PostgreSql, "SELECT $a$open$$", "SELECT ?…"),
        (Sqlite, "SELECT 1 /* open", "SELECT ?…"),
        (Sqlite, "SELECT 1\0, secret", "SELECT ?…"),
    ] {
        assert_eq!(text(dialect, sql), expected, "{dialect:?} {sql}");
    }
}

#[test]
fn long_statements_are_cut_and_read_no_further() {
    let long = format!("SELECT {}1", "a, ".repeat(100_000));
    for dialect in ALL {
        let cut = text(dialect, &long);
        assert!(
            cut.len() <= 4096 + CUT.len_utf8() && cut.ends_with(CUT),
            "{}",
            cut.len()
        );
        let blob = format!(
            "INSERT INTO t VALUES ('{}', 'secret')",
            "x".repeat(1_000_000)
        );
        assert_eq!(text(dialect, &blob), "INSERT INTO t VALUES (?…");
    }
    let letters = "ä".repeat(MAX_TEXT);
    assert_eq!(bounded(&letters).chars().count(), MAX_TEXT / 2 + 1);
}

/// The examples of the conventions, and what else a service writes.
#[test]
fn the_summary_has_operations_and_their_targets_in_order() {
    for (sql, expected) in [
        (
            "SELECT *\n FROM wuser_table\n WHERE username = ?",
            "SELECT wuser_table",
        ),
        (
            "INSERT INTO shipping_details (order_id, address) SELECT order_id, address FROM orders WHERE order_id = ?",
            "INSERT shipping_details SELECT orders",
        ),
        (
            "SELECT * FROM songs, artists WHERE songs.artist_id == artists.id",
            "SELECT songs artists",
        ),
        (
            "SELECT order_date FROM (SELECT * FROM orders o JOIN customers c ON o.customer_id = c.customer_id)",
            "SELECT SELECT orders customers",
        ),
        ("select 1", "select"),
        (
            "SELECT a FROM public.users AS u LEFT JOIN b.c d USING (id), e",
            "SELECT public.users b.c e",
        ),
        (
            "SELECT EXTRACT(YEAR FROM created) FROM orders",
            "SELECT orders",
        ),
        ("SELECT 1 FROM a WHERE b IS DISTINCT FROM c", "SELECT a"),
        (
            "SELECT id FROM a WHERE b IN (SELECT c FROM d) ORDER BY e, f",
            "SELECT a SELECT d",
        ),
        ("SELECT * FROM (a JOIN b ON a.x = b.x)", "SELECT a b"),
        ("SELECT 1 UNION ALL SELECT 2 FROM b", "SELECT SELECT b"),
        ("SELECT a FROM b FOR UPDATE", "SELECT b"),
        (
            "WITH x AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM x",
            "DELETE a INSERT b SELECT x",
        ),
        (
            "INSERT INTO a (comment, set, start) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET b = 1",
            "INSERT a",
        ),
        ("INSERT OR REPLACE INTO a VALUES (1)", "INSERT a"),
        (
            "REPLACE INTO a VALUES (REPLACE('x', 'y', 'z'))",
            "REPLACE a",
        ),
        (
            "UPDATE a SET b = (SELECT max(c) FROM d) WHERE e = 1",
            "UPDATE a SELECT d",
        ),
        ("DELETE FROM a USING b WHERE a.x = b.x", "DELETE a b"),
        (
            "CREATE TABLE IF NOT EXISTS a (id INT REFERENCES b ON DELETE CASCADE)",
            "CREATE TABLE a",
        ),
        ("CREATE UNIQUE INDEX i ON a (b)", "CREATE INDEX i"),
        (
            "CREATE TABLE a AS SELECT * FROM b",
            "CREATE TABLE a SELECT b",
        ),
        ("DROP TABLE a", "DROP TABLE a"),
        ("TRUNCATE TABLE a", "TRUNCATE a"),
        ("CALL pay(7)", "CALL pay"),
        ("EXPLAIN SELECT * FROM a", "EXPLAIN SELECT a"),
        ("SET password = 'x'", "SET"),
        ("GRANT SELECT ON a TO b", "GRANT"),
        (
            "BEGIN; INSERT INTO a VALUES (1); COMMIT",
            "BEGIN INSERT a COMMIT",
        ),
        ("(SELECT a FROM b)", "SELECT b"),
        ("hello world", ""),
        ("", ""),
    ] {
        for dialect in ALL {
            assert_eq!(summary(dialect, sql), expected, "{dialect:?} {sql}");
        }
    }
    let quoted = "SELECT * FROM \"song list\", s.\"a\"";
    assert_eq!(summary(PostgreSql, quoted), "SELECT \"song list\" s.\"a\"");
    assert_eq!(summary(Sqlite, quoted), "SELECT \"song list\" s.\"a\"");
    assert_eq!(summary(MySql, "SELECT * FROM `a b`.c"), "SELECT `a b`.c");
}

#[test]
fn a_summary_ends_before_a_name_that_has_no_room() {
    let names: Vec<String> = (0..100).map(|number| format!("table_{number}")).collect();
    let found = summary(PostgreSql, &format!("SELECT * FROM {}", names.join(", ")));
    assert!(found.len() <= 255 && found.len() > 245, "{found}");
    assert!(
        names.contains(&found.rsplit(' ').next().unwrap().to_owned()),
        "{found}"
    );
    let schema = format!("SELECT * FROM a, {}.{}", "s".repeat(200), "t".repeat(200));
    assert_eq!(summary(PostgreSql, &schema), "SELECT a");
}

/// Stands inside of values. No keyword has its letters.
const SECRET: &str = "zqjxzq";

/// A value as the database takes it, with the secret in it and with what ends it wrongly
/// where the wrong rules are followed.
fn value(dialect: Dialect) -> impl Strategy<Value = String> {
    let inside = proptest::collection::vec(
        prop_oneof![
            Just(SECRET),
            Just(" "),
            Just("--"),
            Just("/*"),
            Just("*/"),
            Just("#"),
            Just("$$"),
            Just("$a$"),
            Just("\""),
            Just("`"),
            Just("["),
            Just("]"),
            Just("\n"),
            Just("\r"),
            Just(";"),
            Just("("),
            Just(")"),
            Just(","),
            Just("1"),
            Just(" FROM "),
            Just("ß"),
            Just("''"),
            Just("\\\\"),
            Just("E"),
            Just("/*!"),
        ],
        1..8,
    );
    (inside, 0..6_usize).prop_map(move |(parts, form)| {
        let inside = format!("{SECRET}{}{SECRET}", parts.concat());
        let plain = inside.replace('\\', "");
        match (dialect, form) {
            (PostgreSql, 0) => format!("E'{}\\'{SECRET}'", inside),
            (PostgreSql, 1) => format!("$q${}$q$", inside.replace("$q$", "")),
            (PostgreSql, 2) => format!("$${}$$", inside.replace('$', "")),
            (PostgreSql, 3) => format!("U&'{plain}'"),
            (MySql, 0) => format!("\"{}\"", inside.replace('"', "\"\"")),
            (MySql, 1) => format!("N'{inside}\\'{SECRET}'"),
            (MySql, 3) => format!("\"{}\\\"{SECRET}\"", inside.replace('"', "\"\"")),
            (MySql, 2) => format!("'{inside}\\\\'"),
            (Sqlite, 0) => format!("\"{}\"", inside.replace('"', "\"\"")),
            (Sqlite, 1) => format!("'{inside}\\'"),
            (_, 4) => format!("7{SECRET}"),
            _ => format!("'{plain}'"),
        }
    })
}

/// What stands between values: all that has a meaning of its own to some lexer.
fn between() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just(" "),
        Just(", "),
        Just(","),
        Just(" = "),
        Just("("),
        Just(")"),
        Just(" AND "),
        Just(" -- a\n"),
        Just(" /* b */ "),
        Just(" || "),
        Just("::text "),
        Just(" IN ("),
        Just(" SELECT a FROM b WHERE "),
        Just(" c$d "),
        Just("+"),
        Just(" x "),
        Just(" .5 "),
        Just(" JOIN t ON "),
        Just("; UPDATE u SET v = "),
        Just(" IS DISTINCT FROM "),
        Just("- "),
        Just(" < "),
        Just(" $1 "),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn no_value_is_told_whatever_it_is_made_of(
        (dialect, parts) in proptest::sample::select(ALL.to_vec()).prop_flat_map(|dialect| {
            let parts = proptest::collection::vec((between(), value(dialect)), 1..6);
            (Just(dialect), parts)
        })
    ) {
        let mut sql = "SELECT x FROM y WHERE z = ".to_owned();
        for (before, value) in &parts {
            sql.push_str(before);
            // A value is no part of the word before it.
            if sql.ends_with(|last: char| last.is_alphanumeric() || last == '_' || last == '\'') {
                sql.push(' ');
            }
            sql.push_str(value);
            sql.push(' ');
        }
        let reading = read(&sql, dialect);
        prop_assert!(!reading.text.contains(SECRET), "{} of {sql}", reading.text);
        prop_assert!(!reading.summary.contains(SECRET), "{} of {sql}", reading.summary);
    }

    #[test]
    fn any_text_is_read_within_bounds(
        sql in "(?s)[ -~\n\0äß'\"`$\\\\\\[\\]/*#;().,]{0,200}",
        dialect in proptest::sample::select(ALL.to_vec()),
    ) {
        let reading = read(&sql, dialect);
        prop_assert!(reading.text.len() <= sql.len() + CUT.len_utf8());
        prop_assert!(reading.summary.len() <= MAX_SUMMARY);
        prop_assert!(reading.summary.starts_with(&reading.operation));
    }
}
