#!/usr/bin/env python3
"""Checks the hashes of a receipt without Althing: Python 3.8 or later, its standard library, no more.

usage: receipt.py [--json] [--origin HASH] RECEIPT...

Checked are the form of the file, the hash of every entry, its place in the tree under the checkpoint, that
the first entries found the ledger that the checkpoint names, that the grant is there, and where the receipt
says that it was live, its place under the recorded root over the live grants. HASH is the hash of the
ledger's last genesis entry, known beforehand. NOT checked are signatures, the count of the ballots, and that
no entry was left out: all of that takes `althing receipt verify`, and without it nothing is decided.
Exit codes: 0 the hashes hold, 10 an entry was changed, 12 something does not match or no HASH was given,
13 the founding is incomplete, 1 unreadable or no receipt, 2 usage.
"""
import base64, hashlib, json, re, sys

MAX_RECEIPT, MAX_ENTRIES, MAX_LINE, MAX_PATH, MAX_INTEGER = 64 << 20, 100_000, 1 << 20, 53, 2**53 - 1
EXITS = {"receipt.malformed": 1, "file.io": 1, "chain.hash": 10, "line.malformed": 10, "line.data": 10,
         "replay.genesis": 13}  # Everything else: 12.
HASH, NUMBER = "[0-9a-f]{64}", "[1-9][0-9]{0,15}"
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
NOTE = re.compile(f"althing/v1/({HASH})/({HASH})\n({NUMBER})\n([A-Za-z0-9+/]{{43}}=)\n\n"
                  "(\u2014 [^ +\n]+ [A-Za-z0-9+/]+={0,2}\n)*")
LINE = re.compile(fr'\{{"v":1,"seq":({NUMBER}),"batch":\[({NUMBER}),({NUMBER})\],"timestamp":"[0-9TZ:.-]{{27}}",'
                  fr'"operation":"([a-z_]{{1,64}})","data":(\{{.*\}}),"prev_hash":"{HASH}","entry_hash":"({HASH})"\}}')

def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()

class Refused(Exception):
    """With the code of what does not hold."""

def require(holds, code):
    if not holds:
        raise Refused(code)

def root_over(leaf, index, size, path):
    """The root that an inclusion proof of RFC 6962 gives for the data of a leaf; None where it is none."""
    if not 0 <= index < size <= MAX_INTEGER:
        return None
    node, last = sha256(b"\0", leaf), size - 1
    for other in map(bytes.fromhex, path):
        if last == 0:
            return None
        if index & 1 or index == last:
            node = sha256(b"\1", other, node)
            while not index & 1 and index:  # A last node without a sibling moves up as it is.
                index, last = index >> 1, last >> 1
        else:
            node = sha256(b"\1", node, other)
        index, last = index >> 1, last >> 1
    return node if last == 0 else None

def is_path(path):
    return type(path) is list and len(path) <= MAX_PATH and all(
        type(hash) is str and re.fullmatch(HASH, hash) for hash in path)

