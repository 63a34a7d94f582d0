//! Running a handler: its input, its log lines, its faults.

use std::fmt;
use std::pin::Pin;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use permafrost_domain::fault::Retry;
use permafrost_domain::{Code, Fault, JobId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing_subscriber::EnvFilter;

use crate::tools::Tools;

/// What a handler is about to answer.
type Answer<'a, O> = Pin<Box<dyn Future<Output = Result<O, Fault>> + 'a>>;

/// A fault on its way out of a function: the code becomes Lambda's `errorType`.
pub struct Failure(Fault);

impl From<Failure> for Diagnostic {
    fn from(Failure(fault): Failure) -> Self {
        Self { error_type: fault.code.to_string(), error_message: fault.to_error_message() }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0)
    }
}

/// Starts the function: makes its tools once, then answers invocations with `handler` until Lambda ends it.
///
/// A fault that no retry can mend is recorded in the job as well: a distributed Map reports failed items by
/// number alone, and an execution that is stopped reports nothing.
///
/// # Errors
/// The runtime cannot be reached, or the configuration is wrong.
pub async fn run<I, O>(
    handler: impl AsyncFn(&Tools, I) -> Result<O, Fault>,
) -> Result<(), lambda_runtime::Error>
where
    I: DeserializeOwned,
    O: Serialize,
{
    log_as_json();
    let tools = Tools::from_env().await.map_err(|fault| {
        tracing::error!(code = %fault.code, "{fault}");
        lambda_runtime::Error::from(fault.to_string())
    })?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<serde_json::Value>| {
        let (tools, handler) = (&tools, &handler);
        async move {
            let job = event.payload.get("job").and_then(|job| job.as_str()).and_then(|job| job.parse().ok());
            let answer = match serde_json::from_value(event.payload) {
                // Boxed: the compiler's limit on nested types would else meet the SDK's deep futures.
                Ok(input) => (Box::pin(handler(tools, input)) as Answer<'_, O>).await,
                Err(error) => {
                    Err(Fault::new(Code::InvalidRequest, format!("the input is not as expected: {error}")))
                }
            };
            match answer {
                Ok(answer) => Ok(answer),
                Err(fault) => {
                    report(tools, job, &fault).await;
                    Err(Failure(fault))
                }
            }
        }
    }))
    .await
}

/// One JSON object a line, at the level of `RUST_LOG`.
pub fn log_as_json() {
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(EnvFilter::from_default_env())
        .with_current_span(false)
        .with_ansi(false)
        .init();
}

async fn report(tools: &Tools, job: Option<JobId>, fault: &Fault) {
    let job_text = job.map(|job| job.to_string()).unwrap_or_default();
    tracing::error!(job = job_text, code = %fault.code, object = fault.object.as_deref(), "{}", fault.message);
    let Some(job) = job else { return };
    let recorded = match fault.code.retry() {
        Retry::Never => tools.catalog.record_fault(job, fault).await,
        Retry::Later => tools.catalog.record_passing_fault(job, fault).await,
    };
    if let Err(error) = recorded {
        // The fault itself still reaches the state machine.
        tracing::warn!(job = job_text, "the fault could not be recorded in the job: {error}");
    }
}
