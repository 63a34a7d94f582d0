//! Logging in by IAM token, as RDS does it: the server asks for the password in clear text, and what comes must be a
//! presigned `rds-db:connect` request for this very host, port and user, by somebody whom AWS knows.
//!
//! Only the emulator knows the secrets of the functions' sessions, so it is asked to check the signature: it is sent
//! the very request that the token is. Nobody may `connect` there; what it refuses the request for tells whether it
//! took the signature, and whose it was.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

use fallible_iterator::FallibleIterator;
use jiff::Timestamp;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::{backend, frontend};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::database::Account;
use super::{Stack, tls_front};

/// No message of a login is longer.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// Decides about logins by token.
#[derive(Debug)]
pub struct IamGate {
    account: Account,
    decisions: Mutex<Vec<Decision>>,
}

/// What became of a login.
#[derive(Debug, Clone)]
pub enum Decision {
    /// Let in: who the emulator says has signed the token, and the token's password text.
    Admitted {
        /// The ARN of the session.
        caller: String,
        /// The token.
        token: String,
    },
    /// Refused, and why.
    Refused(String),
}

impl IamGate {
    /// A gate that lets in tokens for `account`'s user, and logs in to the server with its password.
    pub fn new(account: &Account) -> Self {
        Self { account: account.clone(), decisions: Mutex::default() }
    }

    /// All decisions so far.
    ///
    /// # Panics
    /// Never: nobody panics under the lock.
    pub fn decisions(&self) -> Vec<Decision> {
        self.decisions.lock().expect("nobody panics under this lock").clone()
    }

    /// Takes a client's startup message and its token, and opens the session with the server in its place.
    /// Returns whether it was let in.
    pub(super) async fn admit<C: AsyncRead + AsyncWrite + Unpin>(
        &self,
        client: &mut C,
        server: &mut TcpStream,
        port: u16,
    ) -> io::Result<bool> {
        let startup = read_body(client).await?;
        let parameters = startup_parameters(&startup)?;
        // AuthenticationCleartextPassword.
        client.write_all(&[b'R', 0, 0, 0, 8, 0, 0, 0, 3]).await?;
        expect_tag(client, b'p').await?;
        let password = read_body(client).await?;
        let token = text(password.strip_suffix(b"\0").unwrap_or(&password))?.to_owned();
        let decision = match self.check(&parameters, &token, port).await {
            Ok(caller) => Decision::Admitted { caller, token },
            Err(reason) => Decision::Refused(reason),
        };
        let refusal = match &decision {
            Decision::Admitted { .. } => None,
            Decision::Refused(reason) => Some(reason.clone()),
        };
        self.decisions.lock().expect("nobody panics under this lock").push(decision);
        if let Some(reason) = refusal {
            client.write_all(&authentication_failed(&reason)).await?;
            return Ok(false);
        }
        self.log_in(server, &startup).await?;
        // AuthenticationOk; what the server says next goes to the client as it is.
        client.write_all(&[b'R', 0, 0, 0, 8, 0, 0, 0, 0]).await?;
        Ok(true)
    }

    /// The caller whom the token names, if it is one for this host, port and user, now.
    async fn check(
        &self,
        parameters: &BTreeMap<String, String>,
        token: &str,
        port: u16,
    ) -> Result<String, String> {
        let user = &self.account.user;
        let (place, query) = token.split_once("/?").ok_or("the password is no token")?;
        let fields: BTreeMap<&str, String> = query
            .split('&')
            .map(|field| {
                field.split_once('=').map_or((field, String::new()), |(name, value)| (name, decoded(value)))
            })
            .collect();
        let field =
            |name: &str| fields.get(name).map(String::as_str).ok_or(format!("the token has no {name}"));
        let expect = |what: &str, found: &str, expected: &str| {
            if found == expected { Ok(()) } else { Err(format!("{what} is {found:?}, not {expected:?}")) }
        };
        expect("the user of the startup message", parameters.get("user").map_or("", String::as_str), user)?;
        expect("the token's server", place, &format!("{}:{port}", tls_front::HOST))?;
        expect("the token's action", field("Action")?, "connect")?;
        expect("the token's user", field("DBUser")?, user)?;
        expect("the algorithm", field("X-Amz-Algorithm")?, "AWS4-HMAC-SHA256")?;
        expect("the signed headers", field("X-Amz-SignedHeaders")?, "host")?;
        let signature = field("X-Amz-Signature")?;
        if signature.len() != 64 || !signature.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(format!("{signature:?} is no signature"));
        }
        let date = field("X-Amz-Date")?;
        let signed_at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date)
            .and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC))
            .map_err(|error| format!("{date:?} is no date: {error}"))?
            .timestamp();
        let valid_s: i64 =
            field("X-Amz-Expires")?.parse().map_err(|_| "the expiry is no number".to_owned())?;
        let age_s = now().duration_since(signed_at).as_secs();
        // RDS takes no token that is valid for longer than 15 minutes.
        if !(-5..=valid_s).contains(&age_s) || !(1..=900).contains(&valid_s) {
            return Err(format!("the token is {age_s} s old and valid for {valid_s} s"));
        }
        let credential = field("X-Amz-Credential")?;
        let (_, scope) = credential.split_once('/').ok_or("the credential has no scope")?;
        let region = &Stack::get().region;
        expect("the scope", scope, &format!("{}/{region}/rds-db/aws4_request", &date[..8]))?;
        signer_of(query, place).await
    }

    /// Sends the client's startup message to the server, and answers it with the account's own password.
    async fn log_in(&self, server: &mut TcpStream, startup: &[u8]) -> io::Result<()> {
        let length = u32::try_from(startup.len() + 4).map_err(io::Error::other)?;
        server.write_all(&length.to_be_bytes()).await?;
        server.write_all(startup).await?;
        let mut scram = ScramSha256::new(self.account.password.as_bytes(), ChannelBinding::unsupported());
        loop {
            let mut answer = bytes::BytesMut::new();
            match read_message(server).await? {
                backend::Message::AuthenticationSasl(offer) => {
                    if !offer.mechanisms().any(|mechanism| Ok(mechanism == SCRAM_SHA_256))? {
                        return Err(io::Error::other("the server does not offer SCRAM-SHA-256"));
                    }
                    frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), &mut answer)?;
                }
                backend::Message::AuthenticationSaslContinue(body) => {
                    scram.update(body.data())?;
                    frontend::sasl_response(scram.message(), &mut answer)?;
                }
                backend::Message::AuthenticationSaslFinal(body) => scram.finish(body.data())?,
                backend::Message::AuthenticationOk => return Ok(()),
                _ => return Err(io::Error::other("the server refused the account's password")),
            }
            server.write_all(&answer).await?;
        }
    }
}

