//! Tests of the deployed stack.

pub mod static_check;
