#!/usr/bin/env python3
"""Checks the chain of a ledger without Althing: Python 3.8 or later, its standard library, no more.

usage: verify.py [--json] LEDGER...     a ledger's directory, or one file of lines that starts it

Checked are the form of every line, hashes, links, numbers, batches, times and segments. Whether the
signatures verify and the events are legal is not: that takes `althing verify`.
Exit codes: 0 intact (a torn end is a note), 10 broken, 1 unreadable or never founded, 2 usage.
"""
import datetime, hashlib, json, os, re, sys

MAX_LINE, MAX_INTEGER, MAX_DEPTH, NO_HASH = 1 << 20, 2**53 - 1, 32, "0" * 64
POSITION = rb'\{"v":1,"seq":(0|[1-9][0-9]*),"batch":\[(0|[1-9][0-9]*),(0|[1-9][0-9]*)\]'
SHORTEST = b'{"v":1,"seq":1,"batch":[1,1]'
TIME = rb'([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z)'
END = rb',"entry_hash":"([0-9a-f]{64})"\}'
LINE = re.compile(POSITION + rb',"timestamp":"' + TIME + rb'","operation":"([a-z_]{1,64})",'
                  rb'"data":(\{.*\}),"prev_hash":"([0-9a-f]{64})"' + END, re.DOTALL)

Number = type("Number", (str,), {"__doc__": "A number of JSON, as it is written."})

def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()

def merkle_root(nodes):
    """The root of RFC 6962 over the hashes of leaves; a leaf of an entry is sha256(b"\\0", entry hash)."""
    if len(nodes) < 2:
        return nodes[0] if nodes else sha256()
    split = 1 << ((len(nodes) - 1).bit_length() - 1)
    return sha256(b"\1", merkle_root(nodes[:split]), merkle_root(nodes[split:]))

def canonical(value, integers, depth=0):
    """The value as RFC 8785 writes it; its numbers must be safe integers, or stay as they are."""
    if isinstance(value, Number):
        if integers and not (re.fullmatch("0|-?[1-9][0-9]{0,15}", value) and abs(int(value)) <= MAX_INTEGER):
            raise ValueError("number")
        return value
    if not isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False)
    if depth == MAX_DEPTH:
        raise ValueError("depth")
    if isinstance(value, list):
        return "[" + ",".join(canonical(item, integers, depth + 1) for item in value) + "]"
    keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
    members = (canonical(key, integers) + ":" + canonical(value[key], integers, depth + 1) for key in keys)
    return "{" + ",".join(members) + "}"

def position(line):
    """The number, the place and the length of the batch that a line starts with, if they make sense."""
    match = re.match(POSITION, line)
    seq, index, count = (int(number[:17]) for number in match.groups()) if match else (0, 0, 0)
    return (seq, index, count) if 1 <= index <= min(seq, count) <= max(seq, count) <= MAX_INTEGER else None

def follow(line, seq, head, clock, batch):
    """What holds after the next line; a ValueError with its code where it is not what must come."""
    end, match, place = re.fullmatch(END, line[-81:]), LINE.fullmatch(line), position(line)
    expected = (batch[0] + 1, batch[1]) if batch[0] < batch[1] else (1, place and place[2])
    for code, holds in (
            ("line.too-long", lambda: len(line) <= MAX_LINE),
            ("chain.hash", lambda: not end or end[1].decode() == sha256(line[:-81]).hex()),
            ("line.utf8", lambda: line.decode("utf-8", "replace").encode() == line),
            ("line.version", lambda: not re.match(rb'\{"v":(?!1,)(0|[1-9][0-9]{0,15}),', line)),
            ("line.malformed", lambda: match and place and
             datetime.datetime(*map(int, re.findall(b"[0-9]+", match[4]))).year >= 1970),
            ("line.data", lambda: match[6] == canonical(
                json.loads(match[6], parse_int=Number, parse_float=Number, parse_constant=int),
                integers=match[5] != b"prediction_recorded").encode()),
            ("chain.sequence", lambda: place[0] == seq + 1),
            ("chain.link", lambda: match[7].decode() == head),
            ("chain.batch", lambda: place[1:] == expected),
            ("chain.time", lambda: match[4] >= clock)):
        try:
            good = holds()
        except (ValueError, RecursionError):
            good = False
        if not good:
            raise ValueError(code)
    return place[0], match[8].decode(), match[4], place[1:]

