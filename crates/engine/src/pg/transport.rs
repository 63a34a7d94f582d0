//! The byte stream below the protocol: a TCP socket, plain or under TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::client::TlsStream;

use super::{ConnectError, ConnectOptions, ConnectStage};

/// Below the 350 s after which AWS's NAT gateways and load balancers forget an idle flow.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 4;
/// How long sent data may stay unacknowledged before the peer counts as gone.
const UNACKNOWLEDGED_LIMIT: Duration = Duration::from_mins(2);

/// A connected socket.
pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Resolves the name and connects to the first address that accepts.
pub(super) async fn connect_tcp(
    options: &ConnectOptions,
    deadline: Instant,
) -> Result<TcpStream, ConnectError> {
    let ConnectOptions { host, port, .. } = options;
    let resolving = tokio::net::lookup_host((host.as_str(), *port));
    let addresses: Vec<_> = timeout_at(deadline, resolving)
        .await
        .map_err(|_| timed_out(options, ConnectStage::Resolving))?
        .map_err(|source| ConnectError::NameNotResolved { host: host.clone(), source })?
        .collect();

    let mut last = None;
    for (tried, address) in addresses.iter().enumerate() {
        // Each address gets its share of what is left, so that one that swallows packets does not
        // keep the others from being tried.
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                return match configure(&stream) {
                    Ok(()) => Ok(stream),
                    Err(source) => Err(ConnectError::Broken { stage: ConnectStage::Connecting, source }),
                };
            }
            Ok(Err(error)) => last = Some(error),
            Err(_) => {}
        }
    }
    match last {
        Some(source) => Err(ConnectError::Unreachable { host: host.clone(), port: *port, source }),
        None if addresses.is_empty() => Err(ConnectError::NameNotResolved {
            host: host.clone(),
            source: io::Error::new(io::ErrorKind::NotFound, "the name has no address"),
        }),
        None => Err(timed_out(options, ConnectStage::Connecting)),
    }
}

pub(super) fn timed_out(options: &ConnectOptions, stage: ConnectStage) -> ConnectError {
    ConnectError::TimedOut {
        host: options.host.clone(),
        port: options.port,
        stage,
        limit: options.connect_timeout,
    }
}

fn configure(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_LIMIT))?;
    Ok(())
}

impl Transport {
    /// Has the kernel wake nobody for what arrives before there are `bytes` of it, or the peer has ended.
    pub(super) fn set_low_water(&self, bytes: usize) -> io::Result<()> {
        let stream = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        };
        set_low_water(stream, bytes)
    }
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no crate that is here knows this option")]
fn set_low_water(stream: &TcpStream, bytes: usize) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let bytes = libc::c_int::try_from(bytes).map_err(io::Error::other)?;
    let size = libc::socklen_t::try_from(size_of_val(&bytes)).map_err(io::Error::other)?;
    let value = std::ptr::from_ref(&bytes).cast();
    // SAFETY: the stream keeps its descriptor open, and the kernel copies the value while it is here.
    let result =
        unsafe { libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVLOWAT, value, size) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Elsewhere whoever waits is woken more often, and does the same.
#[cfg(not(target_os = "linux"))]
fn set_low_water(_: &TcpStream, _: usize) -> io::Result<()> {
    Ok(())
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
