"""Make `.venv` from the lock file, then hand over to `python -m local`.

Runs under whatever `python3` the machine has, with nothing but the standard library, and so is written for old
interpreters too: what is missing is said in words, not by a traceback. Idempotent: a `.venv` that holds exactly the
lock file is left alone, which takes a few milliseconds.
"""

import glob
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
VENV_PYTHON = os.path.join(VENV, "bin", "python")
LOCK_FILE = os.path.join(ROOT, "local", "requirements.txt")
STATE = os.path.join(ROOT, ".local")
STAMP = os.path.join(VENV, ".locked")
OLDEST_PYTHON = (3, 10)


def fail(message, hint):
    """Say what is wrong and what to do about it, and stop."""
    sys.stderr.write("error: %s\nHINT: %s\n" % (message, hint))
    sys.exit(1)


def newer_python():
    """The newest interpreter on the PATH that is new enough and really runs, or None."""
    for minor in range(14, OLDEST_PYTHON[1] - 1, -1):
        path = shutil.which("python3.%d" % minor)
        if path and subprocess.call([path, "-c", ""], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0:
            return path
    return None


def require_machine():
    """Stop unless this machine can run the stack at all."""
    if platform.system() != "Linux":
        fail(
            "the local stack runs on Linux only: the emulator starts the Lambda binaries as processes of the host",
            "Use a Linux machine, a virtual machine or a container with Rust, Python 3 and make.",
        )
    if sys.version_info < OLDEST_PYTHON:
        python = newer_python()
        if python is None:
            fail(
                "python3 is version %s, and the tools need 3.10 or newer" % platform.python_version(),
                "Install a newer Python and say which one: make PYTHON=/path/to/python3.12 ...",
            )
        os.execv(python, [python] + sys.argv)
    if shutil.which("cargo") is None:
        fail(
            "cargo is not on the PATH",
            "Install Rust as described at https://rustup.rs, then run `. ~/.cargo/env` and this command again.",
        )


def wanted_stamp():
    """What `.venv` is when complete: the lock file's digest, the interpreter's version, and its own place, which the
    programs in it name in their first line."""
    with open(LOCK_FILE, "rb") as lock:
        digest = hashlib.sha256(lock.read()).hexdigest()
    return "%s %s %s\n" % (digest, platform.python_version(), VENV)


def stamp_matches(wanted):
    """Whether `.venv` was completed with exactly this lock file and interpreter, here."""
    try:
        with open(STAMP) as stamp:
            return stamp.read() == wanted and os.access(VENV_PYTHON, os.X_OK)
    except OSError:
        return False


def installer():
    """Make an empty `.venv` and return the command that installs into it.

    Debian splits `ensurepip` off into python3-venv. Without it, a pip of the system can install into the venv too.
    """
    if os.path.isdir(VENV):
        shutil.rmtree(VENV)
    has_ensurepip = subprocess.call([sys.executable, "-c", "import ensurepip"], stderr=subprocess.DEVNULL) == 0
    if has_ensurepip:
        made = subprocess.run([sys.executable, "-m", "venv", VENV], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if made.returncode == 0:
            return [VENV_PYTHON, "-m", "pip"]
        fail(
            "python3 -m venv failed: %s" % made.stdout.decode(errors="replace").strip(),
            "Install Debian's python3-venv, or name another interpreter: make PYTHON=/path/to/python3 ...",
        )
    has_pip = subprocess.call([sys.executable, "-c", "import pip"], stderr=subprocess.DEVNULL) == 0
    made = subprocess.call([sys.executable, "-m", "venv", "--without-pip", VENV], stderr=subprocess.DEVNULL)
    if has_pip and made == 0:
        return [sys.executable, "-m", "pip", "--python", VENV_PYTHON]
    version = "%d.%d" % sys.version_info[:2]
    fail(
        "python3 cannot make a virtual environment: its venv module is incomplete",
        "Run `apt-get install python3-venv` (or python%s-venv) as root, then this command again." % version,
    )


def install(pip):
    """Install the lock file, with a counter, and the last lines of pip's output should it fail."""
    with open(LOCK_FILE) as lock:
        total = len({line.split("==")[0] for line in lock if "==" in line})
    command = pip + ["install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off", "-r", LOCK_FILE]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    tail, seen = [], 0
    for line in process.stdout:
        tail = (tail + [line])[-15:]
        if line.startswith("Collecting "):
            seen += 1
            show_progress("    %d of about %d packages" % (seen, total), seen % 25 == 0)
        elif line.startswith("Installing "):
            show_progress("    unpacking %d packages" % seen, True)
    if sys.stdout.isatty():
        sys.stdout.write("\n")
    if process.wait() != 0:
        sys.stderr.write("".join(tail))
        fail(
            "pip could not install local/requirements.txt",
            "The lines above are pip's. Check that the package index can be reached, then run this command again.",
        )


def show_progress(text, milestone):
    """Rewrite one line on a terminal; elsewhere print the milestones only."""
    if sys.stdout.isatty():
        sys.stdout.write("\r%-60s" % text)
    elif milestone:
        sys.stdout.write(text + "\n")
    sys.stdout.flush()


def clean_environment():
    """The caller's environment without what would make the venv's Python import from somewhere else."""
    environment = dict(os.environ)
    for name in ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"):
        environment.pop(name, None)
    return environment


def main():
    """Make sure of `.venv`, then run the rest of the command line in it."""
    require_machine()
    wanted = wanted_stamp()
    stops = sys.argv[1:] in (["down"], ["clean"])
    if stops and not os.path.isdir(STATE):
        print("    nothing is running and there is nothing to remove")
        return
    # What was started with older tools is stopped with them.
    if not stamp_matches(wanted) and not (stops and os.access(VENV_PYTHON, os.X_OK)):
        started = time.monotonic()
        print("==> Install the tools into .venv (once; pinned by local/requirements.txt)", flush=True)
        install(installer())
        if not glob.glob(os.path.join(VENV, "bin", "ministack")):
            fail("the emulator is not in .venv after the installation", "Remove .venv and run this command again.")
        with open(STAMP, "w") as stamp:
            stamp.write(wanted)
        print("    done in %.0f s" % (time.monotonic() - started), flush=True)
    if len(sys.argv) > 1:
        os.chdir(ROOT)
        os.execve(VENV_PYTHON, [VENV_PYTHON, "-m", "local"] + sys.argv[1:], clean_environment())


if __name__ == "__main__":
    main()