def is_torn(rest, complete, seq):
    """Whether a crash can have left these bytes: a line cut short, or unwritten sectors (NUL)."""
    parts, hole, after = re.split(rb"([\n\0])", rest), False, b"\n"
    for piece, end in zip(parts[::2], parts[1::2] + [b""]):
        for start in re.finditer(re.escape(SHORTEST[:13]), piece):  # No line of another batch.
            found = position(piece[start.start():])
            if found and (start.start() or found[0] - found[1] != complete):
                return False
        place, fits = position(piece), not re.search(rb"[\0-\x1f]", piece)
        whole = [m.end() for m in re.finditer(END, piece) if sha256(piece[:m.start()]).hex() == m[1].decode()]
        if after != b"\0" and end == b"\n":
            fits = hole and LINE.fullmatch(piece) and whole and whole[-1] == len(piece)
        elif after != b"\0":
            begins = any(re.match(POSITION, piece + SHORTEST[at:]) for at in range(len(SHORTEST)))
            fits = fits and not any(m < len(piece) for m in whole) and (
                place and (hole or place[0] == seq + 1) or not place and begins)
        if not fits:
            return False
        hole, after = hole or end == b"\0", end
    return True

def verify(path):
    folder, names = os.path.split(path) if os.path.isfile(path) else (path + "/ledger", None)
    names = [names] if names else sorted(n for n in os.listdir(folder) if re.fullmatch(r"[0-9]{20}\.jsonl", n))
    tip, offset, leaves, kept, code = (0, NO_HASH, b"", (1, 1)), 0, [], (0, NO_HASH, 0), None
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            data = file.read()
        start, lines = offset, data.split(b"\n")
        try:
            if folder != os.path.dirname(path) and int(name[:20]) != tip[0] + 1:
                raise ValueError("segment.gap")
            for line in lines[:-1]:
                tip, offset = follow(line, *tip), offset + len(line) + 1
                leaves.append(sha256(b"\0", bytes.fromhex(tip[1])))
                kept = (tip[0], tip[1], offset) if tip[3][0] == tip[3][1] else kept
            if lines[-1] or kept[0] != tip[0]:  # Only the last segment is ever written to.
                raise ValueError("tail.damaged" if name == names[-1] else "segment.incomplete")
        except ValueError as damage:
            code = str(damage)
            if name == names[-1] and code != "segment.gap" and is_torn(data[offset - start:], kept[0], tip[0]):
                code, tip, offset = "tail.torn", kept, kept[2]
            break
    if code in (None, "tail.torn") and not kept[0]:
        raise OSError("no ledger was founded there")
    problems = [{"code": code, "seq": tip[0] + 1, "offset": offset}] if code else []
    return {"ok": code in (None, "tail.torn"), "entries": kept[0], "head": kept[1],
            "merkle_root": merkle_root(leaves[:kept[0]]).hex(), "problems": problems}

def main(arguments):
    paths, worst = [path for path in arguments if path != "--json"], 0
    if not paths or paths[0].startswith("-"):
        return print(__doc__, file=sys.stderr) or 2
    for path in paths:
        try:
            report = verify(path)
        except OSError as error:
            report = {"ok": False, "error": str(error)}
        text = "".join("\n  %-12s %s" % pair for pair in report.items())
        print(json.dumps(report) if "--json" in arguments else path + ":" + text)
        worst = max(worst, 0 if report["ok"] else 1 if "error" in report else 10)
    return worst

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
