"""The person at the keyboard: an IAM user that may call the API and nothing else.

Root bypasses every policy of the emulator, so neither the demo nor the command line nor a test of the API uses it.
"""

import json

from local import emulator
from local.layout import OPERATOR_FILE, REGION, read_json, write_json

USER = "permafrost-operator"
POLICY = "call-the-api"


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