def parse(data):
    """The receipt and what its checkpoint says, if the file has the one form of a receipt."""
    text = data.decode()
    receipt = json.loads(text)
    # RFC 8785; the names are plain, so that any order of characters is the right one.
    canonical = json.dumps(receipt, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"
    entries, live = receipt["entries"], receipt.get("live", {"index": 0, "path": []})
    note = NOTE.fullmatch(receipt["checkpoint"])
    root = base64.b64decode(note[4])
    require(len(data) <= MAX_RECEIPT and text == canonical and receipt["format"] == "althing/receipt/v1"
            and set(receipt) - {"live"} == {"checkpoint", "entries", "format", "grant"}
            and re.fullmatch(UUID, receipt["grant"]) and type(entries) is list and len(entries) <= MAX_ENTRIES
            and all(set(entry) == {"line", "path"} and is_path(entry["path"]) and type(entry["line"]) is str
                    and len(entry["line"].encode()) <= MAX_LINE for entry in entries)
            and set(live) == {"index", "path"} and is_path(live["path"])
            and type(live["index"]) is int and 0 <= live["index"] <= MAX_INTEGER
            and int(note[3]) <= MAX_INTEGER and base64.b64encode(root).decode() == note[4], "receipt.malformed")
    return receipt, note, root

def read(line, previous, path, size, root):
    """What stands in an entry, if it has its own hash and its place in the tree."""
    stated = re.fullmatch(f',"entry_hash":"({HASH})"}}', line[-81:])
    computed = sha256(line.encode()[:-81])
    require(not stated or stated[1] == computed.hex(), "chain.hash")
    entry = LINE.fullmatch(line)
    require(entry, "line.malformed")
    require(int(entry[1]) > previous, "receipt.order")
    require(root_over(computed, int(entry[1]) - 1, size, path) == root, "receipt.inclusion")
    return entry

def check(receipt, note, root, origin, report):
    ledger, genesis, size = note[1], note[2], int(note[3])
    lines, previous = [], 0
    for number, entry in enumerate(receipt["entries"], 1):
        report["entry"] = number
        lines.append(read(entry["line"], previous, entry["path"], size, root))
        previous = int(lines[-1][1])
    report.pop("entry", None)
    # The first batch founds the ledger. Its statement makes the ledger's id, its last entry the origin.
    count = int(lines[0][3]) if lines else 0
    founding = [(int(line[1]), int(line[2]), int(line[3])) for line in lines[:count]]
    require(count and founding == [(i, i, count) for i in range(1, count + 1)], "replay.genesis")
    statement = lines[0][5][len('{"statement":'):-1]
    require(sha256(statement.encode()).hex() == ledger and lines[count - 1][6] == genesis, "receipt.other-ledger")
    granted = [line[5] for line in lines if line[4] == "authorization_granted"
               and json.loads(line[5])["grant_id"] == receipt["grant"]]
    require(len(granted) == 1, "receipt.no-grant")
    if "live" in receipt:
        records = [json.loads(line[5]) for line in lines if line[4] == "checkpoint_recorded"]
        live = receipt["live"]
        require(len(records) == 1 and root_over(
            granted[0].encode(), live["index"], records[0]["live_grants"], live["path"]
        ) == bytes.fromhex(records[0]["grants_root"]), "receipt.liveness")
    require(origin is not None, "receipt.no-pin")
    require(origin == genesis, "receipt.other-ledger")

def verify(path, origin):
    with open(path, "rb") as file:
        data = file.read(MAX_RECEIPT + 1)
    report, fallback = {"ok": False, "code": None}, "receipt.malformed"
    try:
        receipt, note, root = parse(data)
        report.update(grant=receipt["grant"], genesis=note[2], size=int(note[3]), root=root.hex(),
                      entries=len(receipt["entries"]), live="live" in receipt)
        fallback = "line.data"
        check(receipt, note, root, origin, report)
        report["ok"] = True
    except Refused as problem:
        report["code"] = problem.args[0]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        report["code"] = fallback
    return report

def main(arguments):
    as_json, worst = "--json" in arguments, 0
    rest = [argument for argument in arguments if argument != "--json"]
    origin, rest = (rest[1], rest[2:]) if rest[:1] == ["--origin"] and len(rest) > 1 else (None, rest)
    if not rest or rest[0].startswith("-") or origin and not re.fullmatch(HASH, origin):
        return print(__doc__, file=sys.stderr) or 2
    for path in rest:
        try:
            report = verify(path, origin)
        except OSError as error:
            report = {"ok": False, "code": "file.io", "error": str(error)}
        text = "".join("\n  %-8s %s" % pair for pair in report.items())
        print(json.dumps(report) if as_json else path + ":" + text)
        worst = max(worst, 0 if report["ok"] else EXITS.get(report["code"], 12))
    if not as_json:
        print("Not checked: signatures, ballots, and that no entry was left out. See `althing receipt verify`.")
    return worst

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
