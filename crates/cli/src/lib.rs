//! The permafrost command.
