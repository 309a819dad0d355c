//! A receiver of OTLP over HTTP that can hang: it shares a core with the load, so it reads
//! no more of a request than its length. What arrived whole, the SDK's own books say.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

const ACCEPTED: &[u8] = b"HTTP/1.1 200 OK\r\n\
    content-type: application/x-protobuf\r\n\
    content-length: 0\r\n\r\n";

#[derive(Default)]
struct State {
    hangs: bool,
    /// Those that were made since it last began to hang or to answer.
    connections: Vec<TcpStream>,
    /// Requests that came whole, in either state.
    requests: u64,
}

pub(crate) struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let connection = connection.unwrap();
                let ours = connection.try_clone().unwrap();
                shared.lock().unwrap().connections.push(ours);
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || answer(connection, &shared));
            }
        });
        Self { address, state }
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`, with the protocol `http/protobuf`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it takes what it is sent, connections too, and says nothing.
    pub(crate) fn hang(&self) {
        self.state.lock().unwrap().hangs = true;
    }

    /// From now on it answers again. Connections on which an answer is owed end, as with a
    /// server that is started anew.
    pub(crate) fn answer(&self) {
        let mut state = self.state.lock().unwrap();
        state.hangs = false;
        for connection in state.connections.drain(..) {
            // Clients end connections as they like.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.state.lock().unwrap().requests
    }
}

/// Serves one connection until its end.
fn answer(mut connection: TcpStream, state: &Mutex<State>) {
    let mut received = Vec::new();
    loop {
        match request(&received) {
            Some(length) => {
                received.drain(..length);
                let mut state = state.lock().unwrap();
                state.requests += 1;
                if !state.hangs && connection.write_all(ACCEPTED).is_err() {
                    return;
                }
            }
            None => match read(&mut connection, &mut received) {
                Ok(0) | Err(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => return,
                Ok(_) => {}
                Err(kind) => panic!("reading what was exported: {kind}"),
            },
        }
    }
}

/// The length of the first request, where all of it is there.
fn request(received: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    let head = received.windows(END.len()).position(|it| it == END)?;
    let length: usize = std::str::from_utf8(&received[..head])
        .unwrap()
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map(|(_, value)| value.trim().parse().unwrap())
        .expect("a length: batches are sent whole");
    let whole = head + END.len() + length;
    (received.len() >= whole).then_some(whole)
}

fn read(connection: &mut TcpStream, received: &mut Vec<u8>) -> Result<usize, ErrorKind> {
    let mut more = [0; 16 << 10];
    let read = connection.read(&mut more).map_err(|error| error.kind())?;
    received.extend_from_slice(&more[..read]);
    Ok(read)
}
