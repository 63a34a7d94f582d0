#!/usr/bin/env python3
"""Stands between Lambda and a function's real binary, and lets it fail where a rule says so.

Packed as `bootstrap` beside the deployed binary, `bootstrap.real`, which is started with two proxies on loopback:

- of Lambda's runtime API: a rule kills the binary before it sees an event, some time into it, or after it answered
  (the effects are there, the answer is not), or lets an event wait;
- of AWS itself: a rule fails a request before it is sent or after it took effect, or kills the binary there.

`faults.json` beside it says `function` (its name without the vault's prefix) and `rules` (a directory). Rules are
JSON files there, read at every event and request; each names the function and texts that the event must hold (a job's id first), so
that other jobs pass unharmed. Each time a rule is carried out, it leaves a file `<rule>.marks/<n>.fired`: whoever made
the rule counts them; they hold the event. Standard library only.
"""

import ctypes
import http.client
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

HERE = Path(__file__).resolve().parent
SETTINGS = json.loads((HERE / "faults.json").read_text())
RULES = Path(SETTINGS["rules"])
PR_SET_PDEATHSIG = 1
ANSWER = re.compile(r"/runtime/invocation/[^/]+/response$")
# Headers of one connection, which a proxy does not pass on.
HOP = {"connection", "keep-alive", "transfer-encoding", "expect", "content-length"}


class Claims:
    """The marks that a rule leaves: a file each, numbered, so that concurrent environments share one count."""

    def __init__(self, rule: dict) -> None:
        self.rule = rule
        self.directory = RULES / f"{rule['id']}.marks"

    def next(self) -> int:
        """Take the next number; nobody else gets it."""
        number = len(list(self.directory.glob("*.seen")))
        while True:
            try:
                os.close(os.open(self.directory / f"{number}.seen", os.O_CREAT | os.O_EXCL))
                return number
            except FileExistsError:
                number += 1

    def applies(self) -> bool:
        """Whether the rule applies this time; if so, it has left its mark."""
        number = self.next()
        times = self.rule["times"]
        fires = times is None or number < times
        if fires:
            mark = self.directory / f"{number}.partial"
            mark.write_text(RUN.event)
            mark.rename(self.directory / f"{number}.fired")
        return fires


class Run:
    """The real binary, and the event that it is about."""

    def __init__(self) -> None:
        self.process: subprocess.Popen | None = None
        self.event = ""
        self.generation = 0

    def start(self, environment: dict) -> None:
        """Start the binary in a group of its own; it ends with this process."""
        libc = ctypes.CDLL(None)

        def die_with_the_wrapper() -> None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

        self.process = subprocess.Popen(
            [str(HERE / "bootstrap.real")],
            env=environment,
            start_new_session=True,
            preexec_fn=die_with_the_wrapper,  # noqa: PLW1509  no thread has been started yet
        )

    def begin(self, event: bytes) -> None:
        """A new event."""
        # Compact, however Lambda wrote it.
        self.event = json.dumps(json.loads(event), separators=(",", ":")) if event else ""
        self.generation += 1

    def end(self) -> None:
        """The event was answered."""
        self.event = ""
        self.generation += 1

    def rules(self) -> list[dict]:
        """The rules about the event, as they are now."""
        return [rule for rule in rules() if all(part in self.event for part in rule["match"])]

    def kill(self, rule: dict) -> None:
        """End the binary with its children as the kernel would, and this process with it."""
        note(rule)
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        os._exit(137)


RUN = Run()


def note(rule: dict) -> None:
    """Tell the function's log."""
    print(json.dumps({"level": "WARN", "message": "fault injected", "rule": rule}), flush=True)


def rules() -> list[dict]:
    """The rules that are about this function."""
    found = []
    for path in sorted(RULES.glob("*.json")):
        try:
            rule = json.loads(path.read_text())
        except FileNotFoundError:
            continue  # Its maker has just taken it away.
        if rule["function"] == SETTINGS["function"]:
            found.append(rule)
    return found


