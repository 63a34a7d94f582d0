//! A wire to the server that can be cut, or made slow: a TCP proxy that counts what the server sends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::Stack;

/// Bytes of an answer that says little, on a wire that all connections share.
const SHORT: usize = 4 * 1024;

/// A proxy before the stack's PostgreSQL server; ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    wire: Arc<Wire>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Wire {
    /// How many connections are still to be cut.
    cuts_left: AtomicUsize,
    /// After how many bytes from the server.
    cut_after_bytes: AtomicU64,
    /// How many were cut.
    cuts_made: AtomicUsize,
    /// How fast each connection is, in bytes a second from the server; 0: as fast as it can be.
    bytes_per_s: AtomicU64,
    /// Held by the connection that is carrying, where all share one speed.
    shared: Mutex<()>,
    /// Whether they do.
    is_shared: AtomicBool,
}

/// How many connections are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cuts {
    /// The first that passes the mark.
    Once,
    /// All that pass the mark.
    Always,
}

impl Proxy {
    /// A proxy that passes everything on.
    ///
    /// # Panics
    /// There is no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let wire = Arc::new(Wire::default());
        let accepting = tokio::spawn(accept(listener, Arc::clone(&wire)));
        Self { address, wire, accepting }
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on cuts connections over which the server has sent more than `after_bytes`.
    pub fn cut(&self, after_bytes: u64, cuts: Cuts) {
        self.wire.cut_after_bytes.store(after_bytes, Ordering::SeqCst);
        let left = match cuts {
            Cuts::Once => 1,
            Cuts::Always => usize::MAX,
        };
        self.wire.cuts_left.store(left, Ordering::SeqCst);
    }

    /// From now on no connection brings more than `bytes_per_s` from the server.
    pub fn slow_down(&self, bytes_per_s: u64) {
        self.wire.bytes_per_s.store(bytes_per_s, Ordering::SeqCst);
    }

    /// From now on all connections together bring no more than `bytes_per_s` from the server. Short answers pass at
    /// once.
    pub fn slow_down_together(&self, bytes_per_s: u64) {
        self.wire.is_shared.store(true, Ordering::SeqCst);
        self.slow_down(bytes_per_s);
    }

    /// From now on passes everything on, as fast as it can.
    pub fn heal(&self) {
        self.wire.cuts_left.store(0, Ordering::SeqCst);
        self.wire.bytes_per_s.store(0, Ordering::SeqCst);
    }

    /// How many connections were cut.
    pub fn cuts_made(&self) -> usize {
        self.wire.cuts_made.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Wire {
    /// Takes as long as so many bytes take on a slow wire.
    async fn pace(&self, bytes: usize) {
        let bytes_per_s = self.bytes_per_s.load(Ordering::SeqCst);
        let Some(micros) = (bytes as u64 * 1_000_000).checked_div(bytes_per_s) else { return };
        let is_shared = self.is_shared.load(Ordering::SeqCst);
        if is_shared && bytes < SHORT {
            return;
        }
        let _turn = if is_shared { Some(self.shared.lock().await) } else { None };
        tokio::time::sleep(Duration::from_micros(micros)).await;
    }

    /// Whether a connection that has carried so many bytes is to be cut; takes the cut.
    fn is_cut(&self, carried: u64) -> bool {
        if carried <= self.cut_after_bytes.load(Ordering::SeqCst) {
            return false;
        }
        let take = |left: usize| match left {
            0 => None,
            usize::MAX => Some(usize::MAX),
            left => Some(left - 1),
        };
        let cut = self.cuts_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok();
        if cut {
            self.cuts_made.fetch_add(1, Ordering::SeqCst);
        }
        cut
    }
}

async fn accept(listener: TcpListener, wire: Arc<Wire>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(carry(client, Arc::clone(&wire)));
    }
}

/// Carries one connection until either side ends it, or it is cut.
async fn carry(mut client: TcpStream, wire: Arc<Wire>) {
    let server = &Stack::get().postgres;
    let Ok(mut server) = TcpStream::connect((server.host.as_str(), server.port)).await else { return };
    let mut carried = 0;
    let mut up = vec![0; 64 * 1024];
    let mut down = vec![0; 64 * 1024];
    // An error on either side ends the connection, which is all that a wire can do about it.
    loop {
        tokio::select! {
            read = client.read(&mut up) => match read {
                Ok(bytes) if bytes > 0 && server.write_all(&up[..bytes]).await.is_ok() => {}
                _ => return,
            },
            read = server.read(&mut down) => match read {
                Ok(bytes) if bytes > 0 => {
                    carried += bytes as u64;
                    wire.pace(bytes).await;
                    if wire.is_cut(carried) || client.write_all(&down[..bytes]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            },
        }
    }
}
