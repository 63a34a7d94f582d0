//! The SQL and IAM statements that grant what a backup or a restore needs, and nothing more. Pure text: nothing
//! is run and nothing is asked.
//!
//! From PostgreSQL 14 on, `pg_read_all_data` covers every table and sequence, also those made later. Before,
//! each schema is granted by a loop, and default privileges cover what is made later. No statement sets a
//! password.

use permafrost_domain::data_source::RoleName;
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{GrantsArgs, Purpose};

/// Statements to run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Grants {
    /// To run on the server.
    sql: String,
    /// To add to the permissions of the functions' role.
    iam_policy: Value,
}

impl Grants {
    /// Both parts, each with where it belongs.
    pub(crate) fn to_text(&self) -> String {
        let policy = serde_json::to_string_pretty(&self.iam_policy).unwrap_or_default();
        format!(
            "{}\n-- IAM: the functions' role of the vault needs this (as a policy of the role; for a secret of\n\
             -- another account also in the secret's own policy, with kms:Decrypt on its key).\n{policy}\n",
            self.sql
        )
    }
}

/// What `args` ask for; what is not known stands as an upper-case word to be replaced.
pub(crate) fn of(args: &GrantsArgs, region: Option<&str>) -> Grants {
    Grants { sql: sql(args), iam_policy: iam_policy(args, region) }
}

fn sql(args: &GrantsArgs) -> String {
    let role = identifier(args.user.as_str());
    let mut lines = vec![
        format!("-- Run as a superuser, or as the master user of RDS, in database {}.", args.database),
        format!("CREATE ROLE {role} LOGIN;"),
    ];
    if args.iam {
        lines.push(format!("GRANT rds_iam TO {role};"));
    } else {
        lines.push(format!("-- In psql, so that it is in no log: \\password {role}"));
    }
    match args.purpose {
        Purpose::Backup => lines.extend(backup(args, &role)),
        Purpose::Restore => lines.extend([
            format!("ALTER ROLE {role} CREATEDB;"),
            "-- For each role that owns objects in the backup, so that ownership can be kept:".to_owned(),
            format!("-- GRANT owner TO {role};"),
        ]),
    }
    lines.join("\n") + "\n"
}

fn backup(args: &GrantsArgs, role: &str) -> Vec<String> {
    let database = identifier(args.database.as_str());
    let mut lines = vec![format!("GRANT CONNECT ON DATABASE {database} TO {role};")];
    if args.server_version >= 14 {
        lines.push(format!("GRANT pg_read_all_data TO {role};"));
    } else {
        lines.push(single_grants(&args.user));
    }
    lines.push(
        "-- Only where tables have row-level security, which would hide rows from the backup:".to_owned(),
    );
    lines.push(format!("-- ALTER ROLE {role} BYPASSRLS;"));
    lines
}

/// Grants on every schema, and default privileges for everyone who owns one of its objects.
fn single_grants(user: &RoleName) -> String {
    let user = literal(user.as_str());
    format!(
        "\
DO $grants$
DECLARE
  each record;
BEGIN
  FOR each IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', each.nspname, {user});
    EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %I', each.nspname, {user});
    EXECUTE format('GRANT SELECT ON ALL SEQUENCES IN SCHEMA %I TO %I', each.nspname, {user});
  END LOOP;
  -- What the owners of today's objects make later. Run this again when a new role begins to make tables.
  FOR each IN SELECT DISTINCT pg_get_userbyid(c.relowner) AS owner
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' LOOP
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT USAGE ON SCHEMAS TO %I', each.owner, {user});
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT SELECT ON TABLES TO %I', each.owner, {user});
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT SELECT ON SEQUENCES TO %I', each.owner, {user});
  END LOOP;
END
$grants$;"
    )
}

