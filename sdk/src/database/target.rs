//! Which database is asked: what SQLx was told to connect to, in the conventions' terms.
//!
//! The drivers' options can be read in two ways without naming a driver: as an URL and in
//! their `Debug` form. `to_url_lossy` panics for the `Any` driver, and for a host that is
//! an IPv6 address without brackets (SQLx 0.9.0), so it is the `Debug` form, in which nothing
//! is worse than a field that is not found.

use std::borrow::Cow;

use super::sql::Dialect;

/// A database, as spans and metrics name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// `db.system.name`
    pub(super) system: Cow<'static, str>,
    /// Whose rules its statements follow, where they are known.
    pub(super) dialect: Option<Dialect>,
    /// `db.namespace`
    pub(super) namespace: Option<String>,
    /// `server.address`
    pub(super) address: Option<String>,
    /// `server.port`, where it is not the system's own.
    pub(super) port: Option<u16>,
}

impl Target {
    /// By a driver's name (`Database::NAME`) and the `Debug` form of its options.
    pub(super) fn of(driver: &str, options: &str) -> Self {
        let fields = Fields(options);
        match driver {
            "PostgreSQL" => {
                let schema = fields.text("options").and_then(|text| schema(&text));
                Self::server("postgresql", &fields, schema)
            }
            "MySQL" => Self::server("mysql", &fields, None),
            "SQLite" => {
                let in_memory = fields.value("in_memory") == Some("true");
                let file = match in_memory {
                    true => Some(":memory:".to_owned()),
                    false => fields.text("filename"),
                };
                Self {
                    namespace: file,
                    ..Self::system("sqlite")
                }
            }
            "Any" => match fields.value("database_url") {
                Some(url) => Self::of_debug_url(&Fields(url)),
                None => Self::system("other_sql"),
            },
            other => Self {
                system: other.to_lowercase().into(),
                ..Self::system("other_sql")
            },
        }
    }

    fn server(system: &'static str, fields: &Fields<'_>, schema: Option<String>) -> Self {
        let target = Self::system(system);
        let socket = fields.text("socket");
        let port = fields.value("port").and_then(|port| port.parse().ok());
        Self {
            namespace: joined(fields.text("database"), schema),
            port: match socket {
                Some(_) => None,
                None => port.filter(|port| Some(*port) != default_port(system)),
            },
            address: socket.or_else(|| fields.text("host")),
            ..target
        }
    }

    fn system(system: &'static str) -> Self {
        Self {
            system: system.into(),
            dialect: match system {
                "postgresql" => Some(Dialect::PostgreSql),
                "mysql" | "mariadb" => Some(Dialect::MySql),
                "sqlite" => Some(Dialect::Sqlite),
                _ => None,
            },
            namespace: None,
            address: None,
            port: None,
        }
    }

    fn by_scheme(scheme: &str) -> Self {
        Self::system(match scheme {
            "postgres" | "postgresql" => "postgresql",
            "mysql" => "mysql",
            "mariadb" => "mariadb",
            "sqlite" => "sqlite",
            _ => "other_sql",
        })
    }

    fn of_debug_url(url: &Fields<'_>) -> Self {
        let scheme = url.text("scheme").unwrap_or_default();
        let port = url.value("port").and_then(|port| {
            let digits = port.trim_start_matches("Some(").trim_end_matches(')');
            digits.parse().ok()
        });
        Self::located(&scheme, url.text("host"), port, url.text("path"))
    }

    /// By an address such as `postgres://db.internal:5433/shop`. User and password in it are
    /// not looked at.
    pub(super) fn of_url(url: &str) -> Option<Self> {
        let url = url::Url::parse(url).ok()?;
        let host = url.host_str().map(str::to_owned);
        let path = url.path().to_owned();
        Some(Self::located(url.scheme(), host, url.port(), Some(path)))
    }

