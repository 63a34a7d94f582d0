//! What can go wrong between a caller and the API, and the fault that each is.

use permafrost_domain::{Code, Fault};

use crate::endpoint::InvalidEndpoint;

/// A request that brought no answer, or an answer that is no success.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The API answered with a fault of its own.
    #[error("the API answered {status}: {}", fault.message)]
    Api {
        /// What it said.
        fault: Box<Fault>,
        /// The HTTP status.
        status: u16,
    },
    /// API Gateway refused the caller before the API was asked.
    #[error("{message}")]
    AccessDenied {
        /// What API Gateway said.
        message: String,
    },
    /// There are no AWS credentials to sign with.
    #[error("no AWS credentials to sign the request with")]
    NoCredentials(#[source] aws_credential_types::provider::error::CredentialsError),
    /// The request could not be signed.
    #[error("the request cannot be signed")]
    NotSigned(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The endpoint is no address of an API.
    #[error(transparent)]
    Endpoint(#[from] InvalidEndpoint),
    /// The HTTP client could not be set up.
    #[error("the HTTP client cannot be set up")]
    NotSetUp(#[source] reqwest::Error),
    /// No connection to the API, or it broke.
    #[error("no answer from {endpoint}")]
    Unreachable {
        /// The API's address.
        endpoint: String,
        /// What happened on the way.
        #[source]
        source: reqwest::Error,
    },
    /// API Gateway refused the request because there are too many.
    #[error("the API is asked too often")]
    Throttled,
    /// The endpoint answered something that is not the API's.
    #[error("{endpoint} answered {status}: {detail}")]
    Unexpected {
        /// The API's address.
        endpoint: String,
        /// The HTTP status.
        status: u16,
        /// What is wrong with the answer, or its first words.
        detail: String,
    },
}

impl From<ClientError> for Fault {
    fn from(error: ClientError) -> Fault {
        // The chain is told here, at the edge: `Display` never repeats its source.
        let message = chain(&error);
        match error {
            ClientError::Api { fault, .. } => *fault,
            ClientError::AccessDenied { .. } => denied(message),
            ClientError::NoCredentials(_) => Fault::new(Code::AccessDenied, message)
                .hint("Set AWS_PROFILE, name a profile with `--profile`, or log in with `aws sso login`."),
            ClientError::NotSigned(_) | ClientError::NotSetUp(_) => Fault::new(Code::ApiUnavailable, message),
            ClientError::Endpoint(_) => {
                Fault::new(Code::InvalidRequest, message).hint("Take the URL from the stack's output ApiUrl.")
            }
            ClientError::Unreachable { endpoint, .. } => {
                Fault::new(Code::ApiUnavailable, message).on(format!("endpoint {endpoint}"))
            }
            ClientError::Throttled => Fault::new(Code::ApiUnavailable, message)
                .hint("Try again in a minute; raise the stage's throttling limit if it happens often."),
            ClientError::Unexpected { endpoint, status, .. } => {
                let code = if status == 404 { Code::RouteNotFound } else { Code::ApiUnavailable };
                let hint = if status >= 500 {
                    "Try again; see the log of the function api where it happens again."
                } else {
                    "Check that the endpoint is the URL in the stack's output ApiUrl, with its stage, \
                     and that command and stack are of the same version."
                };
                Fault::new(code, message).on(format!("endpoint {endpoint}")).hint(hint)
            }
        }
    }
}

/// The fault of a caller that API Gateway does not know, or that it knows and refuses.
fn denied(message: String) -> Fault {
    let unknown = ["ignature", "security token", "scoped"].iter().any(|word| message.contains(word));
    let fault = Fault::new(Code::AccessDenied, message);
    if unknown {
        fault.hint("Check the AWS credentials, the region to sign for, and this machine's clock.")
    } else {
        fault
    }
}

/// An error and its causes, without what an outer one has said already.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_apis_own_fault_arrives_unchanged() {
        let fault = Fault::new(Code::BackupAlreadyRunning, "a backup of shop is running").on("job job-1");
        let error = ClientError::Api { fault: Box::new(fault.clone()), status: 409 };
        assert_eq!(Fault::from(error), fault);
    }

    #[test]
    fn a_caller_that_is_not_known_is_not_sent_to_ask_for_rights() {
        for (message, word) in [
            ("The security token included in the request is invalid.", "credentials"),
            ("Signature expired: 20261122T080000Z is now earlier than", "clock"),
            ("User: arn:aws:iam::1:user/eve is not authorized to perform: execute-api:Invoke", "policies"),
        ] {
            let fault = Fault::from(ClientError::AccessDenied { message: message.into() });
            assert!(fault.hint.contains(word), "{fault}");
        }
    }

    #[test]
    fn every_kind_has_a_code_of_its_own_category() {
        let unexpected = |status| ClientError::Unexpected {
            endpoint: "https://api.example".into(),
            status,
            detail: "<html>".into(),
        };
        for (error, code) in [
            (ClientError::AccessDenied { message: "no".into() }, Code::AccessDenied),
            (ClientError::Throttled, Code::ApiUnavailable),
            (unexpected(404), Code::RouteNotFound),
            (unexpected(502), Code::ApiUnavailable),
            ("nonsense".parse::<crate::Endpoint>().unwrap_err().into(), Code::InvalidRequest),
        ] {
            let fault = Fault::from(error);
            assert_eq!(fault.code, code, "{fault}");
            assert!(fault.hint.ends_with('.'), "{fault}");
        }
    }
}
