//! `ValidatePermissions`: readiness of the source before protection and every backup, of the target before
//! every restore. What it finds is recorded in the job; the first failed check ends the step with its code.

use aws_sdk_kms::types::DataKeySpec;
use permafrost_domain::check::{Check, Readiness};
use permafrost_domain::{Code, Fault, InstanceId, JobId};
use permafrost_engine::readiness::{source, target};
use permafrost_engine::restore::restore_plan;
use permafrost_function::Tools;
use permafrost_function::point::OpenPoint;
use permafrost_function::restore::no_order;
use permafrost_function::step::Done;
use serde::Deserialize;

/// Which end is to be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The database that is backed up.
    Source,
    /// The server that a point is restored to.
    Target,
}

/// The step's input.
#[derive(Debug, Deserialize)]
pub struct Input {
    job: JobId,
    instance: InstanceId,
    side: Side,
}

/// Checks readiness and records it in the job.
///
/// # Errors
/// The first failed check; `JobCancelled`; the catalog or the store does not answer.
pub async fn handle(tools: &Tools, input: Input) -> Result<Done, Fault> {
    tools.check_not_cancelled(input.job).await?;
    let mut readiness = match input.side {
        Side::Source => check_source(tools, &input).await?,
        Side::Target => check_target(tools, &input).await?,
    };
    readiness.checks.push(check_key(tools).await);
    tools.catalog.record_readiness(input.job, &readiness).await?;
    let warnings: Vec<String> = readiness.warnings().map(|check| check.message.clone()).collect();
    if !warnings.is_empty() {
        tools.catalog.record_warnings(input.job, &warnings).await?;
    }
    readiness.fault().map_or(Ok(Done {}), Err)
}

async fn check_source(tools: &Tools, input: &Input) -> Result<Readiness, Fault> {
    let instance = tools.catalog.instance(input.instance).await?;
    match tools.login(&instance.data_source, input.job).await {
        Ok(login) => Ok(source::check(&login, &tools.programs).await?),
        Err(fault) => Ok(Readiness { checks: vec![Check::failed("credentials", fault)] }),
    }
}

async fn check_target(tools: &Tools, input: &Input) -> Result<Readiness, Fault> {
    let job = tools.catalog.job_record(input.job).await?;
    let order = job.restore.ok_or_else(|| no_order(job.id))?;
    let point = tools.catalog.point(input.instance, order.point).await?;
    let open = OpenPoint::open(tools, &point).await?;
    let toc = open.table_of_contents(tools).await?;
    let plan = match restore_plan(toc, &order.options) {
        Ok(plan) => plan,
        Err(error) => return Ok(Readiness { checks: vec![Check::failed("selection", error.into())] }),
    };
    let wanted =
        target::Wanted { source: &open.manifest.source, toc: &plan.toc, name: &order.target.database };
    match tools.login(&order.target, input.job).await {
        Ok(login) => Ok(target::check(&login, &wanted).await?),
        Err(fault) => Ok(Readiness { checks: vec![Check::failed("credentials", fault)] }),
    }
}

/// Asks the key for a data key: S3 does the same for every object.
async fn check_key(tools: &Tools) -> Check {
    let kms = aws_sdk_kms::Client::new(&tools.sdk);
    let request = kms.generate_data_key().key_id(&tools.config.key_arn).key_spec(DataKeySpec::Aes256);
    match request.send().await {
        Ok(_) => Check::success("vault-key", "the vault's key can be used"),
        Err(error) => {
            let message =
                format!("the vault's key cannot be used: {}", permafrost_domain::fault::chain(&error));
            let fault = Fault::new(Code::KeyNotUsable, message).on(format!("key {}", tools.config.key_arn));
            Check::failed("vault-key", fault)
        }
    }
}
