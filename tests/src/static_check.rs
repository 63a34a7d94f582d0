//! Holds templates, state machines and functions against each other, without a stack.
//!
//! The emulator checks neither the roles of state machines nor their definitions, and `sam validate` does not
//! look inside them: what is wrong there would show on AWS alone. Every rule takes the [`Project`] and answers
//! with findings, one line each, none where the rule holds.

pub mod access;
pub mod api;
mod document;
pub mod errors;
pub mod functions;
mod machine;
pub mod machines;
mod project;
pub mod schedules;

pub use machine::{Machine, Scope, State};
pub use project::{Project, Sources, Template, Unreadable};

/// What a rule found, in words: where, and what is wrong there.
pub type Findings = Vec<String>;

/// The application's template, whose functions and state machines the rules are about.
pub const APPLICATION: &str = "template.yaml";
