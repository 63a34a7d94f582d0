//! TLS with a real server: what is encrypted, who is believed, and what is said of those who are not.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod pg_server;

use permafrost_engine::pg::{ConnectError, ConnectOptions, Connection, Password, TlsMode};
use pg_server::{Certificate, Server};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(algorithm: &'static rcgen::SignatureAlgorithm) -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate_for(algorithm).unwrap()).unwrap()
}

/// A certificate for `names`, signed by `authority`.
fn certificate(authority: &Authority, names: &[&str], expired: bool) -> Certificate {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    if expired {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    }
    let certificate = params.signed_by(&key, authority).unwrap();
    Certificate { chain: certificate.pem(), key: key.serialize_pem() }
}

fn trusting(authority: &Authority, options: ConnectOptions) -> ConnectOptions {
    ConnectOptions { tls: TlsMode::verify_full(authority.pem().as_bytes()).unwrap(), ..options }
}

async fn refusal(options: &ConnectOptions) -> String {
    match Connection::connect(options).await {
        Err(ConnectError::TlsVerification { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

async fn tls_version(connection: &mut Connection) -> String {
    let sql = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl";
    connection.query(sql, &[]).await.unwrap()[0].parse(0).unwrap()
}

#[tokio::test]
async fn the_certificate_decides_in_verify_full_and_not_in_require() {
    let ours = authority(&rcgen::PKCS_ECDSA_P256_SHA256);
    let strangers = authority(&rcgen::PKCS_ECDSA_P256_SHA256);
    let server = Server::start_with(Some(&certificate(&ours, &["127.0.0.1", "db.example"], false)), &[]);

    let verified = trusting(&ours, server.options());
    let mut connection = Connection::connect(&verified).await.unwrap();
    assert_eq!(tls_version(&mut connection).await, "TLSv1.3");
    // Data, and a large answer, over TLS.
    let large = connection.query("SELECT repeat('x', 3000000)", &[]).await.unwrap();
    assert_eq!(large[0].get(0).map(str::len), Some(3_000_000));
    let mut block = Vec::new();
    let mut copy =
        connection.copy_out("COPY (SELECT i FROM generate_series(1, 300000) i) TO STDOUT").await.unwrap();
    let read = copy.read_rows(&mut block, usize::MAX).await.unwrap();
    assert!(read.end && read.rows == 300_000);
    connection.execute("CREATE TABLE t (i int)").await.unwrap();
    let mut copy = connection.copy_in("COPY t FROM STDIN").await.unwrap();
    copy.send(&block).await.unwrap();
    assert_eq!(copy.finish().await.unwrap(), 300_000);
    let handle = connection.cancel_handle();
    let cancelling = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        handle.cancel().await.unwrap();
    };
    let (slept, ()) = tokio::join!(connection.execute("SELECT pg_sleep(60)"), cancelling);
    assert_eq!(slept.unwrap_err().sqlstate(), Some("57014"));
    connection.close().await;

    assert_eq!(
        refusal(&trusting(&strangers, server.options())).await,
        "it is not signed by a trusted authority"
    );
    // "localhost" is the same server, but the certificate does not say so.
    let other_name = ConnectOptions { host: "localhost".into(), ..verified.clone() };
    assert_eq!(refusal(&other_name).await, "it is not for the host localhost");

    let unverified = ConnectOptions { host: "localhost".into(), tls: TlsMode::Require, ..server.options() };
    let mut connection = Connection::connect(&unverified).await.unwrap();
    assert_eq!(tls_version(&mut connection).await, "TLSv1.3");

    // A password in clear text goes over TLS only.
    server.create_role(&mut connection, "cleartext_user").await;
    let cleartext = ConnectOptions { user: "cleartext_user".into(), ..verified.clone() };
    Connection::connect(&cleartext).await.unwrap();
    let wrong = ConnectOptions { password: Some(Password::new("wrong")), ..cleartext.clone() };
    let error = Connection::connect(&wrong).await.unwrap_err();
    assert!(matches!(error, ConnectError::AuthenticationFailed(_)), "{error:?}");
    let plain = ConnectOptions { tls: TlsMode::Disable, ..cleartext };
    let error = Connection::connect(&plain).await.unwrap_err();
    assert!(matches!(error, ConnectError::CleartextPasswordRefused), "{error:?}");

    // A bundle is a list: the right authority may stand anywhere in it.
    let bundle = format!("{}\n{}", strangers.pem(), ours.pem());
    let tls = TlsMode::verify_full(bundle.as_bytes()).unwrap();
    Connection::connect(&ConnectOptions { tls, ..server.options() }).await.unwrap();
}

#[tokio::test]
async fn scram_is_bound_to_the_certificate() {
    // With SHA-384 the binding's hash is another than SCRAM's own.
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384] {
        let ours = authority(algorithm);
        let server = Server::start_with(
            Some(&certificate(&ours, &["127.0.0.1"], false)),
            &["log_min_messages=debug4", "ssl_max_protocol_version=TLSv1.2"],
        );
        let mut connection = Connection::connect(&trusting(&ours, server.options())).await.unwrap();
        assert_eq!(tls_version(&mut connection).await, "TLSv1.2");

        // libpq, made to bind, sends answers of the same lengths; without the binding they are shorter.
        let conninfo = format!(
            "host=127.0.0.1 port={} user=postgres dbname=postgres sslmode=require channel_binding=require",
            server.port()
        );
        let psql = server.client("psql", &["-X", "-Atc", "SELECT 1", &conninfo]);
        assert!(psql.status.success(), "{}", String::from_utf8_lossy(&psql.stderr));
        let log = server.log();
        let lengths: Vec<&str> = log
            .lines()
            .filter_map(|line| line.split_once("SASL response of length "))
            .map(|(_, n)| n)
            .collect();
        assert_eq!(lengths.len(), 4, "{lengths:?}");
        assert_eq!(lengths[..2], lengths[2..], "ours, then libpq's");
    }
}

#[tokio::test]
async fn an_expired_certificate_and_a_server_without_tls_are_told_apart() {
    let ours = authority(&rcgen::PKCS_ECDSA_P256_SHA256);
    let expired = Server::start_with(Some(&certificate(&ours, &["127.0.0.1"], true)), &[]);
    assert_eq!(refusal(&trusting(&ours, expired.options())).await, "it has expired");
    drop(expired);

    let plain = Server::start();
    for options in
        [trusting(&ours, plain.options()), ConnectOptions { tls: TlsMode::Require, ..plain.options() }]
    {
        let error = Connection::connect(&options).await.unwrap_err();
        assert!(matches!(error, ConnectError::TlsNotOffered), "{error:?}");
    }
}
