//! `GET /instances/{instance}/recovery-points/{point}`

use permafrost_domain::wire::{RecoveryPointDetail, TableSummary};
use permafrost_domain::{Code, Fault};
use permafrost_function::point::OpenPoint;

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

/// The most tables that an answer names: some 200 KB, where API Gateway takes 6 MB.
const MAX_TABLES: usize = 1_000;

pub(crate) fn describe() -> Description {
    Description::new(
        "Show a recovery point",
        "With the tables in it, the largest first, at most 1,000. `latest` names the newest point.",
    )
    .answer::<RecoveryPointDetail>(200, "The recovery point.")
    .faults(&[
        Code::InstanceNotFound,
        Code::RecoveryPointNotFound,
        Code::ObjectMissing,
        Code::ChecksumMismatch,
        Code::FormatNotSupported,
        Code::StoreUnavailable,
        Code::ContainerNotAccessible,
    ])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let selector = request.point()?;
    let instance = api.tools.catalog.resolve(&request.instance()?).await?;
    let point = super::find_point(api, &instance, selector).await?;
    let manifest = OpenPoint::open(api.tools, &point).await?.manifest;
    let tables = manifest.tables.into_iter().map(|table| TableSummary {
        schema: table.schema,
        name: table.name,
        rows: table.sums.rows,
        raw_bytes: table.sums.raw_bytes,
        stored_bytes: table.sums.stored_bytes,
        checksum: table.sums.checksum.to_string(),
    });
    Answer::ok(&RecoveryPointDetail { point, contents: largest(tables.collect()) })
}

/// The largest tables first; those of one size by name.
fn largest(mut tables: Vec<TableSummary>) -> Vec<TableSummary> {
    tables.sort_by(|a, b| {
        b.raw_bytes.cmp(&a.raw_bytes).then_with(|| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)))
    });
    tables.truncate(MAX_TABLES);
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_tables_come_first_and_the_rest_is_cut() {
        let table = |n: u64| TableSummary {
            schema: "app".into(),
            name: format!("t{n:04}"),
            rows: n,
            raw_bytes: n / 2,
            stored_bytes: n,
            checksum: String::new(),
        };
        let tables = largest((0..1_500).map(table).collect());
        assert_eq!(tables.len(), MAX_TABLES);
        assert_eq!((tables[0].name.as_str(), tables[1].name.as_str()), ("t1498", "t1499"));
    }
}
