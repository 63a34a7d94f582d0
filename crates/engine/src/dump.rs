//! The dump: its plan, and the copying of its tasks.

pub mod plan;
pub mod task;
