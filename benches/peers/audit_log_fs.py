"""`pqc-audit-log-fs`: one fsync an event, a signed header for each 10,000 events.

    audit_log_fs.py DIR COUNT

Prints one line of JSON. Its events have members of their own; what does not fit goes into `metadata`.
As installed it signs the headers with Ed25519.
"""

import json
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from events import content, MODEL  # noqa: E402


def main():
    path, count = sys.argv[1], int(sys.argv[2])
    warnings.simplefilter("ignore")
    from pqc_audit_log_fs.appender import LogAppender
    from pqc_audit_log_fs.event import InferenceEvent
    from pqc_audit_log_fs.reader import LogReader
    from quantumshield.identity.agent import AgentIdentity

    appender = LogAppender(path, AgentIdentity.create("recorder"))
    start = time.perf_counter()
    for number in range(count):
        data = content(number)
        appender.append(InferenceEvent.create(
            model_did=MODEL, model_version=data["model_version"],
            input_bytes=data["input_digest"].encode(), output_bytes=b"0.9312",
            metadata={"request_id": data["request_id"], "duration_ms": 12}))
    appender.close()
    appended = time.perf_counter() - start
    start = time.perf_counter()
    fine, errors = LogReader(path).verify_chain()
    seconds = time.perf_counter() - start
    if not fine:
        raise SystemExit(errors)
    print(json.dumps({"events": count, "append_seconds": appended, "verify_seconds": seconds}))


if __name__ == "__main__":
    main()
