//! The words and rules of Permafrost, without I/O.
