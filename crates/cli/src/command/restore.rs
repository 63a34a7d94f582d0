//! `permafrost restore`.

use permafrost_client::Client;
use permafrost_domain::Fault;
use permafrost_domain::data_source::DataSource;
use permafrost_domain::wire::RestoreRequest;

use super::{job, target, wait};
use crate::args::RestoreArgs;
use crate::console::Console;

pub(super) async fn run(client: &Client, args: RestoreArgs, console: &Console) -> Result<(), Fault> {
    // What is not said about the target is as with the instance's own database.
    let own = client.instance(&args.instance).await?.data_source;
    let target = DataSource {
        host: args.host.unwrap_or(own.host),
        port: args.port.unwrap_or(own.port),
        database: args.to_database,
        login: target::login(args.login, Some(own.login))?,
        tls: target::tls(&args.tls, own.tls)?,
    };
    let request = RestoreRequest { point: args.point, target };
    let started = client.start_restore(&args.instance, &request).await?;
    if args.wait.no_wait {
        return console.result(&started, |started| started.job.to_string());
    }
    let ended = wait::until_ended(client, started.job, console).await?;
    job::show_ended(&ended, console)
}
