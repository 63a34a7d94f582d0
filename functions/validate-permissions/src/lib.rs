//! validate-permissions.
