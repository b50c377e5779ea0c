"""A chained table in SQLite, through Python's own module.

    sqlite_chain.py append FILE COUNT     one durable transaction an event: WAL, synchronous=FULL
    sqlite_chain.py fill FILE COUNT       all events in one transaction
    sqlite_chain.py verify FILE           reads the events in order and hashes them along the chain

Prints one line of JSON. The bytes that are hashed are stored as they are, so that nothing is parsed or
written anew: the fastest way there is.
"""

import hashlib
import json
import sqlite3
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from events import line  # noqa: E402

# The envelope that a line of the ledger has around its content.
HEAD = b'{"v":1,"seq":%d,"batch":[1,1],"timestamp":"2026-05-04T09:30:00.000000Z",' \
       b'"operation":"prediction_recorded","data":%s,"prev_hash":"%s"'


def opened(path):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS events"
                       " (seq INTEGER PRIMARY KEY, body BLOB NOT NULL, hash BLOB NOT NULL)")
    return connection


def rows(count):
    previous = b"0" * 64
    for number in range(count):
        data = line(number).encode()[:-2] + b',"verdict":"3f2a0c52-6d5f-4a37-9f0e-2d7f3a1b5c4d"}'
        body = HEAD % (number + 1, data, previous)
        previous = hashlib.sha256(body).hexdigest().encode()
        yield number + 1, body, previous


def append(path, count):
    connection = opened(path)
    start = time.perf_counter()
    for row in rows(count):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO events VALUES (?, ?, ?)", row)
        connection.execute("COMMIT")
    return time.perf_counter() - start


def fill(path, count):
    connection = opened(path)
    start = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO events VALUES (?, ?, ?)", rows(count))
    connection.execute("COMMIT")
    return time.perf_counter() - start


def verify(path):
    connection = sqlite3.connect(path)
    previous, count = b"0" * 64, 0
    start = time.perf_counter()
    sha256 = hashlib.sha256
    for body, stated in connection.execute("SELECT body, hash FROM events ORDER BY seq"):
        if body[-65:-1] != previous:
            raise SystemExit("the chain is broken")
        previous = sha256(body).hexdigest().encode()
        if previous != stated:
            raise SystemExit("a hash is wrong")
        count += 1
    return count, time.perf_counter() - start


def main():
    work, path = sys.argv[1], sys.argv[2]
    if work == "verify":
        count, seconds = verify(path)
    else:
        count = int(sys.argv[3])
        seconds = {"append": append, "fill": fill}[work](path, count)
    print(json.dumps({"events": count, "seconds": seconds, "sqlite": sqlite3.sqlite_version}))


if __name__ == "__main__":
    main()
