//! Queries of a real PostgreSQL, which the test starts for itself, held against the conventions.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::database::{CONNECTIONS, DURATION, OURS, SPAN, failed, find, get, run};
use crate::support::received_by;
use crate::support::semconv::hold;
use futures::StreamExt;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Executor, Row, SqlStr};
use throughline::database;
use tracing::{Instrument, info_span};

/// Debian keeps the server's programs out of `PATH`, in a folder a version.
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
        .chain(debians)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| {
            panic!("there is no {name}: install PostgreSQL's server, as by `apt-get install postgresql`")
        })
}

/// A server in a folder of its own, gone when it is dropped.
struct Server {
    folder: PathBuf,
    port: u16,
    process: Child,
}

/// PostgreSQL refuses to run as root, so there it runs as nobody.
fn as_nobody(program: &Path) -> Command {
    if !nix::unistd::Uid::effective().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command.arg(program);
    command
}

impl Server {
    fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("throughline-pg-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).unwrap();
        let data = folder.join("data");
        let made = as_nobody(&program("initdb"))
            .args([
                "--no-sync",
                "--auth=trust",
                "--username=ada",
                "--encoding=UTF8",
                "-D",
            ])
            .arg(&data)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        // Free again before the server takes it; nothing else asks for ports meanwhile.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let process = as_nobody(&program("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-k"])
            .arg(&folder)
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            folder,
            port,
            process,
        };
        server.wait();
        server
    }

    /// Until it answers a connection.
    fn wait(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        runtime.block_on(async {
            while let Err(error) = options(self.port).connect().await {
                assert!(
                    Instant::now() < deadline,
                    "PostgreSQL does not answer: {error}"
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGINT ends it without waiting for clients.
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.process.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
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

const PORT: &str = "POSTGRESQL_PORT";

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
    let server = (!crate::support::is_child(test)).then(Server::start);
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
