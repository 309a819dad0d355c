//! Which tokens are operations and which are what they work on: enough of SQL's grammar for
//! a summary.

use super::lexer::{Kind, Token};

/// What a token is to a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// `SELECT`, `CREATE`, `TABLE`.
    Operation,
    /// A table or whatever else it works on.
    Target,
    /// What follows a target's dot.
    TargetPart,
    Other,
}

/// Brackets within brackets: nobody writes as many, and a generated text may have any.
const DEEPEST: usize = 64;

/// What is known between two brackets.
#[derive(Clone, Copy, Default)]
struct Level {
    /// Here is an operation, so that `FROM` is its own and not a function's.
    operation: bool,
    /// A comma leads to the next target.
    list: bool,
    /// The next name is a target.
    expects: bool,
}

/// Steps through a statement's tokens.
pub(super) struct Roles {
    levels: Vec<Level>,
    /// How many brackets are open beyond [`DEEPEST`].
    deeper: usize,
    /// Whether a statement begins here.
    start: bool,
    /// Whether one within another may.
    inner: bool,
    /// After `CREATE`, `ALTER` and `DROP`, up to what it is that they make.
    definition: bool,
    /// The rest of the statement is of no interest.
    opaque: bool,
    /// The word before, where it is one that counts.
    previous: Word,
    /// The token before was a target, or a dot behind one.
    path: Path,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Path {
    None,
    Target,
    Dot { of_target: bool },
}

/// The words that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// Works on rows of the targets that `FROM` and `JOIN` name.
    Select,
    Delete,
    /// Are followed by their target.
    Change,
    /// The same, and only at the start: as functions they have other meanings.
    Command,
    Define,
    /// What can be defined.
    Object,
    /// Are operations without a target that could be told.
    Control,
    /// The next statement may follow.
    Explain,
    With,
    From,
    /// Followed by targets, or by the columns of a join in brackets.
    Using,
    Join,
    /// Ends a list of targets.
    Clause,
    /// Stands between an operation and its target.
    Filler,
    Distinct,
    Other,
}

impl Word {
    fn of(word: &str) -> Self {
        let mut buffer = [0_u8; 16];
        let Some(upper) = buffer.get_mut(..word.len()) else {
            return Self::Other;
        };
        upper.copy_from_slice(word.as_bytes());
        upper.make_ascii_uppercase();
        match &*upper {
            b"SELECT" => Self::Select,
            b"DELETE" => Self::Delete,
            b"INSERT" | b"UPDATE" | b"MERGE" => Self::Change,
            b"REPLACE" | b"TRUNCATE" | b"CALL" | b"EXECUTE" | b"COPY" => Self::Command,
            b"CREATE" | b"ALTER" | b"DROP" => Self::Define,
            b"TABLE" | b"INDEX" | b"VIEW" | b"DATABASE" | b"SCHEMA" | b"SEQUENCE" | b"TRIGGER"
            | b"FUNCTION" | b"PROCEDURE" | b"TYPE" | b"EXTENSION" | b"POLICY" | b"DOMAIN"
            | b"ROLE" | b"USER" => Self::Object,
            b"BEGIN" | b"START" | b"COMMIT" | b"END" | b"ROLLBACK" | b"SAVEPOINT" | b"RELEASE"
            | b"SET" | b"RESET" | b"SHOW" | b"PRAGMA" | b"USE" | b"GRANT" | b"REVOKE" | b"LOCK"
            | b"UNLOCK" | b"VACUUM" | b"REINDEX" | b"OPTIMIZE" | b"CHECKPOINT" | b"DISCARD"
            | b"PREPARE" | b"DEALLOCATE" | b"DECLARE" | b"FETCH" | b"CLOSE" | b"LISTEN"
            | b"UNLISTEN" | b"NOTIFY" | b"REFRESH" | b"ATTACH" | b"DETACH" | b"KILL" | b"DO"
            | b"COMMENT" | b"VALUES" | b"DESCRIBE" | b"FLUSH" => Self::Control,
            b"EXPLAIN" | b"ANALYZE" | b"VERBOSE" | b"QUERY" | b"PLAN" => Self::Explain,
            b"WITH" | b"RECURSIVE" | b"AS" => Self::With,
            b"FROM" => Self::From,
            b"USING" => Self::Using,
            b"JOIN" | b"STRAIGHT_JOIN" => Self::Join,
            b"WHERE" | b"GROUP" | b"ORDER" | b"HAVING" | b"LIMIT" | b"UNION" | b"EXCEPT"
            | b"INTERSECT" | b"RETURNING" | b"WINDOW" | b"OFFSET" => Self::Clause,
            b"INTO" | b"OR" | b"IF" | b"NOT" | b"EXISTS" | b"ONLY" | b"LATERAL" | b"TEMP"
            | b"TEMPORARY" | b"UNIQUE" | b"CONCURRENTLY" | b"MATERIALIZED" | b"UNLOGGED"
            | b"VIRTUAL" | b"IGNORE" | b"ABORT" | b"FAIL" | b"LOW_PRIORITY" | b"HIGH_PRIORITY"
            | b"DELAYED" | b"GLOBAL" | b"LOCAL" | b"FULLTEXT" => Self::Filler,
            b"DISTINCT" => Self::Distinct,
            _ => Self::Other,
        }
    }

