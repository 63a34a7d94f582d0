//! The client against a server that misbehaves as scripted.

#![allow(clippy::unwrap_used, reason = "tests")]

mod scripted;

use std::net::TcpListener;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use permafrost_client::{Client, ClientError, JobFilter};
use permafrost_domain::job::JobStatus;
use permafrost_domain::wire::BackupRequest;
use permafrost_domain::{Code, Fault, JobId};
use scripted::{Server, Step};

const JOB: &str = "job-01kb0000000000000000000000";
const CATALOG_AWAY: &str =
    r#"{"error": {"code": "CatalogUnavailable", "message": "no answer", "hint": "Try again."}}"#;

fn client(endpoint: &str) -> Client {
    let credentials = Credentials::new("AKID", "SECRET", None, None, "test");
    Client::new(endpoint.parse().unwrap(), "eu-central-1", SharedCredentialsProvider::new(credentials))
        .unwrap()
}

fn job(status: &str) -> &'static str {
    let json = serde_json::json!({
        "id": JOB, "operation": "Backup", "instance": "bi-01kb0000000000000000000000",
        "instance_name": "shop", "started_by": "arn:aws:iam::1:user/ann", "status": status,
        "created_at": "2026-11-22T08:00:00Z",
    });
    json.to_string().leak()
}

