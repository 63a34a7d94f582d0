//! Values that the tests of rendering share.

use permafrost_domain::instance::Instance;
use permafrost_domain::job::Job;
use permafrost_domain::recovery_point::RecoveryPoint;
use serde_json::{from_value, json};

const INSTANCE: &str = "bi-01kb0000000000000000000001";
const POINT: &str = "rp-01kb0000000000000000000003";
const JOB: &str = "job-01kb0000000000000000000003";

pub(crate) fn instance() -> Instance {
    from_value(json!({
        "id": INSTANCE, "name": "shop", "status": "Protected", "created_at": "2026-11-01T08:00:00Z",
        "data_source": {
            "host": "db.example", "database": "shop", "login": {"method": "iam", "user": "backup"}
        },
        "latest_point": POINT, "latest_consistent_at": "2026-11-22T08:00:00Z",
    }))
    .unwrap()
}

pub(crate) fn backup_job() -> Job {
    from_value(json!({
        "id": JOB, "operation": "Backup", "instance": INSTANCE, "instance_name": "shop",
        "started_by": "arn:aws:iam::123456789012:user/ann", "status": "InProgress",
        "created_at": "2026-11-22T08:00:00Z",
    }))
    .unwrap()
}

pub(crate) fn point() -> RecoveryPoint {
    from_value(json!({
        "id": POINT, "instance": INSTANCE, "job": JOB, "state": "Available",
        "consistent_at": "2026-11-22T08:00:00Z", "committed_at": "2026-11-22T08:01:12Z",
        "kind": "on_demand",
        "retention": {"rule": "default", "backup_store_until": "2027-02-22T08:00:00Z"},
        "database": "shop", "server_version": "15.18", "tables": 12, "rows": 1_234_567,
        "raw_bytes": 314_572_800, "stored_bytes": 91_750_400, "segments": 3,
        "manifest": {
            "key": format!("instances/{INSTANCE}/points/{POINT}/manifest.json"),
            "version": "v1", "sha256": "00ff",
        },
    }))
    .unwrap()
}
