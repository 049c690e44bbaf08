#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the rows of user/proto/redis_specs.c from what a real server says of its commands.

In:  the port of a redis-server. Out: rows on standard output, sorted by name."""
import sys

import redis

WORDS = {"SELECT", "CLIENT REPLY"}  # their last argument changes what the parser does


def row(name, first, last, step, specs, subcommands=()):
    """Key positions: a range, or a count of keys that stands among the arguments, or the word STREAMS."""
    fields = []
    if first:
        fields.append(f"KEYS({first}, {last}, {step})")
    for spec in specs:
        begin, find = spec[b"begin_search"], spec[b"find_keys"]
        if begin[b"type"] == b"keyword" and begin[b"spec"][b"keyword"] == b"STREAMS":
            fields.append(".streams = true")
        elif begin[b"type"] == b"index" and find[b"type"] == b"keynum":
            fields.append(f".count_at = {begin[b'spec'][b'index']}")
    if subcommands:
        fields.append(".container = true")
    if name in WORDS:
        fields.append(".word = true")
    return f'\t{{ {", ".join([f".name = {chr(34)}{name}{chr(34)}", *fields])} }},'


def upper(name):
    return name.upper().replace("|", " ")


def main():
    commands = redis.Redis(port=int(sys.argv[1]), protocol=3).execute_command("COMMAND")
    rows = {}
    for name, c in commands.items():
        rows[upper(name)] = row(upper(name), c["first_key_pos"], c["last_key_pos"], c["step_count"],
                                c["key_specifications"], c["subcommands"])
        for sub in c["subcommands"]:
            name = upper(sub[0].decode())
            rows[name] = row(name, sub[3], sub[4], sub[5], sub[8])
    print("\n".join(rows[name] for name in sorted(rows)))


if __name__ == "__main__":
    main()
