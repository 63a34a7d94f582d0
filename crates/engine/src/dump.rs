//! The dump: its plan, and the copying of its tasks.

pub(crate) mod compressor;
mod frames;
mod large_objects;
mod parts;
pub mod plan;
mod ranges;
pub mod task;
