//! The catalog: what DynamoDB holds.
