//! What every function shares: configuration, clients, errors, tracing.
//!
//! A function is a handler, `async fn handle(tools: &Tools, input: I) -> Result<O, Fault>`, and a `main` that
//! calls [`run`]. Configuration is read and clients are made once, when the function starts.

pub mod clock;
pub mod config;
pub mod executions;
pub mod files;
pub mod hold;
pub mod lock;
pub mod objects;
pub mod point;
pub mod postpone;
pub mod progress;
pub mod restore;
pub mod runtime;
pub mod schedules;
pub mod sdk;
pub mod snapshot;
pub mod step;
pub mod tools;

pub use runtime::run;
pub use tools::Tools;
