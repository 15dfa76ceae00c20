"""Does what the README says, and looks whether it comes out as it says.

The demo once; then the demo that stays up, called by the README's Python
program and with the README's grpcurl request (through buf, which
scripts/test has). Needs .tools/ as scripts/test installs it.
"""

import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
ADDRESS = ("127.0.0.1", 50051)
LIMIT = 120
# From nothing, on a machine that does something else as well.
BUILD_LIMIT = 900


def only(pattern):
    found = re.findall(pattern, README, re.DOTALL)
    assert len(found) == 1, f"{len(found)} times in README.md: {pattern}"
    return found[0]


def run(*command, limit=LIMIT, **options):
    print("$", *[str(part)[:60] for part in command], flush=True)
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=limit,
        **options,
    )
    print(done.stdout, flush=True)
    assert done.returncode == 0, f"exit {done.returncode}"
    return done.stdout


def listens():
    with contextlib.suppress(OSError):
        socket.create_connection(ADDRESS, timeout=1).close()
        return True
    return False


@contextlib.contextmanager
def demo(program, folder):
    assert not listens(), f"something else listens on {ADDRESS}"
    with open(folder / "demo.log", "w") as log:
        process = subprocess.Popen([program, "demo"], cwd=folder, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + LIMIT
            while not listens():
                assert process.poll() is None, (folder / "demo.log").read_text()
                assert time.monotonic() < deadline, "the demo does not listen"
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(timeout=LIMIT)


def main():
    run("cargo", "build", "--locked", cwd=ROOT, limit=BUILD_LIMIT)
    program = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug/posthaste"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        said = run(program, "demo", "--once", cwd=folder)
        assert "250" in said, "the demo shows no reply"
        mails = list(folder.rglob("*.eml"))
        assert len(mails) >= 2, f"the demo kept {mails}"

        stubs = [f"--python_out={folder}", f"--grpc_python_out={folder}"]
        protos = sorted((ROOT / "proto/posthaste/v1").glob("*.proto"))
        run(sys.executable, "-m", "grpc_tools.protoc", "-I", ROOT / "proto", *stubs, *protos)
        (folder / "first.py").write_text(only(r"```python\n(.*?)```"))

        with demo(program, folder):
            said = run(sys.executable, folder / "first.py")
            assert re.search(r"^sent: \S+@\S+ 250$", said, re.MULTILINE), "nothing was sent"
            # Beside the README: many mails over one call, from another language.
            stubs_there = {**os.environ, "PYTHONPATH": str(folder)}
            address = "{}:{}".format(*ADDRESS)
            run(sys.executable, ROOT / "tests/python/stream.py", address, env=stubs_there)
            request = only(r"grpcurl -plaintext -d '(\{.*?\n\})' 127")
            url = f"http://{ADDRESS[0]}:{ADDRESS[1]}/posthaste.v1.MailService/SendMail"
            curl = ["curl", "--protocol", "grpc", "--http2-prior-knowledge", "--data", request]
            said = run(ROOT / ".tools/node_modules/.bin/buf", *curl, url)
            assert "messageId" in said, "no answer by reflection"


main()
