"""Who may do what on the emulator, beside the template: the person at the keyboard, and a name of the emulator's own.

The person is an IAM user that may call the API and nothing else. Root bypasses every policy of the emulator, so neither
the demo nor the command line nor a test of the API uses it.
"""

import json

from local import emulator
from local.layout import OPERATOR_FILE, REGION, read_json, write_json

USER = "permafrost-operator"
POLICY = "call-the-api"
# The outputs that name the functions which keep the policies' schedules.
KEEPERS_OF_SCHEDULES = ("ApiFunctionName", "PlanScheduledBackupsFunctionName")
SCHEDULES_POLICY = "schedules-as-the-emulator-names-them"


def operator(api_id: str, account: str) -> dict[str, str]:
    """Make the user, let it call this API, and return its keys, which are kept in `.local/operator.json`."""
    iam = emulator.client("iam")
    try:
        iam.get_user(UserName=USER)
    except iam.exceptions.NoSuchEntityException:
        iam.create_user(UserName=USER)
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "execute-api:Invoke",
                "Resource": f"arn:aws:execute-api:{REGION}:{account}:{api_id}/*",
            }
        ],
    }
    iam.put_user_policy(UserName=USER, PolicyName=POLICY, PolicyDocument=json.dumps(policy))
    existing = {key["AccessKeyId"] for key in iam.list_access_keys(UserName=USER)["AccessKeyMetadata"]}
    kept = read_json(OPERATOR_FILE)
    if kept is not None and kept["access_key_id"] in existing:
        return kept
    for stale in existing:
        iam.delete_access_key(UserName=USER, AccessKeyId=stale)
    made = iam.create_access_key(UserName=USER)["AccessKey"]
    keys = {"access_key_id": made["AccessKeyId"], "secret_access_key": made["SecretAccessKey"]}
    write_json(OPERATOR_FILE, keys, 0o600)
    return keys


def keepers_of_schedules(outputs: dict[str, str]) -> None:
    """Let the functions that keep schedules reach them on the emulator.

    It takes every schedule for one of the group `default` when it looks for a right, whatever group it is in. AWS asks
    for the group's own name, and that is what the template allows.
    """
    iam, functions = emulator.client("iam"), emulator.client("lambda")
    for output in KEEPERS_OF_SCHEDULES:
        role_arn = functions.get_function_configuration(FunctionName=outputs[output])["Role"]
        account, role = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
        actions = ("CreateSchedule", "DeleteSchedule", "GetSchedule", "UpdateSchedule")
        statement = {
            "Effect": "Allow",
            "Action": [f"scheduler:{action}" for action in actions],
            "Resource": f"arn:aws:scheduler:{REGION}:{account}:schedule/default/bp-*",
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        iam.put_role_policy(RoleName=role, PolicyName=SCHEDULES_POLICY, PolicyDocument=json.dumps(policy))
