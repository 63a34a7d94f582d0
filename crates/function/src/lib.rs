//! What every function shares: configuration, clients, errors, tracing.
