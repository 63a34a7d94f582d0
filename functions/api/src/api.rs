//! The API: from an event to an answer, with one line of audit for each.

use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayProxyResponse};
use jiff::Timestamp;
use permafrost_catalog::{CatalogError, JobOutcome};
use permafrost_domain::Fault;
use permafrost_domain::job::Job;
use permafrost_function::Tools;

use crate::answer::Answer;
use crate::executions::Executions;
use crate::request::Request;
use crate::route::Route;
use crate::routes;

/// The API of one vault.
#[derive(Debug)]
pub struct Api<'a> {
    /// What every function works with.
    pub tools: &'a Tools,
    /// What carries jobs out.
    pub executions: &'a Executions,
}

impl Api<'_> {
    /// The answer to an event that arrived at `now`; `random` goes into the ids that it makes.
    ///
    /// Every request leaves a line for audit: who asked what of which, and how it ended. Bodies are not logged.
    pub async fn answer(
        &self,
        event: ApiGatewayProxyRequest,
        now: Timestamp,
        random: u128,
    ) -> ApiGatewayProxyResponse {
        let context = &event.request_context;
        let caller = context.identity.user_arn.clone().unwrap_or_default();
        let request_id = context.request_id.clone().unwrap_or_default();
        let method = event.http_method.to_string();
        let path = event.path.clone().unwrap_or_default();
        let answered = match Request::of_event(event, now, random) {
            Ok(request) => self.route(&request).await,
            Err(fault) => Err(fault),
        };
        let (answer, code) = match &answered {
            Ok(answer) => (answer.clone(), None),
            Err(fault) => (Answer::fault(fault), Some(fault.code)),
        };
        let status = answer.status;
        let code = code.map(permafrost_domain::Code::as_str);
        tracing::info!(target: "audit", %caller, %request_id, %method, %path, status, code, "request");
        answer.into()
    }

    /// The answer to a request.
    ///
    /// # Errors
    /// Those that the OpenAPI document names for the route.
    pub async fn route(&self, request: &Request) -> Result<Answer, Fault> {
        match request.route {
            Route::ProtectInstance => routes::protect_instance::answer(self, request).await,
            Route::ListInstances => routes::list_instances::answer(self, request).await,
            Route::ShowInstance => routes::show_instance::answer(self, request).await,
            Route::BackUpNow => routes::back_up_now::answer(self, request).await,
            Route::ListRecoveryPoints => routes::list_recovery_points::answer(self, request).await,
            Route::ShowRecoveryPoint => routes::show_recovery_point::answer(self, request).await,
            Route::Restore => routes::restore::answer(self, request).await,
            Route::RestoreFiles => routes::restore_files::answer(self, request).await,
            Route::ListJobs => routes::list_jobs::answer(self, request).await,
            Route::ShowJob => routes::show_job::answer(self, request).await,
            Route::CancelJob => routes::cancel_job::answer(self, request).await,
        }
    }

    /// Starts the execution of a job that stands open in the catalog.
    ///
    /// Order: catalog, execution, catalog. Where the execution cannot be started the job is closed, which
    /// releases what was opened with it (a lock, a claim to a name). Where the function dies in between, the job
    /// stays `Queued`: its execution, if there is one, moves it on; a cancel closes it otherwise.
    ///
    /// # Errors
    /// `OrchestrationUnavailable`, which is then also why the job failed.
    pub(crate) async fn start(&self, job: &Job, now: Timestamp) -> Result<(), Fault> {
        match self.executions.start(job).await {
            Ok(arn) => {
                match self.tools.catalog.job_started(job.id, &arn).await {
                    Ok(_) => {}
                    // Quick jobs have ended by now; their record still wants its execution.
                    Err(CatalogError::JobNotRunning { .. }) => self.note_execution(job, &arn).await,
                    // The execution runs, and its first step says so too.
                    Err(error) => tracing::warn!(job = %job.id, %error, "the job's start is not recorded"),
                }
                Ok(())
            }
            Err(fault) => {
                let outcome = JobOutcome::Failed(fault.clone());
                if let Err(error) = self.tools.catalog.close_job(job.id, &outcome, now).await {
                    tracing::error!(job = %job.id, %error, "a job that was not started stays open");
                }
                Err(fault)
            }
        }
    }

    async fn note_execution(&self, job: &Job, arn: &str) {
        if let Err(error) = self.tools.catalog.record_execution(job.id, arn).await {
            tracing::warn!(job = %job.id, %error, "the job's execution is not recorded");
        }
    }
}
