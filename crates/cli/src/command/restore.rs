//! `permafrost restore`.

use permafrost_client::Client;
use permafrost_domain::Fault;
use permafrost_domain::data_source::DataSource;
use permafrost_domain::restore_options::{
    Content, Ownership, Privileges, RestoreOptions, RoleMapping, TablespaceMapping, Tablespaces,
};
use permafrost_domain::wire::RestoreRequest;

use super::{job, rehydration, target, wait};
use crate::args::{OptionArgs, Owner, RestoreArgs};
use crate::console::Console;

pub(super) async fn run(client: &Client, args: RestoreArgs, console: &Console) -> Result<(), Fault> {
    let options = options(args.options);
    options.check()?;
    // What is not said about the target is as with the instance's own database.
    let own = client.instance(&args.instance).await?.data_source;
    let target = DataSource {
        host: args.host.unwrap_or(own.host),
        port: args.port.unwrap_or(own.port),
        database: args.to_database,
        login: target::login(args.login, Some(own.login))?,
        tls: target::tls(&args.tls, own.tls)?,
    };
    let rehydrate = args.rehydration.request();
    rehydration::tell_before_restore(client, &args.instance, args.point, rehydrate, console).await?;
    let request = RestoreRequest { point: args.point, target, options, rehydrate };
    let started = client.start_restore(&args.instance, &request).await?;
    if args.wait.no_wait {
        return console.result(&started, |started| started.job.to_string());
    }
    let ended = wait::until_ended(client, started.job, console).await?;
    job::show_ended(&ended, console)
}

/// The options that the arguments say; the arguments exclude each other already.
fn options(args: OptionArgs) -> RestoreOptions {
    let content = match (args.schema_only, args.data_only) {
        (true, _) => Content::SchemaOnly,
        (false, true) => Content::DataOnly,
        (false, false) => Content::Everything,
    };
    let ownership = match args.owner {
        Owner::Flatten => Ownership::Flatten,
        Owner::Preserve if args.map_roles.is_empty() => Ownership::Preserve,
        Owner::Preserve => Ownership::Map {
            roles: args.map_roles.into_iter().map(|(from, to)| RoleMapping { from, to }).collect(),
        },
    };
    let tablespaces = if args.no_tablespaces {
        Tablespaces::Default
    } else if args.map_tablespaces.is_empty() {
        Tablespaces::Keep
    } else {
        let mapped = args.map_tablespaces.into_iter();
        Tablespaces::Map { tablespaces: mapped.map(|(from, to)| TablespaceMapping { from, to }).collect() }
    };
    RestoreOptions {
        schemas: args.schemas,
        tables: args.tables,
        content,
        ownership,
        privileges: if args.no_privileges { Privileges::Drop } else { Privileges::Keep },
        tablespaces,
    }
}
