"""Python's `eventsourcing` on SQLite: one aggregate with one event a prediction, its default
configuration (WAL, and the database's own synchronous setting).

    event_sourcing.py FILE COUNT

Prints one line of JSON: appending (one durable save an event) and replaying them.
"""

import json
import os
import sqlite3
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from events import content  # noqa: E402


def main():
    path, count = sys.argv[1], int(sys.argv[2])
    os.environ.update(PERSISTENCE_MODULE="eventsourcing.sqlite", SQLITE_DBNAME=path)
    from eventsourcing.application import Application
    from eventsourcing.domain import Aggregate, event

    class Log(Aggregate):
        @event("Started")
        def __init__(self):
            self.count = 0

        @event("Recorded")
        def record(self, data):
            self.count += 1

    application = Application()
    log = Log()
    application.save(log)
    start = time.perf_counter()
    for number in range(count):
        log.record(data=content(number))
        application.save(log)
    appended = time.perf_counter() - start
    start = time.perf_counter()
    replayed = application.repository.get(log.id)
    seconds = time.perf_counter() - start
    if replayed.count != count:
        raise SystemExit("events are missing")
    with sqlite3.connect(path) as connection:
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    print(json.dumps({"events": count, "append_seconds": appended, "replay_seconds": seconds,
                      "journal_mode": mode}))


if __name__ == "__main__":
    main()
