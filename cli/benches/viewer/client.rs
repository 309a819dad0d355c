//! One connection to a server, and a request on it.

use std::{io::Write, net::SocketAddr};

use anyhow::{Context, Result, ensure};
use axum::http::{Request, header::CONTENT_TYPE};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::requests::Signal;

/// How a request travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Grpc,
    Http,
    /// The same, compressed.
    HttpGzip,
}

/// Sends requests of one signal.
pub(crate) enum Client {
    Grpc(http2::SendRequest<Full<Bytes>>),
    Http {
        sender: http1::SendRequest<Full<Bytes>>,
        gzip: bool,
    },
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr, transport: Transport) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let io = TokioIo::new(stream);
        Ok(match transport {
            Transport::Grpc => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
                tokio::spawn(connection);
                Self::Grpc(sender)
            }
            Transport::Http | Transport::HttpGzip => {
                let (sender, connection) = http1::handshake(io).await?;
                tokio::spawn(connection);
                Self::Http {
                    sender,
                    gzip: transport == Transport::HttpGzip,
                }
            }
        })
    }

    /// For another request at the same time, where the transport can.
    pub(crate) fn share(&self) -> Option<Self> {
        match self {
            Self::Grpc(sender) => Some(Self::Grpc(sender.clone())),
            Self::Http { .. } => None,
        }
    }

    /// Sends and waits for the acknowledgement.
    pub(crate) async fn send(
        &mut self,
        address: SocketAddr,
        signal: Signal,
        message: Vec<u8>,
    ) -> Result<()> {
        match self {
            Self::Grpc(sender) => {
                let mut framed = Vec::with_capacity(message.len() + 5);
                framed.push(0);
                framed.extend_from_slice(&u32::try_from(message.len())?.to_be_bytes());
                framed.extend_from_slice(&message);
                let request = Request::post(format!("http://{address}{}", signal.grpc_path()))
                    .header(CONTENT_TYPE, "application/grpc")
                    .header("te", "trailers")
                    .body(Full::from(Bytes::from(framed)))?;
                sender.ready().await?;
                let answer = sender.send_request(request).await?;
                ensure!(answer.status().is_success(), "{}", answer.status());
                let (parts, body) = answer.into_parts();
                let body = body.collect().await?;
                let status = body
                    .trailers()
                    .and_then(|trailers| trailers.get("grpc-status"))
                    .or_else(|| parts.headers.get("grpc-status"))
                    .context("no grpc-status")?;
                ensure!(
                    status == "0",
                    "grpc-status {status:?}: {:?}",
                    parts.headers.get("grpc-message")
                );
            }
            Self::Http { sender, gzip } => {
                let mut request = Request::post(signal.http_path())
                    .header("host", address.to_string())
                    .header(CONTENT_TYPE, "application/x-protobuf");
                let body = if *gzip {
                    request = request.header("content-encoding", "gzip");
                    let mut encoder =
                        flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                    encoder.write_all(&message)?;
                    encoder.finish()?
                } else {
                    message
                };
                let request = request.body(Full::from(Bytes::from(body)))?;
                sender.ready().await?;
                let answer = sender.send_request(request).await?;
                ensure!(answer.status().is_success(), "{}", answer.status());
                answer.into_body().collect().await?;
            }
        }
        Ok(())
    }
}
