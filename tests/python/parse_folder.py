"""Reads every mail of a folder with Python's email package and prints them as
one JSON object, by file name.

The package is the second opinion on what posthaste composes. What it gets wrong
itself is worked around here, each time with the name of its bug.
"""

import base64
import email
import json
import re
import sys
from email import policy
from email.errors import NonASCIILocalPartDefect
from email.header import decode_header, make_header
from email.utils import getaddresses
from pathlib import Path

BASE_FIELDS = [
    "date", "from", "sender", "reply-to", "to", "cc", "bcc", "message-id",
    "in-reply-to", "references", "subject", "list-unsubscribe",
    "list-unsubscribe-post", "mime-version",
]


def text(message, name):
    value = message[name]
    return None if value is None else str(value)


def unspaced(value):
    return value and value.replace(" ", "")


def mailboxes(message, legacy, name):
    if message[name] is None:
        return []
    read = []
    # The parser from before policies, for what the newer one gets wrong.
    pairs = getaddresses([legacy[name]])
    for address, (raw_name, _) in zip(message[name].addresses, pairs, strict=True):
        display_name = address.display_name
        other = str(make_header(decode_header(raw_name))) if raw_name else ""
        # `WhiteSpaceTerminal.value` is one space, whatever the space was, and
        # `get_fws` takes all of Unicode's spaces for one.
        collapsed = re.sub(r"[ \t]\s+", " ", other)
        # gh-128110: before 3.13.2, the space between two encoded words is kept.
        is_old = sys.version_info < (3, 13, 2) and re.search(r"\?=\s+=\?", raw_name)
        read.append([other if is_old or display_name == collapsed else display_name,
                     address.addr_spec])
    return read


def filename(message):
    # `get_filename` strips spaces.
    disposition = message["content-disposition"]
    return None if disposition is None else disposition.params.get("filename")


def part(message, raw):
    if message.is_multipart() and message.get_content_maintype() == "multipart":
        boundary = b"--" + message.get_boundary().encode()
        pieces = raw.split(boundary)[1:-1]
        return {
            "type": message.get_content_type(),
            "root": message.get_param("type"),
            "parts": [part(m, p) for m, p in zip(message.iter_parts(), pieces, strict=True)],
        }
    if message.get_content_maintype() == "message":
        # The package takes it apart and drops the octets. They stand between
        # the empty line and the line end before the next boundary.
        content = raw.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")
    else:
        content = message.get_payload(decode=True)
    return {
        "type": message.get_content_type(),
        "parameters": {k: v for k, v in message["content-type"].params.items()},
        "disposition": message.get_content_disposition(),
        "filename": filename(message),
        "content_id": text(message, "content-id"),
        "content": content,
    }


def defects(message):
    found = [repr(d) for d in message.defects]
    for name, value in message.items():
        found += [
            f"{name}: {d!r}"
            for d in getattr(value, "defects", [])
            # RFC 6531 allows it.
            if not isinstance(d, NonASCIILocalPartDefect)
        ]
    if message.get_content_maintype() != "message":
        for child in message.iter_parts() if message.is_multipart() else []:
            found += defects(child)
    return found


def mail(raw):
    # The bytes parser takes header fields in UTF-8 (RFC 6532) for broken ones;
    # bodies are ASCII.
    header, empty_line, content = raw.decode().partition("\r\n\r\n")
    # gh-124452: before 3.13.1, a field that is folded right after its name
    # keeps a space in front.
    header = re.sub(r"^([!-9;-~]+:)\r\n ", r"\1 ", header, flags=re.MULTILINE)
    source = header + empty_line + content
    message = email.message_from_string(source, policy=policy.default)
    legacy = email.message_from_string(source, policy=policy.compat32)
    body = part(message, raw)
    if "content" in body:
        # The last line of a message ends in CRLF whether or not it did.
        body["content"] = body["content"].removesuffix(b"\r\n")
    return {
        "fields": [n.lower() for n in message.keys() if not n.lower().startswith("content-")],
        "date": int(message["date"].datetime.timestamp()),
        "from": mailboxes(message, legacy, "from"),
        "sender": mailboxes(message, legacy, "sender"),
        "reply_to": mailboxes(message, legacy, "reply-to"),
        "to": mailboxes(message, legacy, "to"),
        "cc": mailboxes(message, legacy, "cc"),
        "message_id": text(message, "message-id"),
        "in_reply_to": text(message, "in-reply-to"),
        "references": text(message, "references"),
        "subject": text(message, "subject"),
        # Space inside the angle brackets means nothing (RFC 2369 section 2).
        "list_unsubscribe": unspaced(text(message, "list-unsubscribe")),
        "list_unsubscribe_post": text(message, "list-unsubscribe-post"),
        "headers": [
            [name, str(value)]
            for name, value in message.items()
            if name.lower() not in BASE_FIELDS and not name.lower().startswith("content-")
        ],
        "body": body,
        "defects": defects(message),
    }


def main():
    mails = {}
    for path in sorted(Path(sys.argv[1]).glob("*.eml")):
        try:
            mails[path.stem] = mail(path.read_bytes())
        except Exception as error:  # The package raises nearly anything.
            mails[path.stem] = {"error": repr(error)}
    json.dump(mails, sys.stdout, default=lambda octets: base64.b64encode(octets).decode())


main()
