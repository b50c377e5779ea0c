"""Tables and the curve from the results of benches/run.py."""

import re

import curve

# Shown where a goal is missed.
REASONS = {
    "replay": "the lines are hashed, parsed and applied: see what the time goes into",
    "audit": "AWS-LC takes 70 % of the processor time; reading, hashing, decoding and comparing 5 KB a ballot take the rest",
    "groups": "who waits for a sync is not in the next one, so 64 appenders take two syncs, not one; and 64 threads are woken on two processors",
    "alone": "deciding, encoding and hashing, and a look at the file's length under its name",
    "bulk": "input is parsed, checked, decided, written canonically, hashed for the chain and for the seal, and synced: on two cores",
    "snapshot": "the length of every segment before the snapshot is asked for",
    "tenfold": "",
    "check": "",
    "round": "most of a round is signing and verification, in both",
}


def short(seconds):
    for unit, size in [("s", 1), ("ms", 1e-3), ("µs", 1e-6)]:
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def times(ratio):
    return f"{ratio:.2f} ×" if ratio < 10 else f"{ratio:,.0f} ×"


def ratio_of(one, other):
    return one / other if one and other else None


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def goal_row(work, goal, ratio, holds, reason, shown=None):
    if ratio is None:
        return [work, goal, "not measured", "–"]
    verdict = "met" if holds(ratio) else "**missed**"
    if verdict != "met" and REASONS[reason]:
        verdict += f": {REASONS[reason]}"
    return [work, goal, shown or times(ratio), verdict]


def at_most(limit):
    return lambda ratio: ratio <= limit


def at_least(limit):
    return lambda ratio: ratio >= limit


def goals(results):
    large = largest(results, 1_000_000)
    small = before_it(results, large)
    replay, before = results["replay"][str(large)], results["replay"][str(small)]
    ballots, appends, bulk = results["ballots"], results["appends"], results["bulk"][str(large)]
    work = f"replay of {large:,} predictions, whole process"
    own = replay["althing"]
    rows = [
        goal_row(work, "≤ 1.0 × `openssl dgst -sha256` on the same bytes (1.5 at the least)",
                 ratio_of(own, replay["openssl"]), at_most(1.0), "replay"),
        goal_row(work, "≥ 3 × faster than `sha256sum`",
                 ratio_of(replay["sha256sum"], own), at_least(3), "replay"),
        goal_row(work, "≥ 20 × the Python chain's verification",
                 ratio_of(replay["python"], own), at_least(20), "replay"),
        goal_row(work, "≥ 4 × reading and hashing in SQLite",
                 ratio_of(replay.get("sqlite"), own), at_least(4), "replay"),
    ]
    threads = threads_of(ballots)
    raw = ballots["two_threads"] if threads == 2 else ballots["one_thread"]
    rows.append(goal_row(
        f"audit replay of {ballots['ballots']:,} signed ballots, {count_of(threads)}",
        "≥ 0.9 × the rate of bare AWS-LC verification with as many threads",
        ratio_of(raw, ballots["seconds"]), at_least(0.9), "audit"))
    rows += [
        goal_row("durable appends, 64 appenders at once", "≥ 0.7 × bare writes of 64 lines, each synced",
                 appends["group_ratio"], at_least(0.7), "groups"),
        goal_row("durable appends, 64 appenders at once", "≥ 5 × SQLite, WAL, `synchronous=FULL`",
                 ratio_of(appends["sqlite"], appends["node_groups"]), at_least(5), "groups"),
        goal_row("one durable append alone", "≤ 1.3 × a bare write and sync",
                 ratio_of(appends["node_one"], appends["bare_one"]), at_most(1.3), "alone"),
        goal_row(f"`predict record` of {large:,} lines, durable",
                 "≥ 10 × the Python chain without any sync, handed dictionaries",
                 ratio_of(bulk["python"], bulk["althing"]), at_least(10), "bulk"),
        goal_row("the same", "the same, reading the same lines",
                 ratio_of(bulk["python, from lines"], bulk["althing"]), at_least(10), "bulk"),
    ]
    most, few = max(results["sizes"]), min(small, 100_000)
    snapshot = results["snapshot"]
    rows += [
        goal_row(f"start with a snapshot of {most:,} entries, a tail of 1,000",
                 f"≤ 1.5 × the same with {few:,}",
                 ratio_of(snapshot[str(most)]["seconds"], snapshot[str(few)]["seconds"]),
                 at_most(1.5), "snapshot"),
        goal_row(f"replay of {large:,} instead of {small:,}",
                 f"≤ {1.05 * large / small:.1f} × the time",
                 ratio_of(own, before["althing"]), at_most(1.05 * large / small), "tenfold"),
        goal_row(f"replay of {large:,} instead of {small:,}", "the same peak of memory, ± 10 %",
                 ratio_of(replay["peak"], before["peak"]), lambda it: 0.9 <= it <= 1.1, "tenfold"),
    ]
    check = results["rules"]["check"] * 1e-9
    rows.append(goal_row("`check` in process, one core", "< 1 µs; ≥ 5 million a second", check,
                         lambda it: it < 1e-6 and 1 / it >= 5e6, "check",
                         f"{short(check)}: {1e-6 / check:.1f} million a second"))
    rounds = results["rounds"]
    python = (rounds["python"] or {}).get("seconds")
    rows.append(goal_row("a proposal, 20 ballots, the decision, in memory, ML-DSA-65, signing included",
                         "≥ 5 × `pqc-ai-governance` with real ML-DSA-65",
                         ratio_of(python, rounds["althing"]), at_least(5), "round"))
    return table(["work", "goal", "measured", ""], rows)


