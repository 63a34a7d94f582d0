"""Prints what `aws rds generate-db-auth-token` prints, at a time that is given.

usage: aws_db_auth_token.py <ISO time in UTC> <arguments of generate-db-auth-token...>

The real command line tool runs in this process; only its clock is stopped. Credentials come from the
environment, as usual.
"""

import datetime
import os
import sys

# With the optional package awscrt, botocore signs in C, by another clock, and writes the same
# parameters in another order. What is compared here is what the tool prints as it is installed.
os.environ["BOTO_DISABLE_CRT"] = "true"

import botocore.auth  # noqa: E402
from awscli.clidriver import main  # noqa: E402


class StoppedClock(datetime.datetime):
    """`datetime.datetime` whose present is `moment`."""

    moment = None

    @classmethod
    def now(cls, tz=None):
        return cls.moment.astimezone(tz) if tz else cls.moment.replace(tzinfo=None)

    @classmethod
    def utcnow(cls):
        return cls.moment.replace(tzinfo=None)


def stop_clock(moment):
    StoppedClock.moment = moment
    stopped = False
    # botocore asks its own helper since 1.40, and the datetime class before that.
    if hasattr(botocore.auth, "get_current_datetime"):
        botocore.auth.get_current_datetime = lambda *_, **__: moment.replace(tzinfo=None)
        stopped = True
    if hasattr(botocore.auth, "datetime"):
        module = type(sys)("datetime")
        module.__dict__.update(datetime.__dict__)
        module.datetime = StoppedClock
        botocore.auth.datetime = module
        stopped = True
    if not stopped:
        sys.exit("this version of botocore has a clock that is not known here")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    stop_clock(datetime.datetime.fromisoformat(sys.argv[1]).replace(tzinfo=datetime.timezone.utc))
    sys.argv = ["aws", "rds", "generate-db-auth-token", *sys.argv[2:]]
    sys.exit(main())