class Proxy(http.server.BaseHTTPRequestHandler):
    """Passes requests on, with their Host, which is signed."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    upstream = ""

    def log_message(self, *_arguments) -> None:
        """Say nothing: the log is the function's."""

    def body(self) -> bytes:
        """The request's body."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def forward(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        """Send the request to where it belongs and read the answer."""
        connection = http.client.HTTPConnection(self.upstream)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP:
                    connection.putheader(name, value)
            if body or self.command in ("POST", "PUT"):
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def answer(self, response: http.client.HTTPResponse, body: bytes) -> None:
        """Hand an answer back."""
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in HOP:
                self.send_header(name, value)
        # The answer to HEAD speaks of a body that does not come.
        length = response.getheader("Content-Length", "0") if self.command == "HEAD" else str(len(body))
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(body)

    def handle_one_request(self) -> None:
        """As inherited; a peer that is gone is no news."""
        try:
            super().handle_one_request()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True


class RuntimeProxy(Proxy):
    """Lambda's runtime API."""

    upstream = os.environ["AWS_LAMBDA_RUNTIME_API"]

    def do_GET(self) -> None:
        """The next event."""
        response, event = self.forward(b"")
        RUN.begin(event)
        for rule in RUN.rules():
            kill = rule.get("kill")
            if kill == "before" and Claims(rule).applies():
                RUN.kill(rule)
            elif "delay_ms" in rule and Claims(rule).applies():
                time.sleep(rule["delay_ms"] / 1000)
            elif isinstance(kill, dict):
                arguments = (rule, RUN.generation, kill["during"]["after_ms"] / 1000)
                threading.Thread(target=self.kill_later, args=arguments, daemon=True).start()
        self.answer(response, event)

    def do_POST(self) -> None:
        """An answer, or an error."""
        body = self.body()
        if ANSWER.search(urlsplit(self.path).path):
            for rule in RUN.rules():
                if rule.get("kill") == "after" and Claims(rule).applies():
                    RUN.kill(rule)
        RUN.end()
        self.answer(*self.forward(body))

    @staticmethod
    def kill_later(rule: dict, generation: int, seconds: float) -> None:
        """Kill in the middle of an event, unless it is over by then."""
        time.sleep(seconds)
        if RUN.generation == generation and Claims(rule).applies():
            RUN.kill(rule)


class AwsProxy(Proxy):
    """AWS, as the function's environment names it."""

    upstream = urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc

    def operation(self) -> str:
        """The request as `service:Operation`."""
        target = self.headers.get("X-Amz-Target")
        scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", self.headers.get("Authorization", ""))
        service = scope[1] if scope else "unknown"
        if target:
            return f"{service}:{target.rsplit('.', 1)[-1]}"
        verb = {"PUT": "PutObject", "GET": "GetObject", "HEAD": "HeadObject"}.get(self.command, self.command)
        return f"{service}:{verb}"

    def rule(self) -> dict | None:
        """The rule that fails this request, if one does."""
        for rule in RUN.rules():
            wanted = rule.get("request")
            if wanted is None or wanted["operation"] != self.operation():
                continue
            if wanted["path"] in unquote(self.path) and Claims(rule).applies():
                return rule
        return None

    def handle_any(self) -> None:
        """Pass the request on, or fail it."""
        body = self.body()
        rule = self.rule()
        if rule is None:
            self.answer(*self.forward(body))
            return
        if rule["request"]["when"] == "after":
            self.forward(body)
        how = rule["request"]["how"]
        if how == "kill":
            RUN.kill(rule)
        note(rule)
        if how == "unavailable":
            self.send_response_only(503, "Service Unavailable")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_any


def serve(handler: type[Proxy]) -> http.server.ThreadingHTTPServer:
    """A server on a free port of loopback, not yet answering."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    return server


def main() -> int:
    """Run the binary until it ends, and end as it did."""
    runtime, aws = serve(RuntimeProxy), serve(AwsProxy)
    environment = {
        **os.environ,
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{runtime.server_address[1]}",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{aws.server_address[1]}",
    }
    RUN.start(environment)
    for server in (runtime, aws):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    status = RUN.process.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