def largest(results, limit):
    """The largest size that was measured, up to a limit."""
    return max(size for size in results["sizes"] if size <= limit)


def before_it(results, size):
    """The size that was measured before this one."""
    return max((it for it in results["sizes"] if it < size), default=size)


def threads_of(ballots):
    return 2 if ballots["cpu"] > 1.3 * ballots["seconds"] else 1


def count_of(threads):
    return "two threads" if threads == 2 else "one thread"


def is_busy(machine):
    return machine["load"] >= machine["cores"] / 2


def machine(results):
    it = results["machine"]
    busy = " **The machine was busy with other things: not a figure of this run can be relied on.**" \
        if is_busy(it) else ""
    return (f"{it['cores']} cores of {it['cpu']}, {it['system']}; {it['rust']}; {it['openssl']}; "
            f"Python {it['python']}. Load before the run: {it['load']:.1f}. "
            f"The run took {results.get('minutes', 0):.0f} minutes.{busy}")


def replay(results):
    return replay_table({int(size): it for size, it in results["replay"].items()})


def replay_table(sizes):
    rows = []
    for size, it in sizes.items():
        own = it["althing"]

        def beside(name):
            ratio = ratio_of(it.get(name), own)
            return "not measured" if ratio is None else times(ratio)

        rows.append([f"{size:,}", short(own), f"{size / own / 1e6:.2f} M/s",
                     beside("openssl"), beside("sha256sum"), beside("sqlite"), beside("python"),
                     f"{it['cpu'] / own:.1f}", f"{it['peak'] / 2**20:.0f} MiB"])
    return table(["entries", "Althing", "rate", "openssl", "sha256sum", "SQLite", "Python chain",
                  "cores used", "peak of memory"], rows)


def ten_million(results):
    """The run with ten million entries, which is made alone and seldom."""
    found, size = results.get("ten_million"), 10_000_000
    if not found:
        return "Ten million entries were not measured."
    it, bulk, start = found["machine"], found["bulk"], found["snapshot"]
    busy = " **The machine was busy with other things.**" if is_busy(it) else ""
    python = ratio_of(bulk["python"], bulk["althing"])
    chain = f"takes {times(python)} as long" if python else "was not measured"
    return "\n".join([
        replay_table({size: found["replay"]}), "",
        f"`predict record` of {size:,} lines: {short(bulk['althing'])}, {size / bulk['althing']:,.0f}/s, "
        f"{bulk['peak'] / 2**20:.0f} MiB at the peak; the Python chain without any sync {chain}. Start with a snapshot of {size:,} entries and "
        f"a tail of 1,000: {short(start['seconds'])}.", "",
        f"A run of its own, each contestant at least once: {it['cores']} cores of {it['cpu']}, "
        f"{it['system']}; {it['rust']}. Load before the run: {it['load']:.1f}.{busy}"])


def appends(results):
    it, bulk = results["appends"], results["bulk"]
    most = largest(results, 1_000_000)

    def row(name, seconds, bare, against):
        return [name, short(seconds), f"{1 / seconds:,.0f}/s", f"{times(seconds / bare)} {against}"]

    one, many = it["bare_one"], it["bare_groups"]
    rows = [
        row("bare write and sync, one line", one, one, "itself"),
        row("Althing, one after the other", it["node_one"], one, "bare, one line"),
        row("bare write and sync, 64 lines at once", many, many, "itself"),
        row("Althing, 64 appenders at once", it["node_groups"], many, "bare, 64 lines"),
    ]
    for name, key in [("SQLite, WAL, FULL, one transaction an event", "sqlite"),
                      ("Python chain, one sync an event", "python_fsync")]:
        rows.append(row(name, it[key], one, "bare, one line") if it[key] else [name, "not measured", "–", "–"])
    for name, key in [("Althing, `predict record`, durable", "althing"),
                      ("Python chain, no sync, from the same lines", "python, from lines"),
                      ("Python chain, no sync, from dictionaries", "python")]:
        seconds = bulk[str(most)][key] / most
        rows.append(row(f"{name}, {most:,}", seconds, bulk[str(most)]["althing"] / most,
                        "`predict record`"))
    return table(["append", "time an event", "rate", "time beside"], rows)


