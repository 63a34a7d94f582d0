//! A database is protected, backed up and restored while every process's arguments are watched; then everything that
//! was written meanwhile is searched for the passwords.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use permafrost_tests::support::{Cli, Database, Stack};

use super::arguments::Watch;
use super::haystacks::{self, Haystack};

/// The forms in which a secret could stand somewhere: as it is, and in base64 wherever it begins there.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned()];
    for shift in 0..3 {
        let encoded = BASE64_STANDARD.encode([vec![b' '; shift], secret.as_bytes().to_vec()].concat());
        // The first and the last characters also depend on what stands beside.
        forms.push(encoded[4..encoded.len() - 4].to_owned());
    }
    forms
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_password_is_ever_written_or_shown() {
    let since = haystacks::now();
    let database = Database::create("credentials").await;
    let marker = format!("row-of-{}", database.name);
    database.run_as_owner(&format!("CREATE TABLE t (note text); INSERT INTO t VALUES ('{marker}')")).await;
    let secrets = [&database.backup.password, &database.restore.password, &Stack::get().superuser_password()]
        .map(|password| forms(password))
        .concat();

    let watch = Watch::start();
    let cli = Cli::operator();
    let protected = cli.protect(&database.protection()).await;
    let backup = cli.backup(&database.name).await;
    let restore = cli.restore(&database.name, &database.sibling("copy"), &database.restore.secret_arn).await;
    let arguments = watch.stop();

    let jobs = [&protected, &backup, &restore];
    let point = backup.point.expect("a completed backup names its point").to_string();
    // Each with something that must be found in it: a search that finds nothing would prove nothing.
    let searched: Vec<(Haystack, Vec<&str>)> = vec![
        (arguments, vec!["pg_dump", &database.name]),
        (haystacks::catalog().await, vec![&database.name, &point]),
        (haystacks::stores(since).await, vec![&database.name, &marker, "CREATE ROLE"]),
        (haystacks::logs(since).await, vec!["\"message\"", "holding"]),
        (
            haystacks::executions(&jobs).await,
            vec!["FinishRestore", "RunDumpTasks", "RunRestoreTasks", "\"task\""],
        ),
        (haystacks::function_environments().await, vec!["TABLE_NAME"]),
        (
            haystacks::command_line(&cli, &database.name, &jobs).await,
            vec![&database.name, &point, "Completed"],
        ),
        (haystacks::emulator_state(since), vec![&database.name]),
    ];
    for (haystack, known) in &searched {
        for needle in known {
            assert!(
                !haystack.places_of(needle).is_empty(),
                "{haystack} do not hold {needle:?}: nothing is searched"
            );
        }
        for secret in &secrets {
            assert_eq!(haystack.places_of(secret), Vec::<String>::new(), "a password stands in {haystack}");
        }
    }
    // The job's id stands wherever the job was spoken of.
    for job in jobs {
        let spoken_of =
            searched.iter().filter(|(haystack, _)| !haystack.places_of(&job.id.to_string()).is_empty());
        assert!(spoken_of.count() >= 4, "{} is hardly found anywhere", job.id);
    }
}

/// The search finds what is there, in every form that it looks for.
#[test]
fn a_planted_password_is_found() {
    let secret = "correct horse battery staple";
    for planted in [
        format!("{{\"password\": \"{secret}\"}}"),
        BASE64_STANDARD.encode(secret),
        BASE64_STANDARD.encode(format!("u:{secret}")),
        BASE64_STANDARD.encode(format!("user:{secret}\n")),
        BASE64_STANDARD.encode(format!("[{secret}] and more")),
    ] {
        let haystack =
            Haystack::new("planted texts", vec![("here".to_owned(), planted.clone().into_bytes())]);
        let found = forms(secret).iter().any(|form| !haystack.places_of(form).is_empty());
        assert!(found, "{planted}");
    }
    let clean = Haystack::new("clean texts", vec![("here".to_owned(), b"nothing of the kind".to_vec())]);
    assert!(forms(secret).iter().all(|form| clean.places_of(form).is_empty()));
}

/// The watch sees the arguments of a process that lives for an instant.
#[test]
fn a_password_among_arguments_is_seen() {
    let needle = format!("planted-{}", permafrost_tests::support::unique());
    let watch = Watch::start();
    // As long as pg_dump takes for a table of contents.
    let status = std::process::Command::new("sh").args(["-c", "sleep 0.05; true", &needle]).status();
    assert!(status.unwrap().success());
    assert!(!watch.stop().places_of(&needle).is_empty());
}