    /// What may stand where a target is awaited, and is none.
    fn is_between(self, expected_by: Self) -> bool {
        match self {
            Self::Filler | Self::Object => true,
            // INSERT OR REPLACE INTO, UPDATE OR ROLLBACK
            Self::Command | Self::Control => expected_by == Self::Filler,
            _ => false,
        }
    }
}

impl Default for Roles {
    fn default() -> Self {
        Self {
            levels: vec![Level::default()],
            deeper: 0,
            start: true,
            inner: false,
            definition: false,
            opaque: false,
            previous: Word::Other,
            path: Path::None,
        }
    }
}

impl Roles {
    pub(super) fn step(&mut self, token: &Token<'_>) -> Role {
        if let Path::Dot { of_target } = self.path {
            let named = matches!(token.kind, Kind::Word | Kind::Name | Kind::Doubtful);
            self.path = match named {
                true if of_target => Path::Target,
                _ => Path::None,
            };
            if named {
                self.previous = Word::Other;
                return match of_target {
                    true => Role::TargetPart,
                    false => Role::Other,
                };
            }
        }
        let role = match token.kind {
            Kind::Word => self.word(token.text),
            Kind::Name | Kind::Doubtful => self.name(),
            Kind::Literal | Kind::Placeholder => {
                self.value();
                Role::Other
            }
            Kind::Symbol => {
                self.symbol(token.text.as_bytes()[0]);
                return Role::Other;
            }
        };
        self.path = match role {
            Role::Target => Path::Target,
            _ => Path::None,
        };
        role
    }

    fn level(&mut self) -> &mut Level {
        let last = self.levels.len() - 1;
        &mut self.levels[last]
    }

    fn value(&mut self) {
        (self.start, self.inner) = (false, false);
        self.previous = Word::Other;
        self.level().expects = false;
    }

    fn name(&mut self) -> Role {
        (self.start, self.inner) = (false, false);
        self.previous = Word::Other;
        if std::mem::take(&mut self.level().expects) && !self.opaque && self.deeper == 0 {
            Role::Target
        } else {
            Role::Other
        }
    }

    fn word(&mut self, text: &str) -> Role {
        if self.opaque || self.deeper > 0 {
            return Role::Other;
        }
        let word = Word::of(text);
        let before = std::mem::replace(&mut self.previous, word);
        let start = std::mem::take(&mut self.start);
        let inner = std::mem::take(&mut self.inner);
        if self.definition {
            return self.defines(word);
        }
        if self.level().expects {
            if word.is_between(before) {
                return Role::Other;
            }
            if word == Word::Other {
                return self.name();
            }
            self.level().expects = false;
        }
        let begins = start || inner || matches!(before, Word::Explain | Word::With);
        match word {
            Word::Select => self.operation(false),
            Word::Delete if begins => self.operation(false),
            Word::Change if begins => self.operation(true),
            Word::Command if start => self.operation(true),
            Word::Define if start => {
                self.definition = true;
                Role::Operation
            }
            Word::Control if start => {
                self.opaque = true;
                Role::Operation
            }
            Word::Explain if start => Role::Operation,
            Word::From | Word::Using if self.level().operation && before != Word::Distinct => {
                *self.level() = Level {
                    operation: true,
                    list: true,
                    expects: true,
                };
                Role::Other
            }
            Word::Join if self.level().operation => {
                self.level().expects = true;
                Role::Other
            }
            Word::Clause => {
                self.level().list = false;
                Role::Other
            }
            _ => Role::Other,
        }
    }

    fn operation(&mut self, expects: bool) -> Role {
        *self.level() = Level {
            operation: true,
            list: false,
            expects,
        };
        Role::Operation
    }

    fn defines(&mut self, word: Word) -> Role {
        match word {
            Word::Object => {
                self.definition = false;
                self.level().expects = true;
                Role::Operation
            }
            Word::Filler | Word::Command => Role::Other,
            _ => {
                self.definition = false;
                Role::Other
            }
        }
    }

    fn symbol(&mut self, symbol: u8) {
        let target = self.path == Path::Target;
        self.path = Path::None;
        self.start = false;
        self.inner = matches!(symbol, b'(' | b')');
        let before = std::mem::replace(&mut self.previous, Word::Other);
        match symbol {
            b'.' => self.path = Path::Dot { of_target: target },
            b';' => *self = Self::default(),
            b'(' => self.open(before),
            b')' if self.deeper > 0 => self.deeper -= 1,
            b')' if self.levels.len() > 1 => drop(self.levels.pop()),
            b',' if self.level().list => self.level().expects = true,
            _ => self.level().expects = false,
        }
    }

    /// Where a target was awaited there is a query, or a join of targets.
    fn open(&mut self, before: Word) {
        if self.levels.len() == DEEPEST {
            self.deeper += 1;
            return;
        }
        let expects = std::mem::take(&mut self.level().expects);
        let joined = expects && self.level().list && before != Word::Using;
        self.levels.push(Level {
            operation: joined,
            list: joined,
            expects: joined,
        });
    }
}
