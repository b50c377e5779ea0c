#!/usr/bin/env python3
"""Workers whose predictions are audited, with nothing but Python's standard library.

    export ALTHING_URL=http://127.0.0.1:8460 ALTHING_TOKEN=althing_...
    python3 examples/audited_predictions.py

What it takes in a worker are five lines:

    from audited_predictions import audited

    @audited("did:example:triage", "1.2")
    def triage(case):
        return {"confidence": model.predict(case)}

Nobody gets the output before the prediction is on disk. The input is hashed there and not kept. A request
that was not answered is sent again under the same key, and recorded once. Under a policy that refuses
predictions without a grant, the call raises `Refused`.
"""

import functools
import http.client
import json
import os
import time
import urllib.error
import urllib.request
import uuid
from concurrent.futures import ProcessPoolExecutor


class Refused(Exception):
    """The server does not record the prediction: `code` says why."""

    def __init__(self, code, detail):
        super().__init__(code, detail)
        self.code, self.detail = code, detail

    def __str__(self):
        return f"{self.detail} [{self.code}]"


def audited(model, version, patience=60):
    """Records every call of a function from an input (anything JSON) to a dict of names and numbers."""

    def decorate(predict):
        @functools.wraps(predict)
        def recorded(case):
            begun = time.monotonic()
            output = predict(case)
            duration = int(1000 * (time.monotonic() - begun))
            record(patience, model=model, model_version=version, input=case, output_summary=output, duration_ms=duration)
            return output

        return recorded

    return decorate


def record(patience=60, **prediction):
    """The entry and the verdict of a prediction, once it is on disk; tried for `patience` seconds."""
    headers = {
        "Authorization": "Bearer " + os.environ["ALTHING_TOKEN"],
        "Content-Type": "application/json",
        "Idempotency-Key": str(uuid.uuid4()),
    }
    request = urllib.request.Request(os.environ["ALTHING_URL"] + "/v1/predictions", json.dumps(prediction).encode(), headers)
    end, pause = time.monotonic() + patience, 0.1
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)["results"][0]
        except urllib.error.HTTPError as error:
            if error.code not in (408, 429) and error.code < 500:
                problem = json.load(error)
                raise Refused(problem["code"], problem["detail"]) from error
            failure, wait = error, float(error.headers.get("Retry-After") or pause)
        except (OSError, http.client.HTTPException) as error:  # Nobody knows whether it was recorded.
            failure, wait = error, pause
        if time.monotonic() + wait > end:
            raise failure
        time.sleep(wait)
        pause = min(2 * pause, 5)


@audited("did:example:triage", "1.2")
def triage(case):
    """Stands for a model."""
    return {"confidence": 1 / (1 + case["age"] / 50)}


if __name__ == "__main__":
    with ProcessPoolExecutor(4) as workers:
        for output in workers.map(triage, [{"age": age} for age in range(20, 28)]):
            print(output["confidence"])
