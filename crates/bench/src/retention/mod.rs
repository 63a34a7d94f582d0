//! What `apply-retention` reads: it must follow what is due, however many points the catalog has.
//!
//! The function runs in this process, against the emulator's DynamoDB. Every point that is due is of another instance,
//! which is the dearest case: the record of each is read beside the point. Reads are counted by the catalog itself, which
//! asks for the consumed capacity of every request. The emulator's capacity does not grow with what a request reads, so
//! the items that it looked at are counted, too; DynamoDB takes less than a unit for each.

mod catalog;

use std::time::Instant;

use apply_retention::Input;
use permafrost_catalog::Meter;
use permafrost_emulator::Emulator;

use crate::args::{Part, RunOptions};
use crate::error::BenchError;
use crate::report::{Expectation, Measured, Report, compare};
use crate::run::{CatalogReads, Role, Sample};
use crate::{clock, say, usage};

use catalog::Points;

/// How much may be read for each point that is due.
const READS_OF_DUE: f64 = 2.0;
/// The share of what is due that one run has to plan at least: it takes as much of each shard, and they differ.
const PLANNED: f64 = 0.9;
/// How much more may be read among all points than among a 25th of them.
const GROWTH: f64 = 1.05;
/// The part of the points that is measured first.
const FEW: u32 = 25;

/// Plans what is due among a 25th of the points, and among all.
pub(crate) async fn measure(options: &RunOptions) -> Result<Report, BenchError> {
    let emulator = Emulator::start(&options.ministack)?;
    let mut results = Vec::new();
    let mut expectations = Vec::new();
    let mut items_of_few = None;
    for points in [options.points / FEW, options.points] {
        let points = Points { all: points, due: options.due };
        let (sample, reads) = plan(&emulator, points).await?;
        let name = format!("{} points, {} due", points.all, points.due);
        expectations.extend(expected(&name, points, reads));
        if let Some(few) = items_of_few.replace(reads.items) {
            let found = number(reads.items) / number(few);
            expectations.push(Expectation::bound(
                "items read among all points / among a 25th",
                found,
                GROWTH,
            ));
        }
        results.extend(Measured::new(name, Role::Ours, vec![sample]));
    }
    compare(&mut results);
    Report::new(Part::Retention, "ministack, an emulator of DynamoDB".to_owned(), results, expectations)
}

/// The CPU that the emulator has used.
fn cpu_seconds(emulator: &Emulator) -> Result<f64, BenchError> {
    Ok(usage::cpu_of(emulator.process())?.own)
}

/// Makes the points, and plans once.
async fn plan(emulator: &Emulator, points: Points) -> Result<(Sample, CatalogReads), BenchError> {
    let now = clock::now();
    let begin = Instant::now();
    let mut tools = catalog::make(emulator, points, now).await?;
    let took = begin.elapsed().as_secs();
    say::line(&format!(
        "the catalog has {} points, {} of them due; that took {took} s",
        points.all, points.due
    ));
    let meter = Meter::default();
    tools.catalog = tools.catalog.metered(&meter);

    let (client, server) = (usage::cpu_of("self")?.own, cpu_seconds(emulator)?);
    let (load_average, busy) = (usage::load_average()?, usage::busy_seconds()?);
    let begin = Instant::now();
    let input = Input { execution: "bench".to_owned(), started_at: now, now: Some(now) };
    let planned = apply_retention::handle(&tools, input)
        .await
        .map_err(|source| BenchError::Function { function: "apply-retention", source: Box::new(source) })?;
    let seconds = begin.elapsed().as_secs_f64();
    let (client, server) = (usage::cpu_of("self")?.own - client, cpu_seconds(emulator)? - server);
    let busy = usage::busy_seconds()? - busy;

    catalog::drop(emulator, &tools).await?;
    let reads = meter.reads();
    let reads = CatalogReads {
        planned: planned.items.len() as u64,
        requests: reads.requests,
        items: reads.items,
        units: reads.units,
    };
    let sample = Sample {
        seconds,
        client_cpu_seconds: client,
        server_cpu_seconds: server,
        store_cpu_seconds: None,
        foreign_cpu_seconds: (busy - client - server).max(0.0),
        load_average,
        outcome: None,
        catalog: Some(reads),
    };
    Ok((sample, reads))
}

fn expected(name: &str, points: Points, reads: CatalogReads) -> Vec<Expectation> {
    let (planned, due) = (number(reads.planned), f64::from(points.due));
    [
        Expectation::at_least(&format!("{name}: planned / due"), Some(planned), Some(due), PLANNED),
        Expectation::at_most(
            &format!("{name}: items read / planned"),
            Some(number(reads.items)),
            Some(planned),
            READS_OF_DUE,
        ),
        Expectation::at_most(
            &format!("{name}: read capacity units / planned"),
            Some(reads.units),
            Some(planned),
            READS_OF_DUE,
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts of reads are far below 2^52")]
fn number(count: u64) -> f64 {
    count as f64
}
