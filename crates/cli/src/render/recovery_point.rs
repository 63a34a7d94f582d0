//! Recovery points.

use std::fmt::Write;

use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::wire::{RecoveryPointDetail, TableSummary};

use super::table::{Column, fields, table};
use super::units::{bytes, count, day, time};

/// The characters of a table's checksum that are shown.
const CHECKSUM_CHARS: usize = 12;

/// A list of points.
pub(crate) fn points(points: &[RecoveryPoint]) -> String {
    let columns = [
        Column::Text("POINT"),
        Column::Text("CONSISTENT AT"),
        Column::Text("STATE"),
        Column::Figure("DATA"),
        Column::Text("RULE"),
        Column::Text("KEPT UNTIL"),
    ];
    let rows = points.iter().map(|point| {
        vec![
            point.id.to_string(),
            time(point.consistent_at),
            state(point.state).to_owned(),
            bytes(point.raw_bytes),
            point.retention.rule.to_string(),
            kept_until(point),
        ]
    });
    table(&columns, rows.collect(), "No recovery point yet: make one with `permafrost backup INSTANCE`.")
}

/// One point with the tables in it.
pub(crate) fn point(detail: &RecoveryPointDetail) -> String {
    let point = &detail.point;
    let mut text = fields(&[
        ("Point", Some(point.id.to_string())),
        ("Instance", Some(point.instance.to_string())),
        ("Database", Some(format!("{}, PostgreSQL {}", point.database, point.server_version))),
        ("State", Some(state(point.state).to_owned())),
        ("Consistent at", Some(time(point.consistent_at))),
        ("Committed at", Some(time(point.committed_at))),
        ("Kept by", Some(kept_by(point))),
        ("Backup store until", Some(time(point.retention.backup_store_until))),
        ("Archive store until", archived_until(point)),
        ("Rehydrated until", point.rehydrated_until.map(time)),
        ("Locked until", point.locked_until.map(time)),
        ("Legal hold", point.legal_hold.then(|| "nothing deletes it".to_owned())),
        (
            "Data",
            Some(format!(
                "{} in {} rows of {} tables",
                bytes(point.raw_bytes),
                count(point.rows),
                count(point.tables)
            )),
        ),
        ("Stored", Some(format!("{} in {} segments", bytes(point.stored_bytes), count(point.segments)))),
        ("Job", Some(point.job.to_string())),
        (
            "Manifest",
            Some(format!(
                "{}\nversion {}\nsha256 {}",
                point.manifest.key, point.manifest.version, point.manifest.sha256
            )),
        ),
    ]);
    text.push('\n');
    text.push_str(&contents(&detail.contents));
    let shown = detail.contents.len() as u64;
    if shown > 0 && shown < point.tables {
        let _ = write!(text, "\nand {} smaller tables", count(point.tables - shown));
    }
    text
}

/// The day until which a point is kept, in whatever store.
fn kept_until(point: &RecoveryPoint) -> String {
    match point.legal_hold {
        true => "held".to_owned(),
        false => day(point.retention.deleted_on()),
    }
}

/// The rule that keeps a point, and why it is that one.
fn kept_by(point: &RecoveryPoint) -> String {
    let retention = &point.retention;
    let mut text = format!("the rule {}", retention.rule);
    if let Some(stamp) = &retention.policy {
        let _ = write!(text, " of policy {}, revision {}", stamp.id, stamp.revision);
    }
    for reason in &retention.reasons {
        let _ = write!(text, "\n{reason}");
    }
    text
}

fn archived_until(point: &RecoveryPoint) -> Option<String> {
    point.retention.archive.as_ref().map(|archive| match archive.class {
        Some(class) => format!("{} ({class})", time(archive.until)),
        None => time(archive.until),
    })
}

fn contents(tables: &[TableSummary]) -> String {
    let columns = [
        Column::Text("TABLE"),
        Column::Figure("ROWS"),
        Column::Figure("DATA"),
        Column::Figure("STORED"),
        Column::Text("CHECKSUM"),
    ];
    let rows = tables.iter().map(|entry| {
        vec![
            format!("{}.{}", entry.schema, entry.name),
            count(entry.rows),
            bytes(entry.raw_bytes),
            bytes(entry.stored_bytes),
            entry.checksum.chars().take(CHECKSUM_CHARS).collect(),
        ]
    });
    table(&columns, rows.collect(), "It holds no table.")
}

fn state(state: PointState) -> &'static str {
    match state {
        PointState::Available => "Available",
        PointState::Archiving => "Archiving",
        PointState::Archived => "Archived",
        PointState::Rehydrating => "Rehydrating",
        PointState::Rehydrated => "Rehydrated",
        PointState::Expiring => "Expiring",
        PointState::Expired => "Expired",
        PointState::Damaged => "Damaged",
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn a_list_of_points() {
        let text = points(&[samples::point()]);
        assert_eq!(
            text,
            "\
POINT                          CONSISTENT AT         STATE           DATA  RULE     KEPT UNTIL
rp-01kb0000000000000000000003  2026-11-22T08:00:00Z  Available  300.0 MiB  default  2027-02-22"
        );
        assert!(text.lines().all(|line| line.chars().count() <= 100));
    }

    #[test]
    fn one_point() {
        let detail = RecoveryPointDetail {
            point: samples::point(),
            contents: vec![TableSummary {
                schema: "app".into(),
                name: "ledger".into(),
                rows: 1_200_000,
                raw_bytes: 300_000_000,
                stored_bytes: 90_000_000,
                checksum: "0123456789abcdef".into(),
            }],
        };
        assert_eq!(
            point(&detail),
            "\
Point:               rp-01kb0000000000000000000003
Instance:            bi-01kb0000000000000000000001
Database:            shop, PostgreSQL 15.18
State:               Available
Consistent at:       2026-11-22T08:00:00Z
Committed at:        2026-11-22T08:01:12Z
Kept by:             the rule default
Backup store until:  2027-02-22T08:00:00Z
Data:                300.0 MiB in 1,234,567 rows of 12 tables
Stored:              87.5 MiB in 3 segments
Job:                 job-01kb0000000000000000000003
Manifest:            instances/bi-01kb0000000000000000000001/points/rp-01kb0000000000000000000003/manifest.json
                     version v1
                     sha256 00ff

TABLE            ROWS       DATA    STORED  CHECKSUM
app.ledger  1,200,000  286.1 MiB  85.8 MiB  0123456789ab
and 11 smaller tables"
        );
    }
}
