//! plan-dump.
