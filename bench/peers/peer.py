"""What the Python peers share: their options, and what they print."""

import argparse
import json
from pathlib import Path


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ca", required=True, help="file with the relay's authority")
    parser.add_argument("--message", required=True, help="file with the message")
    parser.add_argument("--from", dest="sender", required=True)
    parser.add_argument("--to", required=True)
    parser.add_argument("--name", required=True, help="what to say in EHLO")
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--warm-up", type=int, required=True, help="mails on each connection")
    parser.add_argument("--count", type=int, required=True, help="mails on each connection")
    found = parser.parse_args()
    found.message = Path(found.message).read_bytes()
    return found


def report(seconds, times):
    """Prints the time for all mails, and that for each."""
    print(json.dumps({"seconds": seconds, "times_ms": [1000 * time for time in times]}))
