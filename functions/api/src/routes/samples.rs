//! Records for the tests of routes.

use permafrost_domain::instance::Instance;
use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use serde_json::{from_value, json};

const INSTANCE: &str = "bi-01kb0000000000000000000001";

/// An instance that is protected.
pub(crate) fn instance() -> Instance {
    let source = json!({"host": "db", "database": "shop", "login": {"method": "iam", "user": "u"}});
    let instance = json!({
        "id": INSTANCE, "name": "shop", "status": "Protected", "created_at": "2026-11-01T08:00:00Z",
        "data_source": source,
    });
    from_value(instance).unwrap()
}

/// A point of it.
pub(crate) fn point(state: PointState) -> RecoveryPoint {
    let point = json!({
        "id": "rp-01kb0000000000000000000003", "instance": INSTANCE, "job": "job-01kb0000000000000000000003",
        "state": "Available", "consistent_at": "2026-11-22T08:00:00Z", "committed_at": "2026-11-22T08:01:12Z",
        "kind": "on_demand", "retention": {"rule": "default", "backup_store_until": "2027-02-22T08:00:00Z"},
        "database": "shop", "server_version": "15.18", "tables": 0, "rows": 0, "raw_bytes": 0,
        "stored_bytes": 0, "segments": 0, "manifest": {"key": "k", "version": "v", "sha256": "00"},
    });
    RecoveryPoint { state, ..from_value(point).unwrap() }
}
