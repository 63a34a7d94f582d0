"""What CloudFormation asks for and the emulator drops: set by API locally, only read on AWS.

    python -m local.settle            sets what differs on the emulator
    python -m local.settle --assert   reads both stacks in the caller's AWS account and fails with what differs

The wanted values are read from the deployed templates themselves, so that there is one place that states them.
Settling twice changes nothing.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass

import boto3
import botocore.exceptions
import yaml

from local import emulator
from local.console import Problem, report, say, step
from local.layout import APP_STACK, APP_TEMPLATE, VAULT_STACK, VAULT_TEMPLATE
from local.templates import Template


@dataclass(frozen=True)
class Setting:
    """One setting of one resource: how to read it, what it should be, how to set it."""

    name: str
    wanted: object
    read: Callable[[], object]
    write: Callable[[], object]


def absent_as_none(read: Callable[[], object], *codes: str) -> Callable[[], object]:
    """The read, with the service's word for 'there is none' turned into None."""

    def reading() -> object:
        try:
            return read()
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in codes:
                return None
            raise

    return reading


def bucket_settings(s3, bucket: str, properties: dict) -> list[Setting]:
    """Object Lock, encryption, lifecycle, versioning and the public access block of one store."""
    encryption = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
    by_default = encryption["ServerSideEncryptionByDefault"]
    rules = [
        {
            "ApplyServerSideEncryptionByDefault": {
                "SSEAlgorithm": by_default["SSEAlgorithm"],
                "KMSMasterKeyID": by_default["KMSMasterKeyID"],
            },
            "BucketKeyEnabled": encryption["BucketKeyEnabled"],
        }
    ]
    lifecycle = [lifecycle_rule(rule) for rule in properties["LifecycleConfiguration"]["Rules"]]
    lock = {"ObjectLockEnabled": properties["ObjectLockConfiguration"]["ObjectLockEnabled"]}
    versioning = properties["VersioningConfiguration"]["Status"]
    private = properties["PublicAccessBlockConfiguration"]
    return [
        Setting(
            f"{bucket}: versioning",
            versioning,
            lambda: s3.get_bucket_versioning(Bucket=bucket).get("Status"),
            lambda: s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": versioning}),
        ),
        Setting(
            f"{bucket}: object lock",
            lock,
            absent_as_none(
                lambda: s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"],
                "ObjectLockConfigurationNotFoundError",
            ),
            lambda: s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=lock),
        ),
        Setting(
            f"{bucket}: encryption",
            rules,
            absent_as_none(
                lambda: known_encryption(
                    s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
                ),
                "ServerSideEncryptionConfigurationNotFoundError",
            ),
            lambda: s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules}),
        ),
        Setting(
            f"{bucket}: lifecycle",
            sorted(lifecycle, key=lambda rule: rule["ID"]),
            absent_as_none(
                lambda: sorted(
                    (known_rule(rule) for rule in s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]),
                    key=lambda rule: rule["ID"],
                ),
                "NoSuchLifecycleConfiguration",
            ),
            lambda: s3.put_bucket_lifecycle_configuration(
                Bucket=bucket,
                LifecycleConfiguration={"Rules": [{**rule, "Filter": {"Prefix": ""}} for rule in lifecycle]},
            ),
        ),
        Setting(
            f"{bucket}: public access block",
            private,
            absent_as_none(
                lambda: s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"],
                "NoSuchPublicAccessBlockConfiguration",
            ),
            lambda: s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=private),
        ),
    ]


