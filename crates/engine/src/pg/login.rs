//! The startup message and the server's way of asking who we are.

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::backend::{AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;

use super::transport::Transport;
use super::wire::Wire;
use super::{ConnectError, ConnectOptions, ConnectStage, DbError, Password, QueryError, tls};

/// What the server needs to be shown to cancel a statement of this session.
#[derive(Debug, Clone, Copy)]
pub(super) struct BackendKey {
    pub(super) process_id: i32,
    pub(super) secret: i32,
}

/// Logs in; afterwards the server waits for the first command.
pub(super) async fn log_in(wire: &mut Wire, options: &ConnectOptions) -> Result<BackendKey, ConnectError> {
    let parameters = [
        ("user", options.user.as_str()),
        ("database", options.database.as_str()),
        ("application_name", options.application_name.as_str()),
        ("client_encoding", "UTF8"),
    ];
    frontend::startup_message(parameters, wire.output()).map_err(|error| unsendable(&error))?;
    wire.flush().await.map_err(failed)?;
    authenticate(wire, options).await?;
    await_ready(wire).await
}

async fn authenticate(wire: &mut Wire, options: &ConnectOptions) -> Result<(), ConnectError> {
    loop {
        match next(wire).await? {
            Message::AuthenticationOk => return Ok(()),
            Message::AuthenticationCleartextPassword => {
                if matches!(wire.transport(), Transport::Plain(_)) {
                    return Err(ConnectError::CleartextPasswordRefused);
                }
                let password = password(options)?;
                send_password(wire, password.expose().as_bytes()).await?;
            }
            Message::AuthenticationMd5Password(body) => {
                let password = password(options)?.expose().as_bytes();
                let hash = md5_hash(options.user.as_bytes(), password, body.salt());
                send_password(wire, hash.as_bytes()).await?;
            }
            Message::AuthenticationSasl(body) => scram(wire, &body, password(options)?).await?,
            Message::AuthenticationGss | Message::AuthenticationSspi => return Err(unsupported("GSSAPI")),
            Message::AuthenticationKerberosV5 => return Err(unsupported("Kerberos V5")),
            Message::AuthenticationScmCredential => return Err(unsupported("SCM credential")),
            _ => return Err(ConnectError::Protocol("an unexpected message during authentication".into())),
        }
    }
}

/// SCRAM-SHA-256, bound to the TLS channel where both sides can.
async fn scram(
    wire: &mut Wire,
    offer: &AuthenticationSaslBody,
    password: &Password,
) -> Result<(), ConnectError> {
    let offered: Vec<&str> = offer.mechanisms().collect().map_err(|error| violation(&error))?;
    let end_point = match wire.transport() {
        Transport::Tls(stream) => tls::server_end_point(stream),
        Transport::Plain(_) => None,
    };
    let (mechanism, binding) = match end_point {
        Some(hash) if offered.contains(&SCRAM_SHA_256_PLUS) => {
            (SCRAM_SHA_256_PLUS, ChannelBinding::tls_server_end_point(hash))
        }
        // "The client could, but believes that the server cannot": a server that does offer it then
        // refuses, since somebody in between has taken the offer away.
        Some(_) if offered.contains(&SCRAM_SHA_256) => (SCRAM_SHA_256, ChannelBinding::unrequested()),
        None if offered.contains(&SCRAM_SHA_256) => (SCRAM_SHA_256, ChannelBinding::unsupported()),
        _ => return Err(unsupported(&format!("SASL {}", offered.join(" or ")))),
    };

    let mut exchange = ScramSha256::new(password.expose().as_bytes(), binding);
    frontend::sasl_initial_response(mechanism, exchange.message(), wire.output())
        .map_err(|error| unsendable(&error))?;
    flush(wire).await?;
    match next(wire).await? {
        Message::AuthenticationSaslContinue(body) => {
            exchange.update(body.data()).map_err(|error| violation(&error))?;
        }
        _ => return Err(ConnectError::Protocol("SCRAM was not continued".into())),
    }
    frontend::sasl_response(exchange.message(), wire.output()).map_err(|error| unsendable(&error))?;
    flush(wire).await?;
    match next(wire).await? {
        // The server proves that it knows the password, too.
        Message::AuthenticationSaslFinal(body) => {
            exchange.finish(body.data()).map_err(|error| violation(&error))
        }
        _ => Err(ConnectError::Protocol("SCRAM was not completed".into())),
    }
}

async fn await_ready(wire: &mut Wire) -> Result<BackendKey, ConnectError> {
    // Some poolers send no key; then there is nothing to cancel with.
    let mut key = BackendKey { process_id: 0, secret: 0 };
    loop {
        match next(wire).await? {
            Message::BackendKeyData(body) => {
                key = BackendKey { process_id: body.process_id(), secret: body.secret_key() };
            }
            Message::ReadyForQuery(_) => return Ok(key),
            _ => return Err(ConnectError::Protocol("an unexpected message after authentication".into())),
        }
    }
}

/// The next message; an error of the server's is a [`ConnectError`].
async fn next(wire: &mut Wire) -> Result<Message, ConnectError> {
    match wire.next().await.map_err(failed)? {
        Message::ErrorResponse(body) => {
            Err(ConnectError::from_server(DbError::parse(body.fields()).map_err(|error| violation(&error))?))
        }
        message => Ok(message),
    }
}

async fn send_password(wire: &mut Wire, password: &[u8]) -> Result<(), ConnectError> {
    let mut message = BytesMut::new();
    frontend::password_message(password, &mut message).map_err(|error| unsendable(&error))?;
    wire.output().extend_from_slice(&message);
    flush(wire).await
}

async fn flush(wire: &mut Wire) -> Result<(), ConnectError> {
    wire.flush().await.map_err(failed)
}

fn password(options: &ConnectOptions) -> Result<&Password, ConnectError> {
    options.password.as_ref().ok_or(ConnectError::PasswordMissing)
}

fn failed(error: QueryError) -> ConnectError {
    match error {
        QueryError::Server(error) => ConnectError::from_server(*error),
        QueryError::ConnectionClosed(source) => {
            ConnectError::Broken { stage: ConnectStage::LoggingIn, source }
        }
        QueryError::Protocol(what) => ConnectError::Protocol(what),
        other => ConnectError::Protocol(other.to_string()),
    }
}

fn unsupported(method: &str) -> ConnectError {
    ConnectError::UnsupportedAuthentication { method: method.to_owned() }
}

/// A NUL byte in an option. The encoder's message does not quote the value.
fn unsendable(error: &std::io::Error) -> ConnectError {
    ConnectError::Protocol(format!("a connection option cannot be sent: {error}"))
}

fn violation(error: &std::io::Error) -> ConnectError {
    ConnectError::Protocol(error.to_string())
}
