//! TLS: asking the server for it, checking its certificate, and binding the login to it.

use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256, Sha384, Sha512};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::transport::Transport;
use super::{ConnectError, ConnectStage, TlsMode};

/// Encrypts a fresh connection as `mode` asks.
pub(super) async fn negotiate(
    mut tcp: TcpStream,
    host: &str,
    mode: &TlsMode,
) -> Result<Transport, ConnectError> {
    let config = match mode {
        TlsMode::Disable => return Ok(Transport::Plain(tcp)),
        TlsMode::Require => client_config(Arc::new(AcceptAnyCertificate(provider())))?,
        TlsMode::VerifyFull { roots } => client_config(verifier_for(roots)?)?,
    };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| ConnectError::TlsSetup(format!("{host:?} is neither a DNS name nor an IP address")))?;

    let broken = |source| ConnectError::Broken { stage: ConnectStage::Encrypting, source };
    let mut request = bytes::BytesMut::new();
    postgres_protocol::message::frontend::ssl_request(&mut request);
    tcp.write_all(&request).await.map_err(broken)?;
    match tcp.read_u8().await.map_err(broken)? {
        b'S' => {}
        // An old server, or one without TLS, answers with 'N'; one that does not know the request, with an error.
        b'N' | b'E' => return Err(ConnectError::TlsNotOffered),
        other => {
            return Err(ConnectError::Protocol(format!(
                "byte {other:#04x} in answer to the request for TLS"
            )));
        }
    }
    let stream =
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await.map_err(|error| sort(host, error))?;
    Ok(Transport::Tls(Box::new(stream)))
}

/// The hash of the server's certificate to which SCRAM can bind the login (RFC 5929,
/// `tls-server-end-point`); `None` where the RFC defines none for the certificate.
pub(super) fn server_end_point(stream: &TlsStream<TcpStream>) -> Option<Vec<u8>> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    Some(match signature_hash(certificate)? {
        SignatureHash::Sha256 => Sha256::digest(certificate).to_vec(),
        SignatureHash::Sha384 => Sha384::digest(certificate).to_vec(),
        SignatureHash::Sha512 => Sha512::digest(certificate).to_vec(),
    })
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn client_config(verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig, ConnectError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| ConnectError::TlsSetup(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    // A configuration serves one connection, so there is nothing to resume.
    config.resumption = Resumption::disabled();
    // Direct negotiation (PostgreSQL 17) demands it, and where a server looks at it, it must be this.
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(config)
}

fn verifier_for(roots: &[CertificateDer<'static>]) -> Result<Arc<dyn ServerCertVerifier>, ConnectError> {
    let mut store = RootCertStore::empty();
    // A bundle may hold certificates in forms that are not understood; one that is suffices.
    let (usable, _) = store.add_parsable_certificates(roots.iter().cloned());
    if usable == 0 {
        return Err(ConnectError::TlsSetup("none of the trusted certificates can be read".into()));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider())
        .build()
        .map_err(|error| ConnectError::TlsSetup(error.to_string()))?;
    Ok(verifier)
}

/// Tells a refused certificate from other failures of the handshake.
fn sort(host: &str, error: io::Error) -> ConnectError {
    let refused = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(why)) = refused else {
        return ConnectError::TlsHandshake(error);
    };
    let reason = match why {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "it is not signed by a trusted authority".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("it is not for the host {host}")
        }
        other => other.to_string(),
    };
    ConnectError::TlsVerification { reason }
}

/// libpq's `require`: whoever answers is taken at their word. The handshake's signature is checked all
/// the same, so that at least the presented certificate is the peer's own: SCRAM binds the login to it.
#[derive(Debug)]
struct AcceptAnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[derive(Debug, PartialEq, Eq)]
enum SignatureHash {
    Sha256,
    Sha384,
    Sha512,
}

/// The hash that the certificate's signature uses; MD5 and SHA-1 count as SHA-256, as RFC 5929 says.
/// `None` for schemes without one hash of their own (RSA-PSS, Ed25519).
fn signature_hash(certificate: &[u8]) -> Option<SignatureHash> {
    // 1.2.840.113549.1.1.n: RSA with a hash; 1.2.840.10045.4.3.n: ECDSA with a hash.
    const RSA: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
    const ECDSA_SHA1: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];

    // Certificate ::= SEQUENCE { tbsCertificate SEQUENCE, signatureAlgorithm SEQUENCE { OID, .. }, .. }
    let (_, certificate, _) = der_element(certificate)?;
    let (_, _tbs, after_tbs) = der_element(certificate)?;
    let (_, algorithm, _) = der_element(after_tbs)?;
    let (tag, oid, _) = der_element(algorithm)?;
    if tag != 0x06 {
        return None;
    }
    if oid == ECDSA_SHA1 {
        return Some(SignatureHash::Sha256);
    }
    match (oid.strip_prefix(&RSA), oid.strip_prefix(&ECDSA)) {
        (Some([4 | 5 | 11]), _) | (_, Some([2])) => Some(SignatureHash::Sha256),
        (Some([12]), _) | (_, Some([3])) => Some(SignatureHash::Sha384),
        (Some([13]), _) | (_, Some([4])) => Some(SignatureHash::Sha512),
        _ => None,
    }
}

/// The first element's tag and content, and what follows it.
fn der_element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 {
            return None;
        }
        let (digits, rest) = rest.split_at_checked(count)?;
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_hash_of_a_certificates_signature() {
        for (algorithm, hash) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Some(SignatureHash::Sha256)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Some(SignatureHash::Sha384)),
            (&rcgen::PKCS_ED25519, None),
        ] {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let certificate =
                rcgen::CertificateParams::new(["db.example".into()]).unwrap().self_signed(&key).unwrap();
            assert_eq!(signature_hash(certificate.der()), hash);
        }
    }

    #[test]
    fn a_cut_certificate_has_no_hash() {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(["db.example".into()]).unwrap().self_signed(&key).unwrap();
        for end in 0..certificate.der().len() {
            assert_eq!(signature_hash(&certificate.der()[..end]), None);
        }
    }
}
