"""Everything that is checked: lints, unit and property tests, the stack tests on the running local stack.

The cheap checks come first and the first that fails ends the run, so that a typing error is not found after minutes.
Compiling for the tests (debug) and for the stack (release) shares nothing, hence the order: lints and unit tests need
no stack, the stack is brought up after them.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

from local import build, servers, stack
from local.console import Problem, elapsed, report, say, step
from local.layout import ROOT, STACK_FILE, exclusive

STACK_TESTS = "permafrost-tests"


@dataclass
class Tally:
    """How many checks passed and failed: each lint is one, each test is one."""

    passed: int = 0
    failed: int = 0


def lints(tally: Tally) -> None:
    """Formatting, Clippy, and the templates. Needs no stack."""
    for title, command, hint in LINTS:
        with step(title):
            build.run(command, environment(), hint)
            tally.passed += 1


def only_lints() -> None:
    """`make lint`."""
    lints(Tally())


def everything() -> None:
    """All checks. The last line says how many passed and failed; the exit status says the same."""
    tally = Tally()
    try:
        lints(tally)
        unit_tests(tally)
        stack_tests(tally)
    except Problem as problem:
        # A lint or a build that fails is counted here; failed tests have been counted by their runner.
        tally.failed = max(tally.failed, 1)
        report(problem)
    print(f"[{elapsed()}] {tally.passed} passed, {tally.failed} failed", flush=True)
    if tally.failed:
        sys.exit(1)


def unit_tests(tally: Tally) -> None:
    """Unit and property tests of every crate. None needs the stack."""
    with step("Run unit and property tests"):
        run_tests("default", f"not package({STACK_TESTS})", ["--workspace", "--exclude", STACK_TESTS], tally, {})


def stack_tests(tally: Tally) -> None:
    """The static check of state machines and templates, and the tests of the deployed stack."""
    with exclusive():
        stack.up()
        servers.up(servers.all_names())
    with step("Run the stack tests"):
        more = {"PERMAFROST_STACK": str(STACK_FILE)}
        run_tests("stack", f"package({STACK_TESTS})", ["--package", STACK_TESTS], tally, more)


def run_tests(profile: str, filtered: str, packages: list[str], tally: Tally, more: dict[str, str]) -> None:
    """Run tests with nextest where it is, else with Cargo's own runner.

    nextest builds the whole workspace and picks the tests afterwards: two selections of packages would build many
    dependencies twice, with different features.
    """
    if has_nextest():
        selection = ["--profile", profile, "--workspace", "--filterset", filtered]
        command = ["cargo", "nextest", "run", "--no-fail-fast", *selection]
    else:
        say("cargo-nextest is not installed; `cargo test` runs the same tests, one binary after the other")
        command = ["cargo", "test", "--no-fail-fast", *packages]
    run_and_count(command, tally, more)


def run_and_count(command: list[str], tally: Tally, more: dict[str, str]) -> None:
    """Run a test runner, pass its lines on as they come, and add the figures of its summaries to the tally."""
    summary = NEXTEST_SUMMARY if "nextest" in command else CARGO_SUMMARY
    colour = {"CARGO_TERM_COLOR": "always"} if sys.stdout.isatty() else {}
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(**colour, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as runner:
        for line in runner.stdout or ():
            print(line, end="", flush=True)
            plain = ANSI.sub("", line)
            if summary.match(plain):
                tally.passed += figure("passed", plain)
                tally.failed += figure("failed", plain) + figure("timed out", plain)
    if runner.returncode != 0:
        raise Problem(f"`{' '.join(command)}` failed with status {runner.returncode}", TEST_HINT)


def figure(word: str, summary: str) -> int:
    """The number before a word of a summary; 0 where the word is not in it."""
    found = re.search(rf"(\d+) {word}\b", summary)
    return int(found[1]) if found else 0


def has_nextest() -> bool:
    """Whether cargo-nextest can be had."""
    return shutil.which("cargo-nextest", path=environment()["PATH"]) is not None


def environment(**more: str) -> dict[str, str]:
    """The environment of checks: the tools of the venv, no AWS account of the caller's."""
    return build.environment(AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE=os.devnull, **more)


ANSI = re.compile(r"\x1b\[[0-9;]*m")

# "Summary [ 1.2s] 30 tests run: 29 passed, 1 failed" of nextest, which also shows Cargo's lines of tests that failed.
NEXTEST_SUMMARY = re.compile(r"\s*Summary \[")
# "test result: ok. 3 passed; 0 failed" of Cargo.
CARGO_SUMMARY = re.compile(r"test result: ")

TEST_HINT = "The failing tests are named above; `cargo nextest run <name>` runs one. `make clean` empties the stack."
TEMPLATE_HINT = "The lines above name the template, the line and the rule."

# sam asks for credentials even where it sends nothing.
NO_ACCOUNT = ["env", "AWS_ACCESS_KEY_ID=unused", "AWS_SECRET_ACCESS_KEY=unused"]
SAM = [*NO_ACCOUNT, "sam", "validate", "--lint", "--template-file"]

LINTS: list[tuple[str, list[str], str]] = [
    ("Check the formatting", ["cargo", "fmt", "--all", "--check"], "Run `cargo fmt --all`."),
    ("Lint the templates", ["cfn-lint", "iac/template.yaml", "iac/vault.yaml"], TEMPLATE_HINT),
    ("Validate the vault's template", [*SAM, "iac/vault.yaml"], TEMPLATE_HINT),
    ("Validate the application's template", [*SAM, "iac/template.yaml"], TEMPLATE_HINT),
    (
        "Lint the code",
        ["cargo", "clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"],
        "The lines above are Clippy's; `cargo clippy --fix` mends some of them.",
    ),
]
