//! Requests to the store and to the catalog that fail, before and after they took effect.

use permafrost_domain::Code;
use permafrost_tests::faults::{FaultyStack, How, Rule, Variant, When};

use super::arranged::Arranged;

/// Every object that a backup writes, and who writes it.
const OBJECTS: [(&str, &str); 6] = [
    ("plan-dump", "toc.dat"),
    ("plan-dump", "globals.sql"),
    ("plan-dump", "plan.json"),
    ("run-dump-task", "/segments/"),
    ("run-dump-task", "/tasks/"),
    ("commit-recovery-point", "manifest.json"),
];

fn put(function: &'static str, path: &str, when: When, how: How) -> Rule {
    Rule::fail(function, "s3:PutObject", path, when, how)
}

fn commit(when: When, how: How) -> Rule {
    Rule::fail("commit-recovery-point", "dynamodb:TransactWriteItems", "", when, how)
}

/// The connection breaks, once, at every object that is written and at the commit, before the request was sent: the
/// backup completes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_lost_once_are_sent_again() {
    Box::pin(mended(When::BeforeEffect, How::Disconnect)).await;
}

/// The same with answers that are lost: objects and recovery point are there already when the request is repeated,
/// and count as written. The point exists exactly once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_whose_answer_is_lost_are_repeated_without_harm() {
    Box::pin(mended(When::AfterEffect, How::Disconnect)).await;
}

/// The services are busy once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_refused_once_are_sent_again() {
    Box::pin(mended(When::BeforeEffect, How::Unavailable)).await;
}

async fn mended(when: When, how: How) {
    let arranged = Arranged::new("crash-once").await;
    let (job, puts) =
        arranged.backup(OBJECTS.map(|(function, path)| put(function, path, when, how).times(1)));
    let committing = arranged.stack.inject(job.id, commit(when, how).times(1));
    let job = arranged.stack.run(&job).await;
    for injection in puts.iter().chain([&committing]) {
        injection.assert_fired_times(1);
    }
    arranged.assert_backed_up(&job).await;
}

/// Functions are killed between one effect and the next: the second run finds what the first one left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_that_die_between_two_effects_are_repeated() {
    let arranged = Arranged::new("crash-between").await;
    let (job, killed) = arranged.backup([
        put("plan-dump", "toc.dat", When::AfterEffect, How::Kill).times(1),
        put("plan-dump", "plan.json", When::BeforeEffect, How::Kill).times(1),
        put("run-dump-task", "/segments/", When::AfterEffect, How::Kill).times(1),
        put("run-dump-task", "/tasks/", When::AfterEffect, How::Kill).times(1),
        put("commit-recovery-point", "manifest.json", When::AfterEffect, How::Kill).times(1),
        commit(When::AfterEffect, How::Kill).times(1),
    ]);
    let job = arranged.stack.run(&job).await;
    for injection in &killed {
        injection.assert_fired_times(1);
    }
    arranged.assert_backed_up(&job).await;
}

/// The store takes no segment, in the second round neither: the backup fails with the function's own code, not with the
/// Map's. Two rounds take longer than the snapshot of most tests here lives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_takes_no_segment_fails_the_backup() {
    let arranged = Arranged::on(FaultyStack::varied(Variant::RELAY).await, "crash-refused").await;
    let rule = put("run-dump-task", "/segments/", When::BeforeEffect, How::Unavailable);
    fails(&arranged, rule, Code::StoreUnavailable).await;
}

/// Every answer of the store is lost, so the manifest is there and nobody knows: no point becomes visible.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_never_answers_the_manifest_fails_the_backup() {
    let rule = put("commit-recovery-point", "manifest.json", When::AfterEffect, How::Disconnect);
    fails(&Arranged::new("crash-unanswered").await, rule, Code::StoreUnavailable).await;
}

/// The catalog does not take the commit: the manifest is in the store, and no point is visible.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catalog_that_takes_no_commit_fails_the_backup() {
    let rule = commit(When::BeforeEffect, How::Unavailable);
    fails(&Arranged::new("crash-untaken").await, rule, Code::CatalogUnavailable).await;
}

async fn fails(arranged: &Arranged, rule: Rule, code: Code) {
    let (job, [injection]) = arranged.backup([rule]);
    let job = arranged.stack.run(&job).await;
    injection.assert_fired();
    let fault = job.fault.clone().expect("a failed job has a fault");
    assert!(!fault.hint.is_empty(), "{fault:?}");
    arranged.assert_failed_backup(&job, code).await;
}

/// The catalog takes the commit, and its answer is always lost: what the catalog says counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_never_answered_is_a_commit() {
    let arranged = Arranged::new("crash-unheard").await;
    let (job, [injection]) = arranged.backup([commit(When::AfterEffect, How::Disconnect)]);
    let job = arranged.stack.run(&job).await;
    injection.assert_fired();
    arranged.assert_backed_up(&job).await;
}