fn iam_policy(args: &GrantsArgs, region: Option<&str>) -> Value {
    let statement = if args.iam {
        let region = region.unwrap_or("REGION");
        let account = args.account.as_deref().unwrap_or("ACCOUNT");
        let resource = args.resource_id.as_deref().unwrap_or("RESOURCE_ID");
        json!({
            "Effect": "Allow",
            "Action": "rds-db:connect",
            "Resource": format!("arn:aws:rds-db:{region}:{account}:dbuser:{resource}/{}", args.user),
        })
    } else {
        let secret = args.secret_arn.as_ref().map_or("SECRET_ARN", |arn| arn.as_str());
        json!({"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secret})
    };
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

/// A name as an identifier in SQL.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A name as a literal in SQL, the same whatever `standard_conforming_strings` says.
fn literal(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('\'', "''");
    if escaped.contains('\\') { format!("E'{escaped}'") } else { format!("'{escaped}'") }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn grants(line: &str) -> Grants {
        let cli = Cli::try_parse_from(format!("permafrost grants {line}").split_whitespace()).unwrap();
        let Command::Grants(args) = cli.command else { panic!("not grants") };
        of(&args, cli.global.region.as_deref())
    }

    #[test]
    fn a_backup_by_secret_from_14_on() {
        let arn = "arn:aws:secretsmanager:eu-central-1:1:secret:permafrost/shop";
        let text = grants(&format!("--user backup --database shop --secret-arn {arn}")).to_text();
        assert_eq!(
            text,
            r#"-- Run as a superuser, or as the master user of RDS, in database shop.
CREATE ROLE "backup" LOGIN;
-- In psql, so that it is in no log: \password "backup"
GRANT CONNECT ON DATABASE "shop" TO "backup";
GRANT pg_read_all_data TO "backup";
-- Only where tables have row-level security, which would hide rows from the backup:
-- ALTER ROLE "backup" BYPASSRLS;

-- IAM: the functions' role of the vault needs this (as a policy of the role; for a secret of
-- another account also in the secret's own policy, with kms:Decrypt on its key).
{
  "Statement": [
    {
      "Action": "secretsmanager:GetSecretValue",
      "Effect": "Allow",
      "Resource": "arn:aws:secretsmanager:eu-central-1:1:secret:permafrost/shop"
    }
  ],
  "Version": "2012-10-17"
}
"#
        );
    }

    #[test]
    fn a_login_by_iam_names_the_role_in_rds_iam_and_in_the_policy() {
        let grants =
            grants("--iam --user backup --account 123456789012 --resource-id db-ABC --region eu-central-1");
        assert!(grants.sql.contains("GRANT rds_iam TO \"backup\";"), "{}", grants.sql);
        assert!(!grants.sql.contains("password"), "{}", grants.sql);
        assert_eq!(
            grants.iam_policy["Statement"][0]["Resource"],
            "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-ABC/backup"
        );
        assert_eq!(grants.iam_policy["Statement"][0]["Action"], "rds-db:connect");
    }

    #[test]
    fn before_14_every_schema_is_granted_and_what_comes_later() {
        let sql = grants("--server-version 13 --user backup").sql;
        assert!(!sql.contains("pg_read_all_data"), "{sql}");
        for statement in [
            "GRANT USAGE ON SCHEMA %I",
            "GRANT SELECT ON ALL TABLES",
            "ON ALL SEQUENCES",
            "ALTER DEFAULT PRIVILEGES",
        ] {
            assert!(sql.contains(statement), "{sql}");
        }
    }

    #[test]
    fn a_restore_needs_createdb_and_no_reading() {
        let sql = grants("--for restore --user loader").sql;
        assert!(sql.contains("ALTER ROLE \"loader\" CREATEDB;"), "{sql}");
        assert!(!sql.contains("SELECT") && !sql.contains("pg_read_all_data"), "{sql}");
    }

    #[test]
    fn names_cannot_break_out_of_their_quotes() {
        assert_eq!(identifier("a\"; DROP TABLE x; --"), "\"a\"\"; DROP TABLE x; --\"");
        assert_eq!(literal("o'hara"), "'o''hara'");
        assert_eq!(literal("a\\b"), "E'a\\\\b'");
    }
}
