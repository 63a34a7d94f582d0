//! `permafrost policy create|list|show|edit|delete`.

use permafrost_client::Client;
use permafrost_domain::Fault;
use permafrost_domain::policy::PolicySpec;
use permafrost_domain::wire::{CreatePolicyRequest, ReplacePolicyRequest};

use super::policy_file::read_policy;
use super::policy_options::spec_of_options;
use crate::args::policy::StoredPolicyCommand;
use crate::args::stored_policy::{CreatePolicyArgs, EditPolicyArgs, ShowPolicyArgs};
use crate::console::{self, Console};
use crate::render;

pub(super) async fn run(
    client: &Client,
    command: StoredPolicyCommand,
    console: &Console,
) -> Result<(), Fault> {
    match command {
        StoredPolicyCommand::Create(args) => create(client, *args, console).await,
        StoredPolicyCommand::List => {
            let policies = client.policies().take(usize::MAX).await?;
            console.result(&policies, |policies| render::policies(policies))
        }
        StoredPolicyCommand::Show(args) => show(client, &args, console).await,
        StoredPolicyCommand::Edit(args) => edit(client, args, console).await,
        StoredPolicyCommand::Delete { policy } => {
            let deleted = client.delete_policy(&policy).await?;
            console.result(&deleted, |_| format!("The policy {policy} is deleted, and its schedule."))
        }
    }
}

async fn create(client: &Client, args: CreatePolicyArgs, console: &Console) -> Result<(), Fault> {
    let spec = match &args.file {
        Some(file) => read_policy(file, console)?,
        None => spec_of_options(&args.schedule, &args.rules)?,
    };
    let policy = client.create_policy(&CreatePolicyRequest { name: args.name, spec }).await?;
    console.result(&policy, |policy| render::policy(policy, super::now()))?;
    console.note(&format!(
        "\nPut an instance under it: permafrost instance change-policy INSTANCE {}",
        policy.name
    ));
    Ok(())
}

async fn show(client: &Client, args: &ShowPolicyArgs, console: &Console) -> Result<(), Fault> {
    let policy = client.policy(&args.policy).await?;
    if args.as_file {
        return console::print(&policy.spec.to_yaml());
    }
    let instances = client.policy_instances(&args.policy).take(usize::MAX).await?;
    let shown = render::PolicyShown { policy, instances };
    console.result(&shown, |shown| render::policy_shown(shown, super::now()))
}

async fn edit(client: &Client, args: EditPolicyArgs, console: &Console) -> Result<(), Fault> {
    let there = client.policy(&args.policy).await?;
    let spec: PolicySpec = match &args.file {
        Some(file) => read_policy(file, console)?,
        None => there.spec.clone(),
    };
    let from_revision = Some(args.from_revision.unwrap_or(there.revision));
    let request = ReplacePolicyRequest { name: args.rename, spec, from_revision };
    let policy = client.replace_policy(&args.policy, &request).await?;
    console.result(&policy, |policy| render::policy(policy, super::now()))?;
    if policy.revision == there.revision {
        console.note("\nIt says so already.");
    } else {
        console.note(
            "\nIt is for the points to come. Those that exist keep their retention; to change it, too: \
             permafrost instance change-policy INSTANCE POLICY --reevaluate",
        );
    }
    Ok(())
}