#[tokio::test]
async fn a_request_is_signed_and_bears_its_body() {
    let server = Server::start(vec![Step::Answer(202, r#"{"job": "job-01kb0000000000000000000000"}"#)]);
    let started = client(&server.endpoint)
        .start_backup(&"shop".parse().unwrap(), &BackupRequest::default())
        .await
        .unwrap();
    assert_eq!(started.job.to_string(), JOB);
    let asked = server.asked();
    assert_eq!(asked[0].line, "POST /v1/instances/shop/backups");
    assert_eq!(asked[0].body, "{}");
    let authorization = asked[0].header("authorization").unwrap();
    assert!(authorization.contains("/eu-central-1/execute-api/aws4_request"), "{authorization}");
    assert!(authorization.contains("SignedHeaders=content-type;host;x-amz-date"), "{authorization}");
    assert!(!format!("{asked:?}").contains("SECRET"));
}

#[tokio::test]
async fn a_list_is_followed_page_by_page_only_as_far_as_it_is_read() {
    let page =
        |next: &str| -> &'static str { format!(r#"{{"items": [{0}, {0}]{next}}}"#, job("Completed")).leak() };
    let server =
        Server::start(vec![Step::Answer(200, page(r#", "next": "a/b""#)), Step::Answer(200, page(""))]);
    let client = client(&server.endpoint);
    let filter = JobFilter { status: Some(JobStatus::Completed), ..JobFilter::default() };
    let mut jobs = client.jobs(&filter);
    assert_eq!(jobs.take(2).await.unwrap().len(), 2);
    assert_eq!(server.asked().len(), 1, "the second page was not needed yet");
    assert_eq!(jobs.take(100).await.unwrap().len(), 2);
    let lines: Vec<String> = server.asked().into_iter().map(|asked| asked.line).collect();
    assert_eq!(
        lines,
        ["GET /v1/jobs?limit=100&status=Completed", "GET /v1/jobs?limit=100&status=Completed&next=a%2Fb"]
    );
}

#[tokio::test]
async fn a_get_is_repeated_until_it_is_answered() {
    let server = Server::start(vec![
        Step::HangUp,
        Step::Answer(503, CATALOG_AWAY),
        Step::Answer(429, r#"{"message": "Too Many Requests"}"#),
        Step::Answer(200, job("InProgress")),
    ]);
    let id: JobId = JOB.parse().unwrap();
    assert_eq!(client(&server.endpoint).job(id).await.unwrap().status, JobStatus::InProgress);
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn a_post_that_may_have_arrived_is_not_repeated() {
    for step in [Step::HangUp, Step::Answer(503, CATALOG_AWAY), Step::Answer(502, r#"{"message": "x"}"#)] {
        let server =
            Server::start(vec![step, Step::Answer(202, r#"{"job": "job-01kb0000000000000000000000"}"#)]);
        client(&server.endpoint)
            .start_backup(&"shop".parse().unwrap(), &BackupRequest::default())
            .await
            .unwrap_err();
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_throttled_post_is_repeated() {
    let server = Server::start(vec![
        Step::Answer(429, r#"{"message": "Too Many Requests"}"#),
        Step::Answer(202, r#"{"job": "job-01kb0000000000000000000000"}"#),
    ]);
    client(&server.endpoint).start_backup(&"shop".parse().unwrap(), &BackupRequest::default()).await.unwrap();
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn refusals_of_api_gateway_are_told_from_unknown_routes() {
    let refused =
        r#"{"Message": "User: arn:aws:iam::1:user/eve is not authorized to perform: execute-api:Invoke"}"#;
    for (status, body, code, words) in [
        (403, refused, Code::AccessDenied, "arn:aws:iam::1:user/eve"),
        (403, r#"{"message": "Missing Authentication Token"}"#, Code::RouteNotFound, "no such route"),
        (404, "<html>nothing here</html>", Code::RouteNotFound, "nothing here"),
        (200, "<html>a portal</html>", Code::ApiUnavailable, "not what the route answers"),
    ] {
        let server = Server::start(vec![Step::Answer(status, body)]);
        let error = client(&server.endpoint).job(JOB.parse().unwrap()).await.unwrap_err();
        let fault = Fault::from(error);
        assert_eq!(fault.code, code, "{fault}");
        assert!(fault.message.contains(words), "{fault}");
    }
}

#[tokio::test]
async fn a_watch_ends_with_the_job() {
    let server = Server::start(vec![
        Step::Answer(200, job("Queued")),
        Step::Answer(200, job("InProgress")),
        Step::Answer(200, job("Completed")),
    ]);
    let client = client(&server.endpoint);
    let mut watch = client.watch(JOB.parse().unwrap());
    let mut seen = Vec::new();
    while let Some(job) = watch.next().await.unwrap() {
        seen.push(job.status);
    }
    assert_eq!(seen, [JobStatus::Queued, JobStatus::InProgress, JobStatus::Completed]);
}

#[tokio::test]
async fn nobody_listening_is_said_so() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = client(&format!("http://127.0.0.1:{port}/v1")).job(JOB.parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
    let fault = Fault::from(error);
    assert_eq!(fault.code, Code::ApiUnavailable);
    assert!(fault.message.contains("refused"), "{fault}");
}

#[tokio::test]
async fn a_state_is_asked_for_again_and_a_start_is_not() {
    let instance = r#"{"id": "bi-01kb0000000000000000000000", "name": "shop", "status": "BackupsSuspended",
        "created_at": "2026-11-01T08:00:00Z", "data_source": {"host": "db", "database": "shop",
        "login": {"method": "iam", "user": "backup"}}}"#;
    let server = Server::start(vec![Step::Answer(503, CATALOG_AWAY), Step::Answer(200, instance)]);
    let suspended = client(&server.endpoint).suspend(&"shop".parse().unwrap()).await.unwrap();
    assert_eq!(suspended.status.to_string(), "BackupsSuspended");
    assert_eq!(server.asked()[1].line, "POST /v1/instances/shop/suspend");

    let server = Server::start(vec![Step::Answer(503, CATALOG_AWAY)]);
    let error = client(&server.endpoint).delete_policy(&"gold".parse().unwrap()).await.unwrap_err();
    assert_eq!(Fault::from(error).code, Code::CatalogUnavailable);
    assert_eq!(server.asked().len(), 1);
    assert_eq!(server.asked()[0].line, "DELETE /v1/policies/gold");
}