    fn located(
        scheme: &str,
        host: Option<String>,
        port: Option<u16>,
        path: Option<String>,
    ) -> Self {
        let target = Self::by_scheme(scheme);
        if target.system == "sqlite" {
            let file = format!("{}{}", host.unwrap_or_default(), path.unwrap_or_default());
            return Self {
                namespace: Some(file).filter(|file| !file.is_empty()),
                ..target
            };
        }
        let database = path.map(|path| path.trim_start_matches('/').to_owned());
        Self {
            namespace: database.filter(|database| !database.is_empty()),
            address: host,
            port: port.filter(|port| Some(*port) != default_port(&target.system)),
            ..target
        }
    }

    /// What tells one pool from another where the service does not name it:
    /// <https://opentelemetry.io/docs/specs/semconv/db/database-metrics/#connection-pools>.
    pub(super) fn pool_name(&self) -> String {
        let port = self.port.or_else(|| default_port(&self.system));
        let namespace = self.namespace.as_deref();
        match (&self.address, port, namespace) {
            (Some(address), Some(port), Some(name)) => format!("{address}:{port}/{name}"),
            (Some(address), Some(port), None) => format!("{address}:{port}"),
            (Some(address), None, Some(name)) => format!("{address}/{name}"),
            (Some(address), None, None) => address.clone(),
            (None, _, Some(name)) => name.to_owned(),
            (None, _, None) => self.system.clone().into_owned(),
        }
    }
}

fn default_port(system: &str) -> Option<u16> {
    match system {
        "postgresql" => Some(5432),
        "mysql" | "mariadb" => Some(3306),
        _ => None,
    }
}

/// PostgreSQL's namespace is the database and the schema in it.
fn joined(database: Option<String>, schema: Option<String>) -> Option<String> {
    match (database, schema) {
        (Some(database), Some(schema)) => Some(format!("{database}|{schema}")),
        (one, other) => one.or(other),
    }
}

/// The first schema of `-c search_path=shop,public`.
fn schema(options: &str) -> Option<String> {
    let (_, path) = options.split_once("search_path=")?;
    let end = path.find([',', ' ', '\\']).unwrap_or(path.len());
    let schema = path[..end].trim_matches(['"', '\'']);
    (!schema.is_empty() && !schema.starts_with('$')).then(|| schema.to_owned())
}

/// The fields of a derived `Debug` form: `Name { field: value, .. }`.
struct Fields<'a>(&'a str);

