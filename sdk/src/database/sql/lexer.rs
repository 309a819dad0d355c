//! SQL as tokens, by the rules of the database that it is for. Of a value only where it ends
//! is of interest.

use super::Dialect;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a plain name.
    Word,
    /// A name in quotes.
    Name,
    /// In double quotes, where those are for names and for values: in SQLite.
    Doubtful,
    /// A string, a number or another value.
    Literal,
    /// `$1` and `?1`: where a value will be.
    Placeholder,
    /// One byte of anything else.
    Symbol,
}

/// A token, and whether something that is no token stood before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) spaced: bool,
}

/// What a backslash is inside of quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Backslash {
    Plain,
    /// It takes the next character's meaning.
    Escape,
    /// One or the other, by a setting of the server: before a quote nobody can tell.
    Unsure,
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    dialect: Dialect,
    cut: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, dialect: Dialect) -> Self {
        Self {
            text,
            at: 0,
            dialect,
            cut: false,
        }
    }

    /// Whether there was more that could not be read for certain.
    pub(super) fn was_cut(&self) -> bool {
        self.cut
    }

    pub(super) fn next(&mut self) -> Option<Token<'a>> {
        let before = self.at;
        self.skip_blank();
        if self.cut {
            return None;
        }
        let start = self.at;
        let kind = self.token(self.peek(0)?);
        Some(Token {
            kind,
            text: &self.text[start..self.at],
            spaced: start > before,
        })
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    /// Nothing of what follows is read.
    fn cut(&mut self) {
        self.at = self.text.len();
        self.cut = true;
    }

    /// Past the next `end`, or to the end of the text, which is then cut: what is open might
    /// be closed in what was not read.
    fn past(&mut self, end: &[u8]) {
        let found = self.rest().windows(end.len()).position(|it| it == end);
        match found {
            Some(offset) => self.at += offset + end.len(),
            None => self.cut(),
        }
    }

    fn take_while(&mut self, belongs: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&belongs) {
            self.at += 1;
        }
    }

    /// Spaces and comments. A comment may say anything, so none is told.
    fn skip_blank(&mut self) {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(byte), _) if is_space(byte) => self.at += 1,
                (Some(b'-'), Some(b'-')) if self.begins_comment() => self.skip_line(),
                (Some(b'#'), _) if self.dialect == Dialect::MySql => self.skip_line(),
                (Some(b'/'), Some(b'*')) => self.skip_block(),
                _ => return,
            }
        }
    }

    /// To MySQL `5--1` is a difference; its comments have a space after the dashes.
    fn begins_comment(&self) -> bool {
        self.dialect != Dialect::MySql
            || self
                .peek(2)
                .is_none_or(|byte| is_space(byte) || byte.is_ascii_control())
    }

    /// To PostgreSQL a carriage return ends a line as well.
    fn skip_line(&mut self) {
        let postgres = self.dialect == Dialect::PostgreSql;
        self.take_while(|byte| byte != b'\n' && !(postgres && byte == b'\r'));
    }

    fn skip_block(&mut self) {
        match self.dialect {
            // Code for some versions and a comment for others.
            Dialect::MySql
                if self.peek(2) == Some(b'!')
                    || (self.peek(2) == Some(b'M') && self.peek(3) == Some(b'!')) =>
            {
                self.cut();
            }
            Dialect::MySql | Dialect::Sqlite => {
                self.at += 2;
                self.past(b"*/");
            }
            Dialect::PostgreSql => self.skip_nested(),
        }
    }

    fn skip_nested(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek(0) {
            match (byte, self.peek(1)) {
                (b'/', Some(b'*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.at += 1,
            }
        }
        self.cut();
    }

    fn token(&mut self, first: u8) -> Kind {
        use Dialect::{MySql, PostgreSql, Sqlite};
        match (first, self.dialect) {
            (b'\'', PostgreSql | MySql) => self.quoted(b'\'', Backslash::Unsure, Kind::Literal),
            (b'\'', Sqlite) => self.quoted(b'\'', Backslash::Plain, Kind::Literal),
            (b'"', PostgreSql) => self.quoted(b'"', Backslash::Plain, Kind::Name),
            // Names only where a setting of the server says so.
            (b'"', MySql) => self.quoted(b'"', Backslash::Unsure, Kind::Literal),
            (b'"', Sqlite) => self.quoted(b'"', Backslash::Plain, Kind::Doubtful),
            (b'`', MySql | Sqlite) => self.quoted(b'`', Backslash::Plain, Kind::Name),
            (b'[', Sqlite) => {
                self.past(b"]");
                self.unless_cut(Kind::Name)
            }
            (b'$', PostgreSql) => self.dollar(),
            (b'?', Sqlite) => {
                self.at += 1;
                self.take_while(|byte| byte.is_ascii_digit());
                Kind::Placeholder
            }
            (b'0'..=b'9', _) => self.number(),
            (b'.', _) if self.peek(1).is_some_and(|byte| byte.is_ascii_digit()) => self.number(),
            (byte, _) if is_word(byte) => self.word(),
            _ => {
                self.at += 1;
                Kind::Symbol
            }
        }
    }

    /// What was cut inside of quotes is none of a name any more.
    fn unless_cut(&self, kind: Kind) -> Kind {
        if self.cut { Kind::Literal } else { kind }
    }

    /// From one quote to the other; a doubled one is a character.
    fn quoted(&mut self, quote: u8, backslash: Backslash, kind: Kind) -> Kind {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            let next = self.peek(1);
            match byte {
                b'\\' if backslash == Backslash::Unsure && next == Some(quote) => break,
                b'\\' if backslash != Backslash::Plain => self.at += 2,
                byte if byte == quote && next == Some(quote) => self.at += 2,
                byte if byte == quote => {
                    self.at += 1;
                    return kind;
                }
                _ => self.at += 1,
            }
        }
        self.cut();
        Kind::Literal
    }

    /// `$1`, or a string between two of the same `$tag$`.
    fn dollar(&mut self) -> Kind {
        let rest = self.rest();
        let tag = rest[1..]
            .iter()
            .position(|byte| *byte == b'$' || !is_word(*byte))
            .filter(|end| rest[1 + end] == b'$')
            .map(|end| &rest[..end + 2])
            .filter(|tag| !tag[1].is_ascii_digit());
        if let Some(tag) = tag {
            self.at += tag.len();
            self.past(tag);
            return Kind::Literal;
        }
        self.at += 1;
        if !self.peek(0).is_some_and(|byte| byte.is_ascii_digit()) {
            return Kind::Symbol;
        }
        self.take_while(|byte| byte.is_ascii_digit());
        Kind::Placeholder
    }

    /// All that can hang on a digit; to MySQL `2fa` is a name, which is then lost.
    fn number(&mut self) -> Kind {
        // Where a `$` may begin a string.
        let postgres = self.dialect == Dialect::PostgreSql;
        while let Some(byte) = self.peek(0) {
            let exponent = matches!(byte, b'e' | b'E')
                && matches!(self.peek(1), Some(b'+' | b'-'))
                && self.peek(2).is_some_and(|byte| byte.is_ascii_digit());
            if exponent {
                self.at += 2;
            } else if byte == b'.' || (is_word(byte) && (byte != b'$' || !postgres)) {
                self.at += 1;
            } else {
                break;
            }
        }
        Kind::Literal
    }

    /// A word, or the value or the name in quotes that it announces.
    fn word(&mut self) -> Kind {
        let start = self.at;
        self.take_while(is_word);
        let word = &self.text[start..self.at];
        let postgres = self.dialect == Dialect::PostgreSql;
        let is = |letter: &str| word.eq_ignore_ascii_case(letter);
        match (self.peek(0), self.peek(1)) {
            (Some(b'\''), _) if postgres && is("e") => {
                self.quoted(b'\'', Backslash::Escape, Kind::Literal)
            }
            (Some(b'\''), _) if is("b") || is("x") || is("n") => self.token(b'\''),
            (Some(b'&'), Some(b'\'')) if postgres && is("u") => {
                self.at += 1;
                self.token(b'\'')
            }
            (Some(b'&'), Some(b'"')) if postgres && is("u") => {
                self.at += 1;
                self.token(b'"')
            }
            _ => Kind::Word,
        }
    }
}

/// What all three take for a space.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// What stands in names without quotes. Bytes from 0x80 on are parts of letters.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}
