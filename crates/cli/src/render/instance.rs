//! Instances.

use permafrost_domain::data_source::{Login, Tls};
use permafrost_domain::instance::{Instance, SoftDeletion, StopMode};

use super::table::{Column, fields, table};
use super::units::time;

/// A list of instances.
pub(crate) fn instances(instances: &[Instance]) -> String {
    let columns = [
        Column::Text("NAME"),
        Column::Text("DATABASE"),
        Column::Text("STATUS"),
        Column::Text("LATEST RECOVERY POINT"),
    ];
    let rows = instances.iter().map(|instance| {
        vec![
            instance.name.to_string(),
            instance.data_source.to_string(),
            instance.status.to_string(),
            instance.latest_consistent_at.map_or_else(|| "none yet".to_owned(), time),
        ]
    });
    table(&columns, rows.collect(), "No database is protected yet: see `permafrost instance protect --help`.")
}

/// One instance.
pub(crate) fn instance(instance: &Instance) -> String {
    let source = &instance.data_source;
    let latest = match (instance.latest_point, instance.latest_consistent_at) {
        (Some(point), Some(at)) => format!("{point} of {}", time(at)),
        (Some(point), None) => point.to_string(),
        (None, _) => "none yet".to_owned(),
    };
    fields(&[
        ("Name", Some(instance.name.to_string())),
        ("Id", Some(instance.id.to_string())),
        ("Database", Some(source.to_string())),
        ("Login", Some(login(&source.login))),
        ("TLS", Some(tls(&source.tls).to_owned())),
        ("Status", Some(instance.status.to_string())),
        ("Stopped", instance.stopped.map(|mode| stopped(mode).to_owned())),
        ("Deleted", instance.deletion.as_ref().map(deleted)),
        ("Policy", Some(instance.policy.map_or_else(|| "none: on demand".to_owned(), |id| id.to_string()))),
        ("Protected since", Some(time(instance.created_at))),
        ("Latest recovery point", Some(latest)),
        ("Running backup", instance.running_backup.map(|job| job.to_string())),
    ])
}

/// How somebody logs in, in words.
pub(super) fn login(login: &Login) -> String {
    match login {
        Login::Iam { user } => format!("IAM token as {user}"),
        Login::Secret { secret_arn, user: Some(user) } => format!("secret {secret_arn} as {user}"),
        Login::Secret { secret_arn, user: None } => format!("secret {secret_arn}"),
    }
}

/// How a connection is protected, in words.
pub(super) fn tls(tls: &Tls) -> &'static str {
    match tls {
        Tls::VerifyFull { ca_pem: Some(_) } => "verify-full, against a CA of its own",
        Tls::VerifyFull { ca_pem: None } => "verify-full, against the RDS bundle",
        Tls::Require => "require",
        Tls::Disable => "disable",
    }
}

/// What becomes of the points of an instance whose protection is stopped.
fn stopped(mode: StopMode) -> &'static str {
    match mode {
        StopMode::RetainForever => "its points stay for ever",
        StopMode::RetainAsPerPolicy => "its points stay as long as each was stamped for, the newest for ever",
        StopMode::DeleteData => "its points are deleted",
    }
}

/// When points are deleted, who wanted it and why.
fn deleted(deletion: &SoftDeletion) -> String {
    let (until, asked) = (time(deletion.until), time(deletion.requested_at));
    format!("its points go on {until}\nasked for on {asked} by {}\n{}", deletion.by, deletion.reason)
}

#[cfg(test)]
mod tests {
    use permafrost_domain::instance::ProtectionStatus;
    use serde_json::{from_value, json};

    use super::super::samples;
    use super::*;

    #[test]
    fn a_list_of_instances() {
        let mut fresh = samples::instance();
        fresh.name = "crm".parse().unwrap();
        fresh.status = ProtectionStatus::ConfiguringProtection;
        fresh.latest_consistent_at = None;
        assert_eq!(
            instances(&[samples::instance(), fresh]),
            "\
NAME  DATABASE              STATUS                 LATEST RECOVERY POINT
shop  db.example:5432/shop  Protected              2026-11-22T08:00:00Z
crm   db.example:5432/shop  ConfiguringProtection  none yet"
        );
    }

    #[test]
    fn one_instance() {
        assert_eq!(
            instance(&samples::instance()),
            "\
Name:                  shop
Id:                    bi-01kb0000000000000000000001
Database:              db.example:5432/shop
Login:                 IAM token as backup
TLS:                   verify-full, against the RDS bundle
Status:                Protected
Policy:                none: on demand
Protected since:       2026-11-01T08:00:00Z
Latest recovery point: rp-01kb0000000000000000000003 of 2026-11-22T08:00:00Z
"
        );
    }

    #[test]
    fn a_deletion_says_when_and_why() {
        let mut gone = samples::instance();
        gone.status = ProtectionStatus::SoftDeleted;
        gone.stopped = Some(StopMode::DeleteData);
        gone.policy = Some("bp-01kb0000000000000000000009".parse().unwrap());
        gone.deletion = Some(
            from_value(json!({
                "requested_at": "2026-11-22T08:00:00Z", "until": "2026-12-06T08:00:00Z",
                "reason": "The shop closed.", "by": "arn:aws:iam::123456789012:user/ann",
            }))
            .unwrap(),
        );
        let text = instance(&gone);
        let expected = "\
Status:                SoftDeleted
Stopped:               its points are deleted
Deleted:               its points go on 2026-12-06T08:00:00Z
                       asked for on 2026-11-22T08:00:00Z by arn:aws:iam::123456789012:user/ann
                       The shop closed.
Policy:                bp-01kb0000000000000000000009
";
        assert!(text.contains(expected), "{text}");
    }
}