impl<'a> Fields<'a> {
    /// A field's value as it stands. Fields within fields, and text that looks like one in a
    /// password, are not looked at.
    fn value(&self, name: &str) -> Option<&'a str> {
        let text = self.0;
        let mut depth = 0_usize;
        let mut quoted = false;
        let mut escaped = false;
        let mut start = None;
        let mut begins = 0;
        for (at, byte) in text.bytes().enumerate() {
            if quoted {
                quoted = escaped || byte != b'"';
                escaped = !escaped && byte == b'\\';
                continue;
            }
            match byte {
                b'"' => quoted = true,
                b'{' | b'(' | b'[' => {
                    depth += 1;
                    begins = at + 1;
                }
                b':' if depth == 1 && start.is_none() && text[begins..at].trim() == name => {
                    start = Some(at + 1);
                }
                b',' | b'}' if depth == 1 => {
                    if let Some(start) = start {
                        return Some(text[start..at].trim());
                    }
                    begins = at + 1;
                }
                _ => {}
            }
            if matches!(byte, b'}' | b')' | b']') {
                depth = depth.saturating_sub(1);
            }
        }
        None
    }

    /// The text in a field, also within `Some(..)` and the like; `None` for an empty one.
    fn text(&self, name: &str) -> Option<String> {
        let value = self.value(name)?;
        let start = value.find('"')? + 1;
        let mut text = String::new();
        let mut escaped = false;
        for letter in value[start..].chars() {
            match letter {
                '"' if !escaped => return (!text.is_empty()).then_some(text),
                '\\' if !escaped => {
                    escaped = true;
                    continue;
                }
                _ => text.push(letter),
            }
            escaped = false;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use sqlx::any::AnyConnectOptions;
    use sqlx::mysql::MySqlConnectOptions;
    use sqlx::postgres::PgConnectOptions;
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{Any, Database, MySql, Postgres, Sqlite};

    use super::*;

    fn target<DB: Database>(
        options: &<DB::Connection as sqlx::Connection>::Options,
    ) -> (String, Option<String>, Option<String>, Option<u16>) {
        let Target {
            system,
            namespace,
            address,
            port,
            ..
        } = Target::of(DB::NAME, &format!("{options:?}"));
        (system.into_owned(), namespace, address, port)
    }

    fn expected(
        system: &str,
        namespace: impl Into<Option<&'static str>>,
        address: impl Into<Option<&'static str>>,
        port: impl Into<Option<u16>>,
    ) -> (String, Option<String>, Option<String>, Option<u16>) {
        (
            system.to_owned(),
            namespace.into().map(str::to_owned),
            address.into().map(str::to_owned),
            port.into(),
        )
    }

    /// A password that looks like other fields, in every way that it might.
    const PASSWORD: &str = "a\", host: \"evil\", database: Some(\"x\"), \\";

    #[test]
    fn a_server_is_told_by_address_port_and_database_and_never_by_its_user() {
        let options = PgConnectOptions::new_without_pgpass()
            .username("ada/\"")
            .password(PASSWORD)
            .host("2001:db8::1")
            .port(6000)
            .database("shop")
            .options([("search_path", "orders,public")]);
        let found = target::<Postgres>(&options);
        let on_port = expected("postgresql", "shop|orders", "2001:db8::1", 6000);
        assert_eq!(found, on_port);

        let options = options.port(5432).socket("/run/postgresql");
        let by_socket = expected("postgresql", "shop|orders", "/run/postgresql", None);
        assert_eq!(target::<Postgres>(&options), by_socket);

        let options = MySqlConnectOptions::new()
            .password(PASSWORD)
            .host("db.internal")
            .port(3306)
            .database("shop");
        let usual = expected("mysql", "shop", "db.internal", None);
        assert_eq!(target::<MySql>(&options), usual);
    }

    #[test]
    fn a_file_is_told_by_its_path_and_memory_by_a_word() {
        let options = SqliteConnectOptions::new().filename("/data/shop \"1\".db");
        let file = expected("sqlite", "/data/shop \"1\".db", None, None);
        assert_eq!(target::<Sqlite>(&options), file);
        let options = SqliteConnectOptions::from_str("sqlite::memory:").unwrap();
        let memory = expected("sqlite", ":memory:", None, None);
        assert_eq!(target::<Sqlite>(&options), memory);
    }

    #[test]
    fn the_any_driver_is_told_by_its_address() {
        let url = "postgres://ada:hunter2@db.internal:5433/shop";
        let options = AnyConnectOptions::from_str(url).unwrap();
        let server = expected("postgresql", "shop", "db.internal", 5433);
        assert_eq!(target::<Any>(&options), server);
        let options = AnyConnectOptions::from_str("mariadb://db.internal/shop").unwrap();
        let usual = expected("mariadb", "shop", "db.internal", None);
        assert_eq!(target::<Any>(&options), usual);
        let given = Target::of_url(url).unwrap();
        assert_eq!(
            given,
            Target::of(
                "Any",
                &format!("{:?}", AnyConnectOptions::from_str(url).unwrap())
            )
        );
    }

    #[test]
    fn a_pool_is_named_after_what_it_is_connected_to() {
        let name = |url| Target::of_url(url).unwrap().pool_name();
        assert_eq!(name("postgres://db:5432/shop"), "db:5432/shop");
        assert_eq!(name("mysql://db:3307"), "db:3307");
        assert_eq!(Target::of("Any", "").pool_name(), "other_sql");
    }
}