def peers(results):
    it, bare, rounds = results["peers"], results["appends"], results["rounds"]
    ours = results["replay"][str(results["sizes"][0])]["althing"] / results["sizes"][0]
    rows = []
    for name, key, read in [("`eventsourcing` 9.4.6 on SQLite", "eventsourcing", "replay_seconds"),
                            ("`pqc-audit-log-fs` 0.1.0, signing Ed25519", "audit_log", "verify_seconds")]:
        found = it[key]
        if not found:
            rows.append([name, "not installed", "–", "–"])
            continue
        append, again = found["append_seconds"] / it["count"], found[read] / it["count"]
        rows.append([f"{name}, {it['count']:,} events", "append, durable", f"{1 / append:,.0f}/s",
                     f"{times(append / bare['node_one'])} alone, "
                     f"{times(append / bare['node_groups'])} with 64 appenders"])
        rows.append(["", "replay or verification", f"{1 / again:,.0f}/s",
                     f"{times(again / ours)} (whole process, {results['sizes'][0]:,} entries)"])
    for name, key in [("`pqc-ai-governance` 0.1.0 with real ML-DSA-65", "python"),
                      ("the same as installed: Ed25519 under the name of ML-DSA-65", "python_as_installed")]:
        found = rounds[key]
        if not found or (key == "python" and found["backend"] != "liboqs"):
            rows.append([name, "round of 20 ballots", "not installed", "–"])
            continue
        rows.append([name, "round of 20 ballots", f"{1 / found['seconds']:,.0f}/s",
                     times(found["seconds"] / rounds["althing"])])
    return table(["peer", "work", "its rate", "how many times as long as Althing takes"], rows)


def limits(results):
    rules, ballots = results["rules"], results["ballots"]
    signatures, two = ballots["signatures"], ballots["two_threads"]
    per_line = results["appends"]
    rows = [
        ["SHA-256 of 600 bytes", short(rules["sha256_600_bytes"] * 1e-9)],
        ["ML-DSA-65, one signature", short(rules["ml_dsa_65_sign"] * 1e-9)],
        ["ML-DSA-65, one verification as the rules ask for it", short(rules["ml_dsa_65_verify"] * 1e-9)],
        ["AWS-LC in a loop, parsed keys, one thread", f"{signatures / ballots['one_thread']:,.0f}/s"],
        ["AWS-LC in a loop, parsed keys, two threads", f"{signatures / two:,.0f}/s"],
        [f"audit replay of signed ballots, {count_of(threads_of(ballots))}",
         f"{signatures / ballots['seconds']:,.0f}/s"],
        ["the same with signatures taken for good", f"{signatures / ballots['unsigned']:,.0f}/s"],
        [f"write and sync of {per_line['line_bytes']} bytes", short(per_line["bare_one"])],
        [f"write and sync of 64 × {per_line['line_bytes']} bytes", short(64 * per_line["bare_groups"])],
    ]
    return table(["limit", "median"], rows)


def memory(results):
    ballots = results["ballots"]
    before = ballots["before"]
    proposals = (ballots["ballots"] - before["ballots"]) / 20
    closed = (ballots["peak"] - before["peak"]) / proposals
    few, many = results["sizes"][0], max(results["sizes"])
    each = (results["replay"][str(many)]["peak"] - results["replay"][str(few)]["peak"]) / (many - few)
    bulk = results["bulk"][str(max(results["sizes"]))]["peak"]
    rows = [
        ["a prediction", f"{max(each, 0):.2f} bytes",
         f"peaks of the replays of {few:,} and {many:,}"],
        ["a closed proposal with its 20 signed ballots", f"{closed / 1024:.1f} KiB",
         f"peaks of the replays of {before['ballots']:,} and {ballots['ballots']:,} ballots"],
        ["`predict record` of any length", f"{bulk / 2**20:.0f} MiB at the peak", "whole process"],
    ]
    return table(["what", "cost", "from"], rows)


def tables(results):
    made = {}
    for make in [machine, goals, limits, replay, ten_million, appends, peers, memory]:
        try:
            made[make.__name__] = make(results)
        except (KeyError, TypeError, ZeroDivisionError) as error:
            made[make.__name__] = f"{make.__name__}: not measured ({error!r})"
    return made


def write(results, docs):
    page = docs / "performance.md"
    text = page.read_text()
    for name, content in tables(results).items():
        block = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text, found = block.subn(lambda match: f"{match[1]}{content}\n{match[2]}", text)
        if not found:
            raise SystemExit(f"{page} has no place for {name}")
    page.write_text(text)
    (docs / "performance-curve.svg").write_text(curve.svg(results))
