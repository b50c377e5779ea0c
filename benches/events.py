"""The events that every contestant records: the same content, about 570 bytes each in a ledger."""

import hashlib

MODEL = "did:example:triage"


def content(number):
    """A prediction as a dictionary, as a program would hand it over."""
    return {
        "duration_ms": 12,
        "input_digest": hashlib.sha256(number.to_bytes(8, "little")).hexdigest(),
        "model": MODEL,
        "model_version": "2026-05",
        "output_summary": {"mean_confidence": 0.9312},
        "recorder": "worker-3",
        "request_id": f"request-{number:08}",
    }


def line(number):
    """The same as a line of JSON, written out by hand because there are millions of them."""
    digest = hashlib.sha256(number.to_bytes(8, "little")).hexdigest()
    return (
        f'{{"duration_ms":12,"input_digest":"{digest}","model":"{MODEL}",'
        f'"model_version":"2026-05","output_summary":{{"mean_confidence":0.9312}},'
        f'"recorder":"worker-3","request_id":"request-{number:08}"}}\n'
    )