/// The ARN of whoever signed the request `query` to this host, by the emulator.
async fn signer_of(query: &str, host: &str) -> Result<String, String> {
    let answer =
        ask_emulator(query, host).await.map_err(|error| format!("the emulator cannot be asked: {error}"))?;
    let user =
        answer.split_once("User: ").and_then(|(_, rest)| rest.split_once(" is not authorized to perform"));
    match user {
        Some((arn, _)) => Ok(arn.to_owned()),
        None => Err(format!("the signature is not taken: {}", answer.lines().last().unwrap_or_default())),
    }
}

async fn ask_emulator(query: &str, host: &str) -> io::Result<String> {
    let mut emulator = TcpStream::connect(Stack::get().endpoint.trim_start_matches("http://")).await?;
    let request = format!("GET /?{query} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    emulator.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    emulator.read_to_string(&mut answer).await?;
    Ok(answer)
}

async fn expect_tag(client: &mut (impl AsyncRead + Unpin), tag: u8) -> io::Result<()> {
    let found = client.read_u8().await?;
    if found == tag {
        Ok(())
    } else {
        Err(io::Error::other(format!("a message {found:#x} instead of a password")))
    }
}

/// What follows a length, without it.
async fn read_body(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = from.read_u32().await? as usize;
    if !(4..=MAX_MESSAGE_BYTES).contains(&length) {
        return Err(io::Error::other(format!("a message of {length} bytes")));
    }
    let mut body = vec![0; length - 4];
    from.read_exact(&mut body).await?;
    Ok(body)
}

async fn read_message(server: &mut TcpStream) -> io::Result<backend::Message> {
    let tag = server.read_u8().await?;
    let body = read_body(server).await?;
    let mut bytes = bytes::BytesMut::with_capacity(body.len() + 5);
    bytes.extend_from_slice(&[tag]);
    bytes.extend_from_slice(&u32::try_from(body.len() + 4).map_err(io::Error::other)?.to_be_bytes());
    bytes.extend_from_slice(&body);
    backend::Message::parse(&mut bytes)?.ok_or_else(|| io::Error::other("half a message"))
}

/// The parameters of a startup message, which stand behind the protocol's version.
fn startup_parameters(startup: &[u8]) -> io::Result<BTreeMap<String, String>> {
    let mut words = startup.get(4..).unwrap_or_default().split(|byte| *byte == 0);
    let mut parameters = BTreeMap::new();
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        if name.is_empty() {
            break;
        }
        parameters.insert(text(name)?.to_owned(), text(value)?.to_owned());
    }
    Ok(parameters)
}

fn text(bytes: &[u8]) -> io::Result<&str> {
    std::str::from_utf8(bytes).map_err(io::Error::other)
}

#[expect(clippy::disallowed_methods, reason = "the gate stands for a server, which has a clock")]
fn now() -> Timestamp {
    Timestamp::now()
}

/// An `ErrorResponse` as RDS gives it.
fn authentication_failed(reason: &str) -> Vec<u8> {
    let mut fields = Vec::new();
    for (field, value) in [(b'S', "FATAL"), (b'V', "FATAL"), (b'C', "28000"), (b'M', reason)] {
        fields.push(field);
        fields.extend_from_slice(value.as_bytes());
        fields.push(0);
    }
    fields.push(0);
    let length = u32::try_from(fields.len() + 4).unwrap_or(u32::MAX);
    [b"E", length.to_be_bytes().as_slice(), &fields].concat()
}

/// Undoes the encoding of a URL's query.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        if let (b'%', [high, low, after @ ..]) = (first, tail) {
            let digits = [*high, *low];
            let digit = std::str::from_utf8(&digits).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
            bytes.push(digit.unwrap_or(b'?'));
            rest = after;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