def lifecycle_rule(rule: dict) -> dict:
    """A rule of the template in the API's words."""
    known = {"ID": rule["Id"], "Status": rule["Status"]}
    if "AbortIncompleteMultipartUpload" in rule:
        days = int(rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"])
        known["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": days}
    return known


def known_rule(rule: dict) -> dict:
    """A rule of the API without the filter, which says 'everything' in several ways."""
    return {name: value for name, value in rule.items() if name not in ("Filter", "Prefix")}


def known_encryption(rules: list[dict]) -> list[dict]:
    """The encryption rules' fields that the template states; AWS adds others of its own."""
    names = ("ApplyServerSideEncryptionByDefault", "BucketKeyEnabled")
    return [{name: rule[name] for name in names if name in rule} for rule in rules]


def table_settings(dynamodb, table: str, properties: dict) -> list[Setting]:
    """Point-in-time recovery, time to live and deletion protection of the catalog."""
    attribute = properties["TimeToLiveSpecification"]["AttributeName"]

    def recovery() -> str:
        description = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        return description["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]

    def time_to_live() -> tuple:
        description = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        # ENABLING is ENABLED that has not reached every partition yet.
        return description["TimeToLiveStatus"].replace("ENABLING", "ENABLED"), description.get("AttributeName")

    return [
        Setting(
            f"{table}: point-in-time recovery",
            "ENABLED",
            recovery,
            lambda: dynamodb.update_continuous_backups(
                TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
            ),
        ),
        Setting(
            f"{table}: time to live",
            ("ENABLED", attribute),
            time_to_live,
            lambda: dynamodb.update_time_to_live(
                TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": attribute}
            ),
        ),
        Setting(
            f"{table}: deletion protection",
            properties["DeletionProtectionEnabled"],
            lambda: dynamodb.describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled"),
            lambda: dynamodb.update_table(TableName=table, DeletionProtectionEnabled=True),
        ),
    ]


def key_settings(kms, key: str) -> list[Setting]:
    """Yearly rotation of the vault's key."""
    return [
        Setting(
            f"{key}: rotation",
            True,
            lambda: kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"],
            lambda: kms.enable_key_rotation(KeyId=key),
        )
    ]


def function_settings(lambda_, function: str, properties: dict) -> list[Setting]:
    """Reserved concurrency, for functions that ask for it."""
    if properties.get("ReservedConcurrentExecutions") is None:
        return []
    wanted = int(properties["ReservedConcurrentExecutions"])
    return [
        Setting(
            f"{function}: reserved concurrency",
            wanted,
            lambda: lambda_.get_function_concurrency(FunctionName=function).get("ReservedConcurrentExecutions"),
            lambda: lambda_.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=wanted),
        )
    ]


def state_machine_settings(sfn, machine: str) -> list[Setting]:
    """The definition as JSON. CloudFormation turns a YAML definition into it; the emulator keeps the YAML, which it
    then cannot run."""

    def definition() -> str:
        return sfn.describe_state_machine(stateMachineArn=machine)["definition"]

    def is_json() -> bool:
        try:
            json.loads(definition())
        except ValueError:
            return False
        return True

    def as_json() -> str:
        return json.dumps(yaml.safe_load(definition()))

    name = machine.rpartition(":")[2]
    return [
        Setting(
            f"{name}: definition in JSON",
            True,
            is_json,
            lambda: sfn.update_state_machine(stateMachineArn=machine, definition=as_json()),
        )
    ]


def vault_settings(client: Callable, stack: str) -> list[Setting]:
    """Every setting of the vault's stack that must hold whatever made it."""
    template = Template(client("cloudformation"), stack, VAULT_TEMPLATE)
    settings = key_settings(client("kms"), template.physical_id("Key"))
    for bucket in ("BackupBucket", "ArchiveBucket"):
        settings += bucket_settings(client("s3"), template.physical_id(bucket), template.properties(bucket))
    return settings + table_settings(
        client("dynamodb"), template.physical_id("Catalog"), template.properties("Catalog")
    )


def app_settings(client: Callable, stack: str) -> list[Setting]:
    """Every setting of the application's stack that must hold whatever made it."""
    template = Template(client("cloudformation"), stack, APP_TEMPLATE)
    settings = []
    for name in template.resources_of_type("AWS::Serverless::Function", "AWS::Lambda::Function"):
        settings += function_settings(client("lambda"), template.physical_id(name), template.properties(name))
    for name in template.resources_of_type("AWS::Serverless::StateMachine"):
        settings += state_machine_settings(client("stepfunctions"), template.physical_id(name))
    return settings


def settle(settings: list[Setting]) -> None:
    """Set what differs, and read it back: what cannot be set is a problem, not a hope."""
    changed = 0
    for setting in settings:
        if setting.read() == setting.wanted:
            continue
        setting.write()
        changed += 1
        found = setting.read()
        if found != setting.wanted:
            raise Problem(
                f"{setting.name} is {found} after setting it to {setting.wanted}",
                "The emulator does not keep this setting; look for a newer version or leave the setting to AWS.",
            )
    if changed:
        say(f"{len(settings)} settings hold, {changed} of them set just now")


def differences(settings: list[Setting]) -> list[str]:
    """What differs, as lines for people. Reads only."""
    return [
        f"{setting.name} is {found}, should be {setting.wanted}"
        for setting in settings
        if (found := setting.read()) != setting.wanted
    ]


def assert_on_aws(vault_stack: str, app_stack: str) -> None:
    """Fail with every setting of the two stacks on AWS that is not as the templates say."""
    with step("Check on AWS what the templates ask for"):
        settings = vault_settings(boto3.client, vault_stack) + app_settings(boto3.client, app_stack)
        wrong = differences(settings)
        if wrong:
            raise Problem(
                "these settings are not as the templates say:\n  " + "\n  ".join(wrong),
                "Somebody changed them by hand: look at the stack's drift, then deploy again.",
            )
        say(f"{len(settings)} settings hold")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Hold the deployed stacks against their templates.")
    parser.add_argument("--assert", dest="assert_only", action="store_true", help="on AWS: only read")
    parser.add_argument("--vault-stack", default=VAULT_STACK)
    parser.add_argument("--app-stack", default=APP_STACK)
    arguments = parser.parse_args()
    try:
        if arguments.assert_only:
            assert_on_aws(arguments.vault_stack, arguments.app_stack)
        else:
            settle(vault_settings(emulator.client, arguments.vault_stack))
            settle(app_settings(emulator.client, arguments.app_stack))
    except Problem as problem:
        report(problem)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
