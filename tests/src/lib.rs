//! Tests of the deployed stack, and the check that holds its parts against each other.

pub mod faults;
pub mod fidelity;
pub mod signed;
pub mod static_check;
pub mod support;
