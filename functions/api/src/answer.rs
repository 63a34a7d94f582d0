//! Answers: a status and a JSON body, also where something went wrong.

use aws_lambda_events::apigw::ApiGatewayProxyResponse;
use aws_lambda_events::encodings::Body;
use aws_lambda_events::http::HeaderValue;
use aws_lambda_events::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap};
use permafrost_domain::wire::ErrorBody;
use permafrost_domain::{Code, Fault};
use serde::Serialize;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body.
    pub body: String,
}

impl Answer {
    /// 200 with what was asked for.
    pub(crate) fn ok(value: &impl Serialize) -> Result<Self, Fault> {
        Self::new(200, value)
    }

    /// 202: a job was started.
    pub(crate) fn accepted(value: &impl Serialize) -> Result<Self, Fault> {
        Self::new(202, value)
    }

    /// What went wrong, with the status of its category.
    pub fn fault(fault: &Fault) -> Self {
        let status = fault.code.category().http_status();
        let body = serde_json::to_string(&ErrorBody { error: fault.clone() });
        // A fault is strings alone: it always serialises.
        Self { status, body: body.unwrap_or_default() }
    }

    fn new(status: u16, value: &impl Serialize) -> Result<Self, Fault> {
        let body = serde_json::to_string(value).map_err(|error| {
            Fault::new(Code::FunctionFailed, format!("the answer cannot be written: {error}"))
        })?;
        Ok(Self { status, body })
    }
}

impl From<Answer> for ApiGatewayProxyResponse {
    fn from(answer: Answer) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let mut response = Self::default();
        response.status_code = i64::from(answer.status);
        response.headers = headers;
        response.body = Some(Body::Text(answer.body));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_the_status_of_its_category() {
        for (code, status) in
            [(Code::InvalidRequest, 400), (Code::JobNotFound, 404), (Code::BackupAlreadyRunning, 409)]
        {
            let answer = Answer::fault(&Fault::new(code, "x").on("y"));
            assert_eq!(answer.status, status);
            let body: ErrorBody = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(body.error, Fault::new(code, "x").on("y"));
        }
    }
}
