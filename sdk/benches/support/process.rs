//! One side as a process: this program again, which does what it is told line by line over
//! a socket, since its standard output is taken by its JSON lines.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

const ADDRESS: &str = "THROUGHLINE_BENCH_ADDRESS";

/// A running side, seen from the benchmark.
pub struct Process {
    child: Child,
    connection: BufReader<TcpStream>,
}

impl Process {
    /// Starts this program with the arguments and variables. Its standard output goes to
    /// nowhere, but through the same system call as ever.
    pub fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(arguments)
            .envs(variables.iter().copied())
            .env(ADDRESS, listener.local_addr().unwrap().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let (connection, _) = listener.accept().unwrap();
        connection.set_nodelay(true).unwrap();
        Self {
            child,
            connection: BufReader::new(connection),
        }
    }

    /// Gives an order and waits for the answer.
    pub fn ask(&mut self, order: &str) -> String {
        writeln!(self.connection.get_mut(), "{order}").unwrap();
        let mut answer = String::new();
        self.connection.read_line(&mut answer).unwrap();
        assert!(
            answer.ends_with('\n'),
            "the process is gone; it was told: {order}"
        );
        answer.truncate(answer.len() - 1);
        answer
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its orders is the end of the process.
        let _ = self
            .connection
            .get_ref()
            .shutdown(std::net::Shutdown::Write);
        let _ = self.child.wait();
    }
}

/// The other end: answers orders until there are no more.
pub fn serve(mut answer: impl FnMut(&str) -> String) {
    let connection = TcpStream::connect(std::env::var(ADDRESS).unwrap()).unwrap();
    connection.set_nodelay(true).unwrap();
    let mut answers = connection.try_clone().unwrap();
    for order in BufReader::new(connection).lines() {
        writeln!(answers, "{}", answer(&order.unwrap())).unwrap();
    }
}
