#!/usr/bin/env python3
"""Workers whose predictions are audited, with nothing but Python's standard library.

    export ALTHING_URL=http://127.0.0.1:8460 ALTHING_TOKEN=althing_...
    python3 examples/audited_predictions.py

`record` returns when the prediction is on disk. Sent again under the same key, after a time-out say, it is
recorded once. `verdict` names the grant in force, or says "unauthorized".
"""

import json
import os
import urllib.request
import uuid
from concurrent.futures import ProcessPoolExecutor


def record(**prediction):
    headers = {"Authorization": "Bearer " + os.environ["ALTHING_TOKEN"], "Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    request = urllib.request.Request(os.environ["ALTHING_URL"] + "/v1/predictions", json.dumps(prediction).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["results"][0]


def worker(age):
    """Stands for a model."""
    confidence = 1 / (1 + age / 50)
    return record(
        model="did:example:triage",
        model_version="1.2",
        input={"age": age},
        output_summary={"confidence": confidence},
    )


if __name__ == "__main__":
    with ProcessPoolExecutor(4) as workers:
        for result in workers.map(worker, range(20, 28)):
            print(result["entry"], result["verdict"])
