use std::io;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use snapshot::Address;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Connects to one replica.
#[derive(Clone, Debug)]
pub(super) struct Dial {
    address: Address,
    bound: Duration,
}

/// A connection to a replica.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    /// Boxed: its buffers are large, and most connections have none.
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

// === impl Dial ===

impl Dial {
    /// Connects to `address` within `bound`, TLS included.
    pub(super) fn new(address: Address, bound: Duration) -> Self {
        Self { address, bound }
    }

    pub(super) async fn connect(&self) -> io::Result<Stream> {
        let timed_out = |_| io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {:?}", self.bound));
        tokio::time::timeout(self.bound, open(&self.address)).await.map_err(timed_out)?
    }
}

async fn open(address: &Address) -> io::Result<Stream> {
    match address {
        Address::Http(authority) => Ok(Stream::Tcp(tcp(authority).await?)),
        Address::Https(authority) => {
            let name = server_name(authority)?;
            let tls = TlsConnector::from(tls().clone()).connect(name, tcp(authority).await?).await?;
            Ok(Stream::Tls(Box::new(tls)))
        }
        Address::Unix(path) => Ok(Stream::Unix(UnixStream::connect(path).await?)),
    }
}

async fn tcp(authority: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(authority).await?;
    // A delayed small write would cost up to 40 ms per request.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The host that the certificate has to be for.
fn server_name(authority: &str) -> io::Result<ServerName<'static>> {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(bare.to_owned()).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// Trusts the public web's certificate authorities; made once, as it holds some hundred of them.
fn tls() -> &'static Arc<ClientConfig> {
    static TLS: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_or_else(
            |error| unreachable!("aws-lc supports the default protocol versions: {error}"),
            |builder| Arc::new(builder.with_root_certificates(roots).with_no_client_auth()),
        )
    });
    &TLS
}

// === impl Stream ===

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_for_the_host_without_port_and_brackets() {
        let of = |authority| server_name(authority).unwrap().to_str().into_owned();
        assert_eq!(of("api.openai.com:443"), "api.openai.com");
        assert_eq!(of("[::1]:8443"), "::1");
        assert_eq!(of("127.0.0.1:443"), "127.0.0.1");
        assert!(server_name("no host:443").is_err());
    }
}
