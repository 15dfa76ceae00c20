#!/usr/bin/env python3
"""A filter for OpenSMTPD that refuses messages with the field `X-Refuse: yes`.

See smtpd-filters(7).
"""

import sys

refused = set()


def answer(*fields):
    print("|".join(fields), flush=True)


for line in sys.stdin:
    kind, *fields = line.rstrip("\n").split("|")
    if kind == "config" and fields == ["ready"]:
        answer("register", "filter", "smtp-in", "data-line")
        answer("register", "filter", "smtp-in", "commit")
        answer("register", "ready")
    elif kind == "filter":
        _version, _time, _subsystem, phase, session, token, *rest = fields
        if phase == "data-line":
            text = "|".join(rest)
            if text == "X-Refuse: yes":
                refused.add(session)
            answer("filter-dataline", session, token, text)
        elif session in refused:
            refused.remove(session)
            answer("filter-result", session, token, "reject", "550 5.7.1 not this content")
        else:
            answer("filter-result", session, token, "proceed")
