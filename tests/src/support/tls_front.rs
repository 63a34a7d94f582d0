//! TLS before the stack's PostgreSQL server, which has none: a certificate of an authority of the test's own.
//!
//! The front speaks PostgreSQL's way of starting TLS, then passes on what the client says; with
//! [`TlsFront::with_iam_tokens`] it asks for the password itself, as RDS does for IAM logins.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::Stack;
use super::iam_gate::IamGate;

/// The name that the front's certificate bears.
pub const HOST: &str = "localhost";

/// What a client sends before TLS: the length and the code of PostgreSQL's `SSLRequest`.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// An authority that signs certificates, and its own in a file.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: NamedTempFile,
}

/// TLS before the server; ends when it is dropped.
#[derive(Debug)]
pub struct TlsFront {
    port: u16,
    connections: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Authority {
    /// A new authority, which nobody trusts yet.
    ///
    /// # Panics
    /// Its certificate cannot be written to a file.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, "an authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key can be made");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate can be made");
        let mut file = NamedTempFile::new().expect("a temporary file can be made");
        file.write_all(issuer.pem().as_bytes()).expect("a temporary file can be written");
        Self { issuer, file }
    }

    /// The PEM file with its certificate.
    pub fn file(&self) -> &Path {
        self.file.path()
    }

    fn server_config(&self) -> ServerConfig {
        let key = KeyPair::generate().expect("a key can be made");
        let params = CertificateParams::new(vec![HOST.to_owned()]).expect("the name can be certified");
        let certificate = params.signed_by(&key, &self.issuer).expect("the certificate can be signed");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks the default versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("the certificate and the key belong together")
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl TlsFront {
    /// A front that passes logins on to the server.
    ///
    /// # Panics
    /// There is no free port.
    pub async fn start(authority: &Authority) -> Self {
        Self::serve(authority, None).await
    }

    /// A front that asks for IAM tokens and lets `gate` decide about them.
    ///
    /// # Panics
    /// There is no free port.
    pub async fn with_iam_tokens(authority: &Authority, gate: Arc<IamGate>) -> Self {
        Self::serve(authority, Some(gate)).await
    }

    /// Where it listens, at [`HOST`].
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many clients have completed the handshake.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    async fn serve(authority: &Authority, gate: Option<Arc<IamGate>>) -> Self {
        // By name, as clients find it: whether that is 127.0.0.1 or ::1 is the machine's affair.
        let listener = TcpListener::bind((HOST, 0)).await.expect("a port is free");
        let port = listener.local_addr().expect("a listener has an address").port();
        let acceptor = TlsAcceptor::from(Arc::new(authority.server_config()));
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A client that is refused or goes away ends its own connection and nothing else.
                tokio::spawn(attend(client, acceptor.clone(), gate.clone(), port, Arc::clone(&counted)));
            }
        });
        Self { port, connections, accepting }
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Serves one client.
async fn attend(
    mut client: TcpStream,
    acceptor: TlsAcceptor,
    gate: Option<Arc<IamGate>>,
    port: u16,
    connections: Arc<AtomicUsize>,
) -> std::io::Result<()> {
    let mut request = [0; 8];
    client.read_exact(&mut request).await?;
    if request != SSL_REQUEST {
        // Who does not ask for TLS is not served.
        return Ok(());
    }
    client.write_all(b"S").await?;
    let mut client = acceptor.accept(client).await?;
    connections.fetch_add(1, Ordering::SeqCst);
    let postgres = &Stack::get().postgres;
    let mut server = TcpStream::connect((postgres.host.as_str(), postgres.port)).await?;
    if let Some(gate) = gate
        && !gate.admit(&mut client, &mut server, port).await?
    {
        return client.shutdown().await;
    }
    copy_bidirectional(&mut client, &mut server).await.map(|_| ())
}
