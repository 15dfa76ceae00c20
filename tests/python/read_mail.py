"""Prints a mail as JSON, as Python's email package reads it.

The package is the second opinion on what posthaste composes: nothing here
decodes by itself.
"""

import json
import sys
from email import message_from_string, policy
from email.errors import NonASCIILocalPartDefect
from pathlib import Path


def mailboxes(message, name):
    return [
        (address.display_name, address.addr_spec)
        for field in message.get_all(name, [])
        for address in field.addresses
    ]


def leaf(part):
    return {
        "content_type": part.get_content_type(),
        "disposition": part.get_content_disposition(),
        "filename": part.get_filename(),
        "content_id": part["content-id"] and str(part["content-id"]),
        "content": part.get_payload(decode=True).hex(),
    }


def defects(part):
    found = list(part.defects)
    for field in part.values():
        found += getattr(field, "defects", [])
    return [
        f"{part.get_content_type()}: {defect!r}"
        for defect in found
        # RFC 6531 allows it.
        if not isinstance(defect, NonASCIILocalPartDefect)
    ]


def main():
    # From bytes, the package would take header fields in UTF-8 (RFC 6532) for
    # broken ones. Bodies are ASCII in composed mails.
    text = Path(sys.argv[1]).read_bytes().decode()
    message = message_from_string(text, policy=policy.default)
    json.dump(
        {
            "headers": [(name, str(value)) for name, value in message.items()],
            "from": mailboxes(message, "from"),
            "to": mailboxes(message, "to"),
            "cc": mailboxes(message, "cc"),
            "reply_to": mailboxes(message, "reply-to"),
            "parts": [leaf(p) for p in message.walk() if not p.is_multipart()],
            "defects": [d for p in message.walk() for d in defects(p)],
        },
        sys.stdout,
    )


main()
