//! The list of jobs: newest first, day by day over the index. A call looks at a bounded number of days, so a
//! page may be short or empty and still have a next one.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use permafrost_domain::job::{Job, JobStatus, KEPT};
use permafrost_domain::wire::{MAX_PAGE, Page};
use permafrost_domain::{InstanceId, JobId};

use crate::Catalog;
use crate::continuation::Continuation;
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::job::decode_job;
use crate::keys::{INDEX, INDEX_PK, INDEX_SK, Key, day_of, jobs_of};
use crate::listing::listed_at;
use crate::read::query_limit;
use crate::record::text;

/// The most queries that one call sends.
const MAX_QUERIES: u32 = 32;
/// How far the clock of who opened a job may be ahead of the reader's.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Which jobs to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobFilter {
    /// Asked for at this time or later.
    pub since: Timestamp,
    /// Of this instance.
    pub instance: Option<InstanceId>,
    /// In this status.
    pub status: Option<JobStatus>,
}

impl Catalog {
    /// Jobs that `filter` lets through, the newest first, at most `limit` (1 at least, `wire::MAX_PAGE` at
    /// most). A page may be empty and have a next one. Progress is without that of single tasks.
    ///
    /// # Errors
    /// `InvalidContinuation` where `next` is not what this list gave out.
    pub async fn list_jobs(
        &self,
        filter: &JobFilter,
        now: Timestamp,
        limit: u16,
        next: Option<&str>,
    ) -> Result<Page<Job>, CatalogError> {
        // Older jobs are not kept.
        let oldest = filter.since.max(now.saturating_sub(KEPT).unwrap_or(Timestamp::MIN));
        let newest_day = day_of(now.saturating_add(CLOCK_SKEW).unwrap_or(Timestamp::MAX));
        let oldest_day = day_of(oldest);
        let (mut day, mut after) = match next.map(Continuation::parse).transpose()? {
            None => (newest_day, None),
            Some(Continuation::Jobs { day, job }) => (day.min(newest_day), job),
            Some(_) => return Err(CatalogError::InvalidContinuation),
        };
        let limit = usize::from(query_limit(limit));
        let mut items = Vec::new();
        for _ in 0..MAX_QUERIES {
            if day < oldest_day {
                return Ok(Page { items, next: None });
            }
            let (found, more) = self.jobs_of_day(filter, day, after).await?;
            for job in found.into_iter().filter(|job| job.created_at >= oldest) {
                let id = job.id;
                items.push(job);
                if items.len() == limit {
                    return Ok(Page {
                        items,
                        next: Some(Continuation::Jobs { day, job: Some(id) }.to_token()),
                    });
                }
            }
            after = more;
            if after.is_none() {
                let Ok(yesterday) = day.yesterday() else { return Ok(Page { items, next: None }) };
                day = yesterday;
            }
        }
        let next = (day >= oldest_day).then(|| Continuation::Jobs { day, job: after }.to_token());
        Ok(Page { items, next })
    }

    /// One query of `day`: what it found, and the job after which the day goes on, if it does.
    async fn jobs_of_day(
        &self,
        filter: &JobFilter,
        day: Date,
        after: Option<JobId>,
    ) -> Result<(Vec<Job>, Option<JobId>), CatalogError> {
        let mut wanted = Expression::new().only_if(INDEX_PK, text(jobs_of(day)));
        let of_day = wanted.take_condition();
        if let Some(instance) = filter.instance {
            wanted = wanted.only_if("instance", text(instance));
        }
        if let Some(status) = filter.status {
            wanted = wanted.only_if("status", text(status));
        }
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(INDEX)
            .set_key_condition_expression(of_day)
            .set_filter_expression(wanted.condition())
            .set_expression_attribute_names(wanted.names())
            .set_expression_attribute_values(wanted.values())
            .set_exclusive_start_key(after.map(|job| listed_at(&Key::Job(job), jobs_of(day), job)))
            .scan_index_forward(false)
            .limit(i32::from(MAX_PAGE));
        let output = self.page(query).await?;
        let more = match output.last_evaluated_key {
            None => None,
            Some(last) => {
                let id = last.get(INDEX_SK).and_then(|value| value.as_s().ok()).map(|id| id.parse());
                match id {
                    Some(Ok(id)) => Some(id),
                    _ => {
                        return Err(CatalogError::RecordInvalid {
                            key: jobs_of(day),
                            source: "it lists what is no job".into(),
                        });
                    }
                }
            }
        };
        let jobs = output.items.unwrap_or_default().into_iter().map(decode_job).collect::<Result<_, _>>()?;
        Ok((jobs, more))
    }
}
