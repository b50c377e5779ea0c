#!/usr/bin/env python3
"""Measures Althing beside the limits of this machine and beside its peers, and writes
docs/performance.md and docs/performance-curve.svg.

    python3 benches/run.py                  everything up to a million entries: about ten minutes
    python3 benches/run.py --quick          small sizes, a minute once it is built: prints, writes no document
    python3 benches/run.py --ten-million    ten million entries alone, once: half an hour, 20 GB of disk
    python3 benches/run.py --render         writes the documents again from benches/results.json

Needs Rust, Python 3, OpenSSL's command line and coreutils. Python's packages go into an environment of
their own, target/bench/venv. What is missing becomes a row that says so.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import report
from events import line

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "bench"
PEERS = ROOT / "benches" / "peers"
RESULTS = ROOT / "benches" / "results.json"
PACKAGES = ["cryptography==50.0.2", "eventsourcing==9.4.6", "pqc-ai-governance==0.1.0",
            "pqc-audit-log-fs==0.1.0"]
ALTHING = ROOT / "target" / "release" / "althing"
TEN_MILLION = 10_000_000
# Not the user's keys, ledgers or memory.
SURROUNDINGS = {**os.environ, "ALTHING_KEYS": str(WORK / "keys"), "ALTHING_STATE": str(WORK / "state"),
                "CRITERION_HOME": str(WORK / "criterion")}


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def run(command, source=None):
    """Runs a program: wall time, processor time, peak memory in bytes, output."""
    command = [str(word) for word in command]
    clock = WORK / "time"
    if Path("/usr/bin/time").exists():
        # A child of Python would be charged with Python's own memory.
        command = ["/usr/bin/time", "-o", str(clock), "-f", "%U %S %M", *command]
    with open(source or os.devnull, "rb") as stdin:
        start = time.perf_counter()
        done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, env=SURROUNDINGS)
        seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[-6:])}: {done.stderr.strip()[-300:]}")
    user, system, peak = clock.read_text().split()[-3:] if clock.exists() else ("nan",) * 3
    return {"seconds": seconds, "cpu": float(user) + float(system), "peak": float(peak) * 1024,
            "out": done.stdout}


def answer(command, source=None):
    """The line of JSON that one of our own programs prints."""
    return json.loads(run(command, source)["out"].strip().splitlines()[-1])


def clean_up():
    for name in ["ledgers", "files", "keys", "state"]:
        shutil.rmtree(WORK / name, ignore_errors=True)


def median(values):
    return statistics.median(values)


def in_turns(contestants, rounds):
    """Each contestant once a round, so that all of them meet the same disturbances. A contestant is a
    function that returns its seconds, and how many rounds it takes part in at most."""
    seconds = {name: [] for name in contestants}
    for number in range(rounds):
        for name, (work, most) in contestants.items():
            if number >= most:
                continue
            try:
                seconds[name].append(work())
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                say(f"  {name}: {error}")
    return {name: median(them) if them else None for name, them in seconds.items()}


class Bench:
    def __init__(self, options):
        self.sizes = sorted([1_000, 10_000] if options.quick else options.sizes)
        self.quick = options.quick
        self.rounds = 3 if options.quick else 5
        self.python = WORK / "venv" / "bin" / "python"
        self.ledgers = {}
        self.results = {"sizes": self.sizes, "quick": options.quick}

    def scaled(self, number):
        return max(number // 10, 20) if self.quick else number

    def prepare(self):
        say("building")
        built = subprocess.run(["cargo", "bench", "--no-run", "--message-format=json"], cwd=ROOT,
                               check=True, stdout=subprocess.PIPE, text=True)
        programs = {}
        for message in map(json.loads, built.stdout.splitlines()):
            if message.get("executable") and "bench" in message["target"]["kind"]:
                programs[message["target"]["name"]] = message["executable"]
        # Last, because `cargo bench` builds the program with what only tests need.
        subprocess.run(["cargo", "build", "--release"], cwd=ROOT, check=True)
        self.workload, self.in_process = programs["workload"], programs["in_process"]
        if not self.python.exists():
            say("making a Python environment")
            subprocess.run([sys.executable, "-m", "venv", WORK / "venv"], check=True)
        missing = [package for package in PACKAGES if subprocess.run(
            [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package],
            stderr=subprocess.DEVNULL).returncode]
        for package in missing:
            say(f"  {package} is not installed")
        clean_up()
        for name in ["ledgers", "files"]:
            (WORK / name).mkdir(parents=True)

    def machine(self):
        def first(command):
            try:
                return subprocess.run(command, capture_output=True, text=True).stdout.split("\n")[0]
            except OSError:
                return "not installed"
        info = Path("/proc/cpuinfo")
        cpu = info.read_text() if info.exists() else ""
        names = [row.split(":")[1].strip() for row in cpu.splitlines() if row.startswith("model name")]
        return {"cpu": names[0] if names else os.uname().machine, "cores": os.cpu_count(),
                "system": " ".join(os.uname()[i] for i in (0, 2)), "load": os.getloadavg()[0],
                "rust": first(["rustc", "--version"]), "openssl": first(["openssl", "version"]),
                "python": sys.version.split()[0]}

    def althing(self, ledger, *words, source=None):
        return run([ALTHING, "--ledger", ledger, "--json", *words], source)

    def founded(self, name):
        """A ledger with one node, which has authorized the model."""
        ledger = WORK / "ledgers" / name
        if not (WORK / "keys").exists():
            run([ALTHING, "key", "new", "clinic"])
        self.althing(ledger, "init", "--name", name, "--founder", "clinic")
        opened = self.althing(ledger, "propose", "authorize-model", "did:example:triage",
                              "--title", "Triage", "--as", "clinic")
        proposal = json.loads(opened["out"])["proposal_id"]
        self.althing(ledger, "vote", proposal, "approve", "--as", "clinic")
        return ledger

    def peer(self, name, *words):
        """Seconds of a peer's work; its own clock, without the start of Python."""
        return answer([self.python, PEERS / name, *words])

    def bulk(self, size):
        """`predict record` of `size` lines beside the chain in Python."""
        lines = WORK / "files" / f"{size}.jsonl"
        with open(lines, "w") as file:
            file.writelines(line(number) for number in range(size))
        chain, peaks = WORK / "files" / f"{size}.chain", []

        def predict():
            if size in self.ledgers:
                shutil.rmtree(self.ledgers[size])
            # Never the same name again: Althing notices when another ledger takes a path.
            ledger = self.ledgers[size] = self.founded(f"{size}-{len(peaks)}")
            done = self.althing(ledger, "predict", "record", source=lines)
            peaks.append(done["peak"])
            return done["seconds"]

        def python(*words):
            chain.unlink(missing_ok=True)
            return self.peer("chain.py", "append", chain, size, *words)["seconds"]

        large = size >= 1_000_000
        most = 1 if size > 1_000_000 else 2 if large else self.rounds
        found = in_turns({
            "althing": (predict, 1 if size > 1_000_000 else 3),
            "python, from lines": (lambda: python("--input", lines), most),
            "python": (python, most),
        }, self.rounds)
        lines.unlink()
        return {**found, "peak": median(peaks)}

    def replay(self, size):
        """The whole history from its first line, beside whoever only hashes the same bytes."""
        ledger = self.ledgers[size]
        segments = sorted((ledger / "ledger").glob("*.jsonl"))
        chain, table = WORK / "files" / f"{size}.chain", WORK / "files" / f"{size}.sqlite"
        peaks, cpus = [], []

        def replayed():
            done = self.althing(ledger, "--no-snapshot", "replay")
            peaks.append(done["peak"])
            cpus.append(done["cpu"])
            return done["seconds"]

        contestants = {
            "althing": (replayed, self.rounds),
            "openssl": (lambda: run(["openssl", "dgst", "-sha256", *segments])["seconds"], self.rounds),
            "sha256sum": (lambda: run(["sha256sum", *segments])["seconds"], self.rounds),
            "python": (lambda: self.peer("chain.py", "verify", chain)["seconds"],
                       1 if size >= 1_000_000 else 2),
        }
        if size <= 1_000_000:
            self.peer("sqlite_chain.py", "fill", table, size)
            contestants["sqlite"] = (
                lambda: self.peer("sqlite_chain.py", "verify", table)["seconds"], 3)
        found = in_turns(contestants, self.rounds)
        for file in [chain, table]:
            file.unlink(missing_ok=True)
        return {**found, "peak": median(peaks), "cpu": median(cpus),
                "bytes": sum(segment.stat().st_size for segment in segments)}

    def snapshot(self, size):
        """Start-up with a snapshot and a thousand entries behind it."""
        ledger = self.ledgers[size]
        self.althing(ledger, "snapshot", "create")
        tail = WORK / "files" / "tail"
        tail.write_text("".join(line(number) for number in range(1_000)))
        self.althing(ledger, "--no-snapshot", "predict", "record", source=tail)
        runs = [self.althing(ledger, "node", "list") for _ in range(3 * self.rounds)]
        return {"seconds": median([it["seconds"] for it in runs]),
                "peak": median([it["peak"] for it in runs])}

    def ballots(self):
        """Signed ballots: the audit replay beside the bare verification of the same signatures."""
        found = {}
        for count in [self.scaled(2_000), self.scaled(10_000)]:
            ledger = WORK / "ledgers" / f"ballots-{count}"
            written = answer([self.workload, "ballots", ledger, count])
            runs = [self.althing(ledger, "--no-snapshot", "replay") for _ in range(self.rounds)]
            unsigned = [self.althing(ledger, "--no-snapshot", "replay", "--no-signatures")
                        for _ in range(3)]
            found = {"before": found, **written, "peak": median([it["peak"] for it in runs]),
                     "seconds": median([it["seconds"] for it in runs]),
                     "cpu": median([it["cpu"] for it in runs]),
                     "unsigned": median([it["seconds"] for it in unsigned])}
        raw = answer([self.workload, "verify", ledger, self.rounds])
        return {**found, "signatures": raw["signatures"],
                "one_thread": median(raw["one_thread"]), "two_threads": median(raw["two_threads"])}

    def appends(self):
        """Durable appends. SQLite and the bare writes use the same disk at nearly the same time."""
        once, rounds = self.scaled(4_000), self.scaled(200)
        found = answer([self.workload, "appends", WORK / "files", once, rounds])
        result = {key: median(found[key]) for key in
                  ["bare_one", "node_one", "bare_groups", "node_groups"]}
        result["group_ratio"] = median([bare / node for bare, node in
                                        zip(found["bare_groups"], found["node_groups"])])
        each = found["appenders"] * found["each"]
        result.update(line_bytes=found["line_bytes"], appenders=found["appenders"],
                      bare_groups=result["bare_groups"] / each, node_groups=result["node_groups"] / each)
        count = self.scaled(10_000)

        def fresh(script, *words):
            path = WORK / "files" / "fresh"
            for leftover in path.parent.glob("fresh*"):
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
            return self.peer(script, *words[:1], path, *words[1:])["seconds"] / count

        rows = in_turns({
            "sqlite": (lambda: fresh("sqlite_chain.py", "append", count), 3),
            "python_fsync": (lambda: fresh("chain.py", "append", count, "--fsync"), 3),
        }, 3)
        return {**result, **rows, "count": count}

    def peers(self):
        """Peers whose events have forms of their own."""
        count = self.scaled(10_000)
        found = {"count": count}
        for name, script in [("eventsourcing", "event_sourcing.py"), ("audit_log", "audit_log_fs.py")]:
            try:
                found[name] = self.peer(script, WORK / "files" / name, count)
            except RuntimeError as error:
                say(f"  {error}")
                found[name] = None
        return found

    def rounds_of_voting(self):
        """A proposal, 20 ballots, the decision; in memory, signatures included."""
        count = 10 if self.quick else 60
        found = {"althing": median(answer([self.workload, "rounds", count])["seconds"])}
        for name, words in [("python", [count, "--ml-dsa"]), ("python_as_installed", [count])]:
            try:
                done = self.peer("governance.py", *words)
                found[name] = {**done, "seconds": median(done["seconds"])}
            except RuntimeError as error:
                say(f"  {error}")
                found[name] = None
        return found

    def rules(self):
        """Medians in nanoseconds of what is measured in process."""
        seconds = "0.5" if self.quick else "2"
        run([self.in_process, "--bench", "--noplot", "--warm-up-time", "0.5", "--measurement-time",
             seconds])
        return {file.parent.parent.name: json.loads(file.read_text())["median"]["point_estimate"]
                for file in sorted((WORK / "criterion").glob("*/new/estimates.json"))}

    def measure(self):
        steps = [("machine", self.machine), ("rules", self.rules), ("appends", self.appends),
                 ("rounds", self.rounds_of_voting), ("peers", self.peers), ("ballots", self.ballots)]
        for name, step in steps:
            say(name)
            self.results[name] = self.attempt(step)
        for size in self.sizes:
            for name, found in self.measure_size(size).items():
                self.results.setdefault(name, {})[str(size)] = found

    def measure_size(self, size):
        """What depends on how many entries there are."""
        found = {}
        for name, step in [("bulk", self.bulk), ("replay", self.replay), ("snapshot", self.snapshot)]:
            say(f"{name} of {size:,} entries")
            found[name] = self.attempt(step, size)
        shutil.rmtree(self.ledgers.get(size, WORK / "ledgers" / "none"), ignore_errors=True)
        return found

    @staticmethod
    def attempt(step, *words):
        """One part that fails leaves the others to be measured."""
        try:
            return step(*words)
        except (RuntimeError, OSError, KeyError, ValueError, subprocess.SubprocessError) as error:
            say(f"  failed: {error!r}")
            return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--quick", action="store_true", help="small sizes; print, write no document")
    ways.add_argument("--ten-million", action="store_true",
                      help="ten million entries alone; later runs keep what it finds")
    ways.add_argument("--render", action="store_true", help="only write the documents again")
    parser.add_argument("--sizes", type=lambda them: [int(size) for size in them.split(",")],
                        default=[10_000, 100_000, 1_000_000], help="other sizes, with commas")
    options = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    os.chdir(WORK)
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if options.render:
        results = kept
    else:
        start = time.monotonic()
        bench = Bench(options)
        try:
            bench.prepare()
            if options.ten_million:
                found = {"machine": bench.machine(), **bench.measure_size(TEN_MILLION)}
            else:
                bench.measure()
                found = bench.results
        finally:
            clean_up()
        found["minutes"] = (time.monotonic() - start) / 60
        say(f"done after {found['minutes']:.1f} minutes")
        # The long run is seldom made: what it found stays beside what a shorter one finds.
        results = {**kept, "ten_million": found} if options.ten_million else \
            {**found, "ten_million": kept.get("ten_million")}
    print("\n\n".join(report.tables(results).values()))
    if not options.quick:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        report.write(results, ROOT / "docs")


if __name__ == "__main__":
    main()
