//! Queries of a real PostgreSQL and a real MariaDB, which the tests start for themselves, held
//! against the conventions.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::database::{CONNECTIONS, DURATION, OURS, SPAN, failed, find, get, run};
use crate::support::received_by;
use crate::support::semconv::hold;
use futures::StreamExt;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Executor, Row, SqlStr};
use throughline::database;
use tracing::{Instrument, info_span};

/// Debian keeps PostgreSQL's programs out of `PATH`, in a folder a version.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut debians: Vec<PathBuf> = versions
        .map(|version| version.unwrap().path().join("bin"))
        .collect();
    debians.sort();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .chain(debians)
        .map(|folder: PathBuf| folder.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| {
            panic!("there is no {name}: `apt-get install postgresql mariadb-server`, or the like")
        })
}

/// A server in a folder of its own, gone when it is dropped.
struct Server {
    folder: PathBuf,
    port: u16,
    process: Child,
}

/// The servers refuse to run as root, so there they run as nobody.
fn as_nobody(program: &Path) -> Command {
    let mut command = if nix::unistd::Uid::effective().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(program);
        command
    } else {
        Command::new(program)
    };
    command.stdin(Stdio::null());
    command
}

impl Server {
    /// `make` the folder's contents, and then the command that serves them on a port.
    fn start(
        name: &str,
        make: impl FnOnce(&Path) -> Command,
        serve: impl FnOnce(&Path, u16) -> Command,
    ) -> Self {
        let folder =
            std::env::temp_dir().join(format!("throughline-{name}-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).unwrap();
        let made = make(&folder).current_dir(&folder).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        // Free again before the server takes it; nothing else asks for ports meanwhile.
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = port.local_addr().unwrap().port();
        let process = serve(&folder, port)
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            folder,
            port,
            process,
        }
    }

    fn postgresql() -> Self {
        let make = |folder: &Path| {
            let mut command = as_nobody(&program("initdb"));
            command
                .args(["--no-sync", "--auth=trust", "--username=ada"])
                .args(["--encoding=UTF8", "-D"])
                .arg(folder.join("data"));
            command
        };
        let serve = |folder: &Path, port: u16| {
            let mut command = as_nobody(&program("postgres"));
            command
                .arg("-D")
                .arg(folder.join("data"))
                .args(["-p", &port.to_string(), "-k"])
                .arg(folder)
                .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
            command
        };
        let server = Self::start("postgresql", make, serve);
        answers(&options(server.port));
        server
    }

    fn mariadb() -> Self {
        let at = |folder: &Path| format!("--datadir={}", folder.join("data").display());
        let make = |folder: &Path| {
            let mut command = as_nobody(&program("mariadb-install-db"));
            command
                .args(["--no-defaults", "--skip-test-db"])
                .args(["--auth-root-authentication-method=normal", &at(folder)]);
            command
        };
        let serve = |folder: &Path, port: u16| {
            let mut command = as_nobody(&program("mariadbd"));
            command
                .args(["--no-defaults", "--bind-address=127.0.0.1", &at(folder)])
                .arg(format!("--port={port}"))
                .arg(format!("--socket={}", folder.join("socket").display()));
            command
        };
        let server = Self::start("mariadb", make, serve);
        answers(&mariadb_options(server.port));
        server
    }
}

/// Waits until a server answers a connection.
fn answers(options: &impl ConnectOptions<Connection: Sized>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    runtime.block_on(async {
        while let Err(error) = options.connect().await {
            assert!(Instant::now() < deadline, "no answer: {error}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

impl Drop for Server {
    fn drop(&mut self) {
        // To PostgreSQL SIGINT is not to wait for clients; MariaDB wants SIGTERM.
        let signal = match self.folder.to_string_lossy().contains("postgresql") {
            true => nix::sys::signal::Signal::SIGINT,
            false => nix::sys::signal::Signal::SIGTERM,
        };
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.process.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
        self.process.wait().unwrap();
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

fn options(port: u16) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .username("ada")
        .password("hunter2")
        .database("postgres")
        .options([("search_path", "public")])
        .disable_statement_logging()
}

fn mariadb_options(port: u16) -> MySqlConnectOptions {
    MySqlConnectOptions::new()
        .host("127.0.0.1")
        .port(port)
        .username("root")
        .database("mysql")
        .disable_statement_logging()
}

const PORT: &str = "DATABASE_PORT";

async fn work() -> database::Pool<sqlx::Postgres> {
    let port = std::env::var(PORT).unwrap().parse().unwrap();
    let pool = PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(Duration::from_millis(100))
        .connect_with(options(port))
        .await
        .unwrap();
    let db = database::instrument(pool);
    async {
        let create = "CREATE TABLE users (id BIGINT PRIMARY KEY, name TEXT NOT NULL)";
        sqlx::query(create).execute(&db).await.unwrap();
        let insert = r"INSERT INTO users VALUES (1, E'secret\'s'), (2, $$secret 'two'$$)";
        sqlx::raw_sql(insert).execute(&db).await.unwrap();
        let one = sqlx::query("SELECT name FROM users WHERE id = $1").bind(2_i64);
        let name: String = one.fetch_one(&db).await.unwrap().get(0);
        assert_eq!(name, "secret 'two'");
        let twice = sqlx::query("INSERT INTO users VALUES ($1, $2)")
            .bind(1_i64)
            .bind("secret");
        twice.execute(&db).await.unwrap_err();
        let wrong = sqlx::query("SELECT 'secret'::int");
        wrong.fetch_all(&db).await.unwrap_err();

        let mut transaction = db.begin().await.unwrap();
        sqlx::query("UPDATE users SET name = 'x' /* secret */")
            .execute(&mut transaction)
            .await
            .unwrap();
        transaction.rollback().await.unwrap();

        let statement = "SELECT id FROM users WHERE id > $1";
        let statement = (&db).prepare(SqlStr::from_static(statement)).await.unwrap();
        let query = sqlx::Statement::query(&statement).bind(0_i64);
        let mut rows = query.fetch(&db);
        rows.next().await.unwrap().unwrap();
        drop(rows);

        let held = [db.acquire().await.unwrap(), db.acquire().await.unwrap()];
        sqlx::query("SELECT 1").fetch_all(&db).await.unwrap_err();
        drop(held);
        let slow = sqlx::query("SELECT pg_sleep(0.12)");
        slow.fetch_all(&db).await.unwrap();
        database::conclude();
    }
    .instrument(info_span!("request", request.id = "r-1"))
    .await;
    db
}

#[test]
fn queries_of_postgresql_are_told_by_the_conventions() {
    let test = "queries_of_postgresql_are_told_by_the_conventions";
    let server = (!crate::support::is_child(test)).then(Server::postgresql);
    let port = server.as_ref().map_or(0, |server| server.port).to_string();
    let variables = [(PORT, port.as_str()), ("THROUGHLINE_QUERY_COUNT_WARN", "8")];
    let (receiver, _) = received_by(test, "http/protobuf", &variables, || run(work()));
    let spans = receiver.spans();
    let of_request: Vec<_> = spans.iter().filter(|span| span.name != "request").collect();
    let told: Vec<_> = of_request
        .iter()
        .map(|span| {
            let get = |key| get(&span.attributes, key).unwrap_or_default();
            [span.name.clone(), get("db.query.text"), get("error.type")]
        })
        .collect();
    let expected = [
        [
            "CREATE TABLE users",
            "CREATE TABLE users (id BIGINT PRIMARY KEY, name TEXT NOT NULL)",
            "",
        ],
        [
            "INSERT users",
            "INSERT INTO users VALUES (?, ?), (?, ?)",
            "",
        ],
        ["SELECT users", "SELECT name FROM users WHERE id = $1", ""],
        ["INSERT users", "INSERT INTO users VALUES ($1, $2)", "23505"],
        ["SELECT", "SELECT ?::int", "22P02"],
        ["BEGIN", "", ""],
        ["UPDATE users", "UPDATE users SET name = ?", ""],
        ["ROLLBACK", "", ""],
        ["SELECT users", "SELECT id FROM users WHERE id > $1", ""],
        ["SELECT users", "SELECT id FROM users WHERE id > $1", ""],
        ["SELECT", "SELECT ?", "sqlx::Error::PoolTimedOut"],
        ["SELECT", "SELECT pg_sleep(?)", ""],
    ];
    assert_eq!(told, expected.map(|row| row.map(str::to_owned)));
    for span in &of_request {
        let error = get(&span.attributes, "error.type");
        let mut due = vec!["db.namespace", "server.port"];
        due.extend(error.is_some().then_some("error.type"));
        if error.as_ref().is_some_and(|error| error.len() == 5) {
            due.push("db.response.status_code");
            assert_eq!(get(&span.attributes, "db.response.status_code"), error);
        }
        hold(SPAN, &span.attributes, &due, OURS);
        assert_eq!(failed(span), error.is_some(), "{}", span.name);
        let is = |key, value: &str| assert_eq!(get(&span.attributes, key).as_deref(), Some(value));
        is("db.system.name", "postgresql");
        is("db.namespace", "postgres|public");
        is("server.address", "127.0.0.1");
        is("server.port", &port);
    }
    let contents = receiver.contents();
    DURATION.hold(
        contents.metric(DURATION.name).unwrap(),
        &["db.namespace", "server.port"],
    );
    for instrument in CONNECTIONS {
        instrument.hold(contents.metric(instrument.name).unwrap(), &[]);
    }
    let pool = format!("127.0.0.1:{port}/postgres|public");
    assert!(format!("{:?}", contents.metrics).contains(&pool));

    let logs = receiver.logs();
    // On a busy machine others may be slow as well.
    let slow = logs.iter().filter(|log| log.event_name == "query.slow");
    let texts: Vec<_> = slow
        .map(|log| get(&log.attributes, "db.query.text"))
        .collect();
    assert!(
        texts.contains(&Some("SELECT pg_sleep(?)".to_owned())),
        "{texts:?}"
    );
    let storm = find(&logs, "query.storm");
    // Neither the transaction's own calls nor the preparation are queries.
    assert_eq!(
        get(&storm.attributes, "db.query.count").as_deref(),
        Some("9")
    );
    assert_eq!(
        get(&storm.attributes, "db.query.summary").as_deref(),
        Some("SELECT")
    );
    for secret in ["secret", "hunter2", "ada"] {
        let told = format!("{spans:?}{logs:?}{:?}", contents.metrics);
        let told = told.replace("metadata", "");
        assert!(!told.contains(secret), "{secret} was sent");
    }
}

async fn mysql_work() -> database::Pool<sqlx::MySql> {
    let port: u16 = std::env::var(PORT).unwrap().parse().unwrap();
    let pool = sqlx::MySqlPool::connect_with(mariadb_options(port))
        .await
        .unwrap();
    let db = database::instrument(pool);
    let known = db.clone().at(&format!("mariadb://127.0.0.1:{port}/mysql"));
    async {
        let create = "CREATE TEMPORARY TABLE users (id BIGINT PRIMARY KEY, `full name` TEXT)";
        let mut connection = db.acquire().await.unwrap();
        sqlx::query(create).execute(&mut connection).await.unwrap();
        let insert = "INSERT INTO users VALUES (1, 'secret'), (2, \"it's secret\") # secret";
        sqlx::raw_sql(insert)
            .execute(&mut connection)
            .await
            .unwrap();
        let one = sqlx::query("SELECT `full name` FROM users WHERE id = ?").bind(2_i64);
        let name: String = one.fetch_one(&mut connection).await.unwrap().get(0);
        assert_eq!(name, "it's secret");
        let twice = sqlx::query("INSERT INTO users VALUES (1, 'secret')");
        twice.execute(&mut connection).await.unwrap_err();
        sqlx::query("SELECT * FROM nobody")
            .fetch_all(&known)
            .await
            .unwrap_err();
        db.begin().await.unwrap().commit().await.unwrap();
    }
    .instrument(info_span!("request", request.id = "r-1"))
    .await;
    db
}

#[test]
fn queries_of_mariadb_are_told_by_the_conventions() {
    let test = "queries_of_mariadb_are_told_by_the_conventions";
    let server = (!crate::support::is_child(test)).then(Server::mariadb);
    let port = server.as_ref().map_or(0, |server| server.port).to_string();
    let variables = [(PORT, port.as_str())];
    let (receiver, _) = received_by(test, "http/protobuf", &variables, || run(mysql_work()));
    let spans = receiver.spans();
    let of_request: Vec<_> = spans.iter().filter(|span| span.name != "request").collect();
    let told: Vec<_> = of_request
        .iter()
        .map(|span| {
            let get = |key| get(&span.attributes, key).unwrap_or_default();
            let system = get("db.system.name");
            [
                span.name.clone(),
                get("db.query.text"),
                get("error.type"),
                system,
            ]
        })
        .collect();
    let expected = [
        [
            "CREATE TABLE users",
            "CREATE TEMPORARY TABLE users (id BIGINT PRIMARY KEY, `full name` TEXT)",
            "",
            "mysql",
        ],
        [
            "INSERT users",
            "INSERT INTO users VALUES (?, ?), (?, ?)",
            "",
            "mysql",
        ],
        [
            "SELECT users",
            "SELECT `full name` FROM users WHERE id = ?",
            "",
            "mysql",
        ],
        [
            "INSERT users",
            "INSERT INTO users VALUES (?, ?)",
            "1062",
            "mysql",
        ],
        ["SELECT nobody", "SELECT * FROM nobody", "1146", "mariadb"],
        ["BEGIN", "", "", "mysql"],
        ["COMMIT", "", "", "mysql"],
    ];
    assert_eq!(told, expected.map(|row| row.map(str::to_owned)));
    for span in &of_request {
        let error = get(&span.attributes, "error.type");
        let mut due = vec!["db.namespace", "server.port"];
        if error.is_some() {
            due.extend(["error.type", "db.response.status_code"]);
        }
        hold(SPAN, &span.attributes, &due, OURS);
        assert_eq!(get(&span.attributes, "db.response.status_code"), error);
        assert_eq!(
            get(&span.attributes, "db.namespace").as_deref(),
            Some("mysql")
        );
    }
    let contents = receiver.contents();
    DURATION.hold(
        contents.metric(DURATION.name).unwrap(),
        &["db.namespace", "server.port"],
    );
    assert!(!format!("{spans:?}{:?}", receiver.logs()).contains("secret"));
}
