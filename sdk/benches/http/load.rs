//! Requests over connections that are kept, with as little work as can be: the client must
//! not be what is waited for.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const REQUEST: &[u8] = b"GET /hello/42 HTTP/1.1\r\n\
    host: bench\r\n\
    user-agent: bench/1\r\n\r\n";

/// Requests that wait for their answers at the same time.
const CONNECTIONS: usize = 8;

pub(crate) struct Load {
    connections: Vec<TcpStream>,
}

impl Load {
    pub(crate) fn on(address: SocketAddr) -> Self {
        let connect = |_| {
            let connection = TcpStream::connect(address).unwrap();
            connection.set_nodelay(true).unwrap();
            connection
        };
        Self {
            connections: (0..CONNECTIONS).map(connect).collect(),
        }
    }

    /// Sends so many requests and waits for all answers.
    pub(crate) fn send(&mut self, requests: u64) {
        let each = requests / CONNECTIONS as u64;
        let rest = requests % CONNECTIONS as u64;
        for turn in 0..=each {
            let now = if turn < each {
                CONNECTIONS
            } else {
                rest as usize
            };
            for connection in &mut self.connections[..now] {
                connection.write_all(REQUEST).unwrap();
            }
            for connection in &mut self.connections[..now] {
                answered(connection);
            }
        }
    }

    /// One request after the other at this rate, on one connection. Gives the time of each
    /// in microseconds.
    ///
    /// A request that is late because the one before took long has waited since it was due.
    /// One that is late because this thread woke late has not: that is no fault of the
    /// server's.
    pub(crate) fn steady(&mut self, rate: u32, length: Duration) -> Vec<f64> {
        let connection = &mut self.connections[0];
        let every = Duration::from_secs(1) / rate;
        let start = Instant::now();
        let mut times = Vec::new();
        let mut due = start;
        while due < start + length {
            let early = due.saturating_duration_since(Instant::now());
            let began = if early.is_zero() {
                due
            } else {
                std::thread::sleep(early);
                Instant::now()
            };
            connection.write_all(REQUEST).unwrap();
            answered(connection);
            times.push(began.elapsed().as_secs_f64() * 1e6);
            due += every;
        }
        times
    }

    /// As many requests as the server answers, on all connections. Gives the time of each in
    /// microseconds.
    pub(crate) fn saturated(&mut self, length: Duration) -> Vec<f64> {
        let start = Instant::now();
        let mut times = Vec::new();
        while start.elapsed() < length {
            let mut began = [start; CONNECTIONS];
            for (connection, began) in self.connections.iter_mut().zip(&mut began) {
                *began = Instant::now();
                connection.write_all(REQUEST).unwrap();
            }
            for (connection, began) in self.connections.iter_mut().zip(began) {
                answered(connection);
                times.push(began.elapsed().as_secs_f64() * 1e6);
            }
        }
        times
    }
}

/// Reads one answer, which ends with the body that the server is known to give.
fn answered(connection: &mut TcpStream) {
    let mut answer = [0; 1024];
    let mut read = 0;
    while !answer[..read].ends_with(super::server::BODY.as_bytes()) {
        let more = connection.read(&mut answer[read..]).unwrap();
        assert!(more > 0, "the server closed the connection");
        read += more;
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
}
