//! The API: from an event to an answer, with one line of audit for each.

use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayProxyResponse};
use jiff::Timestamp;
use permafrost_domain::job::Job;
use permafrost_domain::{Code, Fault};
use permafrost_function::Tools;
use permafrost_function::executions::Executions;
use permafrost_function::schedules::Schedules;

use crate::answer::Answer;
use crate::machines::StateMachines;
use crate::request::Request;
use crate::route::Route;
use crate::routes;

/// The API of one vault.
#[derive(Debug)]
pub struct Api<'a> {
    /// What every function works with.
    pub tools: &'a Tools,
    /// The state machines that carry jobs out.
    pub machines: &'a StateMachines,
    /// Their executions.
    pub executions: &'a Executions,
    /// The schedules of the policies.
    pub schedules: &'a Schedules,
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
        let code = code.map(Code::as_str);
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
            Route::CreatePolicy => routes::create_policy::answer(self, request).await,
            Route::ListPolicies => routes::list_policies::answer(self, request).await,
            Route::ShowPolicy => routes::show_policy::answer(self, request).await,
            Route::ListPolicyInstances => routes::list_policy_instances::answer(self, request).await,
            Route::ReplacePolicy => routes::replace_policy::answer(self, request).await,
            Route::DeletePolicy => routes::delete_policy::answer(self, request).await,
            Route::ChangePolicy => routes::change_policy::answer(self, request).await,
            Route::SuspendBackups => routes::suspend_backups::answer(self, request).await,
            Route::ResumeProtection => routes::resume_protection::answer(self, request).await,
            Route::StopProtection => routes::stop_protection::answer(self, request).await,
            Route::DeleteData => routes::delete_data::answer(self, request).await,
            Route::UndeleteData => routes::undelete_data::answer(self, request).await,
            Route::SetLegalHold => routes::set_legal_hold::answer(self, request).await,
            Route::EstimateRehydration => routes::estimate_rehydration::answer(self, request).await,
            Route::Rehydrate => routes::rehydrate::answer(self, request).await,
            Route::ListRetentionPlans => routes::list_retention_plans::answer(self, request).await,
            Route::ShowRetentionPlan => routes::show_retention_plan::answer(self, request).await,
            Route::ListJobs => routes::list_jobs::answer(self, request).await,
            Route::ShowJob => routes::show_job::answer(self, request).await,
            Route::CancelJob => routes::cancel_job::answer(self, request).await,
            Route::SuspendJob => routes::suspend_job::answer(self, request).await,
            Route::ResumeJob => routes::resume_job::answer(self, request).await,
        }
    }

    /// Starts the execution of a job that stands open in the catalog; where it cannot be started the job is closed.
    ///
    /// # Errors
    /// `OrchestrationUnavailable`, which is then also why the job failed.
    pub(crate) async fn start(&self, job: &Job, now: Timestamp) -> Result<(), Fault> {
        let machine = self.machines.of(job.operation).ok_or_else(|| {
            let message = format!("no state machine carries out {} by itself", job.operation);
            Fault::new(Code::InvalidConfiguration, message).on(job.id.to_string())
        })?;
        self.executions.start_job(&self.tools.catalog, machine, job, now).await
    }
}
