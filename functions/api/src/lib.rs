//! The function `api`: answers the REST API behind API Gateway, which has authenticated and authorised the
//! caller by IAM.
//!
//! Thin: a route reads its request, asks the catalog, starts an execution, answers. Each has a file of its own
//! in `routes`, with its description for the OpenAPI document and its tests.
//!
//! **Invariants:** no body is logged and no text of another service is sent to a caller; whatever is started
//! stands in the catalog first.

pub mod answer;
pub mod api;
pub mod machines;
pub mod openapi;
pub mod request;
pub mod route;
mod routes;

pub use api::Api;
pub use machines::StateMachines;

use permafrost_domain::{Code, Fault};

/// Random bits of the operating system.
///
/// # Errors
/// `FunctionFailed` where it has none to give.
pub fn random() -> Result<u128, Fault> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)
        .map_err(|error| Fault::new(Code::FunctionFailed, format!("there are no random bits: {error}")))?;
    Ok(u128::from_ne_bytes(bits))
}
