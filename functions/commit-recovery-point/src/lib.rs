//! commit-recovery-point.
