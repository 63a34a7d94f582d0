"""Deploy both stacks, on the emulator or on AWS: the vault first, then the application with the vault's outputs."""

import json
import shlex

import boto3
import tomlkit

from local import access, build, emulator, settle, stamp
from local.console import Problem, say, step
from local.layout import (
    APP_STACK,
    BUILT_TEMPLATE,
    ROOT,
    VAULT_STACK,
    VAULT_TEMPLATE,
    architecture,
    aws_environment,
)

VAULT_OUTPUTS = ("VaultName", "BackupBucketName", "ArchiveBucketName", "KeyArn", "TableName")
DEPLOYED_STATES = ("CREATE_COMPLETE", "UPDATE_COMPLETE")


def stack_outputs(cloudformation, stack: str) -> dict[str, str] | None:
    """The outputs of a stack that is deployed and sound, or None."""
    try:
        description = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except cloudformation.exceptions.ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            return None
        raise
    if description["StackStatus"] not in DEPLOYED_STATES:
        return None
    return {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])}


def sam_deploy(config: str, env: dict[str, str] | None, arguments: list[str]) -> None:
    """Run `sam deploy`. On the emulator its output is shown only when it fails; on AWS people read and confirm it."""
    # SAM looks for its configuration beside the template, which for a built one is not here.
    command = ["sam", "deploy", "--config-file", str(ROOT / "samconfig.toml"), "--config-env", config, *arguments]
    if env is None:
        hint = "The lines above are SAM's; the stack's events in the console say which resource failed and why."
        build.run(command, build.environment_for_aws(), hint)
        return
    build.run_quietly(command, env, "Read the resource's reason above; the emulator's log is .local/emulator/log.")


def locally() -> dict[str, dict[str, str]]:
    """Deploy what changed to the emulator and settle it. Returns the outputs of both stacks, by stack."""
    env = aws_environment(emulator.endpoint())
    vault = deploy_vault_locally(env)
    return {VAULT_STACK: vault, APP_STACK: deploy_app_locally(env, vault)}


def vault_alone() -> dict[str, dict[str, str]]:
    """Deploy the vault's stack to the emulator; the application stays as it is, should it be there."""
    outputs = {VAULT_STACK: deploy_vault_locally(aws_environment(emulator.endpoint()))}
    app = stack_outputs(emulator.client("cloudformation"), APP_STACK)
    return outputs if app is None else {**outputs, APP_STACK: app}


def deploy_vault_locally(env: dict[str, str]) -> dict[str, str]:
    """The vault's stack on the emulator."""
    cloudformation = emulator.client("cloudformation")
    wanted = stamp.digest_of([VAULT_TEMPLATE, ROOT / "samconfig.toml"], emulator.endpoint())
    if stack_outputs(cloudformation, VAULT_STACK) is None or not stamp.matches("vault", wanted):
        with step("Deploy the vault: two stores, a key, the catalog"):
            stamp.forget("vault")
            sam_deploy("local-vault", env, [])
            stamp.record("vault", wanted)
    # Every time, not only after deploying: the emulator forgets some of it when it restarts.
    settle.settle(settle.vault_settings(emulator.client, VAULT_STACK))
    return required_outputs(cloudformation, VAULT_STACK)


def deploy_app_locally(env: dict[str, str], vault: dict[str, str]) -> dict[str, str]:
    """The application's stack on the emulator: the templates of AWS, with the built layer's directory as parameter."""
    cloudformation = emulator.client("cloudformation")
    parameters = {
        **{name: vault[name] for name in VAULT_OUTPUTS},
        "PgClientsDir": str(build.pg_clients_dir()),
        "Architecture": architecture(),
        # The emulator rehydrates in two seconds.
        "RehydrationPollSeconds": "2",
        # Faults of tests pass at once.
        "ResumeAfterSeconds": "2",
    }
    wanted = stamp.digest_of([], build.digest(), json.dumps(parameters), emulator.endpoint())
    if stack_outputs(cloudformation, APP_STACK) is None or not stamp.matches("app", wanted):
        with step("Deploy the application: functions, state machines, API"):
            stamp.forget("app")
            overrides = [f"{name}={value}" for name, value in parameters.items()]
            sam_deploy("local", env, ["--template-file", str(BUILT_TEMPLATE), "--parameter-overrides", *overrides])
            stamp.record("app", wanted)
    settle.settle(settle.app_settings(emulator.client, APP_STACK))
    outputs = required_outputs(cloudformation, APP_STACK)
    access.keepers_of_schedules(outputs)
    return outputs


def required_outputs(cloudformation, stack: str) -> dict[str, str]:
    """The outputs of a stack that was just deployed."""
    outputs = stack_outputs(cloudformation, stack)
    if outputs is None:
        raise Problem(f"the stack {stack} is not complete after its deployment", "Look at .local/emulator/log.")
    return outputs


def own_overrides() -> dict[str, str]:
    """What samconfig.toml sets for the application on AWS; given again, as the command line replaces the file's."""
    config = tomlkit.parse((ROOT / "samconfig.toml").read_text()).unwrap()
    written = config["default"]["deploy"]["parameters"].get("parameter_overrides", [])
    items = shlex.split(written) if isinstance(written, str) else written
    return dict(item.split("=", 1) for item in items)


def on_aws() -> None:
    """Build for Lambda, deploy both stacks with the caller's credentials, and check what was asked for."""
    own = own_overrides()
    target = own.setdefault("Architecture", "arm64")
    with step(f"Compile the functions for {target}"):
        build.compile_binaries(target)
    with step("Pack functions, layer and template"):
        build.pack(build.environment_for_aws(PERMAFROST_LAYER_FOR=target), target, "default")
    with step("Deploy the vault"):
        sam_deploy("vault", None, [])
    with step("Deploy the application"):
        vault = required_outputs(boto3.client("cloudformation"), VAULT_STACK)
        parameters = {**{name: vault[name] for name in VAULT_OUTPUTS}, **own}
        overrides = [f"{name}={value}" for name, value in parameters.items()]
        sam_deploy("default", None, ["--template-file", str(BUILT_TEMPLATE), "--parameter-overrides", *overrides])
    settle.assert_on_aws(VAULT_STACK, APP_STACK)
    say(f"the API is {required_outputs(boto3.client('cloudformation'), APP_STACK)['ApiUrl']}")
