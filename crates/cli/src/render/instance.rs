//! Instances.

use permafrost_domain::data_source::{Login, Tls};
use permafrost_domain::instance::{Instance, ProtectionStatus};

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
            status(instance.status).to_owned(),
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
        ("Status", Some(status(instance.status).to_owned())),
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

fn status(status: ProtectionStatus) -> &'static str {
    status.as_str()
}

#[cfg(test)]
mod tests {
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
Protected since:       2026-11-01T08:00:00Z
Latest recovery point: rp-01kb0000000000000000000003 of 2026-11-22T08:00:00Z
"
        );
    }
}
