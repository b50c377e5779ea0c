"""The auditor's page in a real browser: audit_page.py ALTHING CHROMIUM [PICTURES].

Makes the demo ledger, exports it, and looks at the file as an auditor does: in light and dark, on a phone,
without JavaScript, with the keyboard alone; verifies it, and tampers with it in several ways. With PICTURES
it writes the pictures of the documentation into that directory.
"""

import hashlib
import json
import re
import sys
import tempfile
from pathlib import Path

from common import Browser, Ledger, check, done, grave, save, unreached, verified


def exported(ledger):
    ledger.page = ledger.dir / "audit.html"
    ledger.run("export", "--format", "html", "--checkpoint", str(ledger.checkpoint), str(ledger.dir))


def looks_right(browser, ledger):
    for scheme in ("light", "dark"):
        for width in (1100, 390):
            page = browser.open(ledger.page, color_scheme=scheme, viewport={"width": width, "height": 900})
            check("verified all" in verified(page), f"{scheme} {width}: verification")
            found = grave(page)
            check(not found, f"{scheme} {width}: axe: {found}")
            wide = page.evaluate("document.documentElement.scrollWidth")
            check(wide <= width, f"{width}: the page is {wide} wide")
            check(not page.errors, f"{scheme} {width}: {page.errors}")
            page.context.close()


def works_without_script(browser, ledger):
    page = browser.open(ledger.page, script=None, java_script_enabled=False)
    check(page.is_visible("text=This needs JavaScript, which is off."), "without script: it says so")
    check(not page.is_visible("#verify-start"), "without script: no button that does nothing")
    check(page.is_visible("#timeline .g-ballots"), "without script: ballots are shown")
    page.uncheck("#show-ballots")
    check(not page.is_visible("#timeline .g-ballots"), "without script: ballots can be hidden")
    check(page.is_visible("#timeline .g-proposals"), "without script: others stay")
    page.focus("#entry-1 summary")
    page.keyboard.press("Enter")
    check(page.is_visible("#entry-1 pre.lines"), "without script: a line can be seen")
    page.context.close()


def is_reached_by_keyboard(browser, ledger):
    page = browser.open(ledger.page)
    left, total = unreached(page)
    check(total > 100 and not left, f"keyboard: {left[:5]} of {total}")
    page.focus("#verify-start")
    page.keyboard.press("Enter")
    page.wait_for_selector("#verify-result .notice.good")
    check(True, "keyboard: verification")
    page.context.close()


def filters_by_words(browser, ledger):
    page = browser.open(ledger.page)
    page.fill("#filter-words", "ember reject")
    rows = page.locator("#timeline-rows > li:visible")
    check(0 < rows.count() < len(ledger.lines) / 2, "words: fewer rows")
    check(all("ember" in text for text in rows.all_inner_texts()), "words: the right rows")
    page.context.close()


def pre_of(text, seq):
    """Where the line of an entry stands in the file."""
    row = text.index(f'id="entry-{seq}"')
    start = text.index('<pre class="lines">', row)
    return start, text.index("</pre>", start)


def tampered(browser, ledger, name, change, says, place=None):
    """Changes the page's own text; it has to say what, and where."""
    text = ledger.page.read_text()
    changed = change(text)
    check(changed != text, f"{name}: something is changed")
    file = ledger.dir / "tampered.html"
    file.write_text(changed)
    page = browser.open(file)
    found = verified(page)
    check("verified all" not in found, f"{name}: it is found")
    for words in says:
        check(words in found, f"{name}: \"{words}\" in {found}")
    marked = page.locator("#timeline-rows > li.bad")
    if place is None:
        check(marked.count() == 0, f"{name}: no line is blamed")
    else:
        check(marked.count() == 1 and marked.get_attribute("id") == f"entry-{place}", f"{name}: the place")
        check(marked.locator(".problem").is_visible() and marked.locator("pre.lines").is_visible(), f"{name}: shown in place")
        check("expected" in marked.inner_text() and "found" in marked.inner_text(), f"{name}: what was expected")
    page.context.close()


def in_line(seq, old, new):
    def change(text):
        start, end = pre_of(text, seq)
        return text[:start] + text[start:end].replace(old, new, 1) + text[end:]
    return change


def drop(seq):
    def change(text):
        start = text.rindex("<li", 0, text.index(f'id="entry-{seq}" data-first'))
        return text[:start] + text[text.index("</li>", start) + len("</li>"):]
    return change


def is_found_out(browser, ledger):
    # A ballot turned round: the hash that the browser computes is the one that Python computes.
    votes = [seq for seq, line in enumerate(ledger.lines, 1) if b'"decision":"reject"' in line and b'"vote_cast"' in line]
    seq = votes[0] if votes else next(seq for seq, line in enumerate(ledger.lines, 1) if b'"vote_cast"' in line)
    line = ledger.lines[seq - 1]
    old, new = ("reject", "approve") if votes else ("approve", "abstain")
    wrong = line.replace(f'"decision":"{old}"'.encode(), f'"decision":"{new}"'.encode(), 1)
    computed = hashlib.sha256(wrong[:-82]).hexdigest()
    stated = json.loads(line)["entry_hash"]
    tampered(browser, ledger, "a ballot turned round", in_line(seq, f'"decision":"{old}"', f'"decision":"{new}"'),
             [f"Entry {seq} does not hold", "chain.hash", computed, stated], seq)
    last = len(ledger.lines)
    tampered(browser, ledger, "a stated hash changed", lambda text: re.sub(
        r'("entry_hash":")([0-9a-f])', lambda it: it[1] + ("0" if it[2] != "0" else "1"), text, count=1),
        ["Entry 1 does not hold", "chain.hash"], 1)
    tampered(browser, ledger, "a line taken out", drop(9), ["Entry 9 does not hold", "chain.sequence"])
    tampered(browser, ledger, "the end cut off", drop(last), ["differs", f"{last - 1}", "the end was cut off", json.loads(ledger.lines[-2])["entry_hash"]])
    operation = json.loads(ledger.lines[11])["operation"]
    tampered(browser, ledger, "a page that says something else",
             lambda text: text.replace(f'id="entry-12" data-first="12" data-last="12" data-operation="{operation}"',
                                       'id="entry-12" data-first="12" data-last="12" data-operation="node_added"'),
             ["Entry 12 does not hold", "page.shown"], 12)
    tampered(browser, ledger, "another root", lambda text: re.sub(r'data-root="[0-9a-f]{64}"', f'data-root="{"0" * 64}"', text),
             ["The Merkle root over all lines.", "differs"])
    tampered(browser, ledger, "another number of entries", lambda text: re.sub(r'data-entries="[0-9]+"', 'data-entries="7"', text),
             ["The number of entries.", "differs"])


def rechained(lines, number, edit):
    """The lines with one edited, and every hash from there on made anew: bytes that only rules refuse."""
    out, previous = [], None
    for place, line in enumerate(lines, 1):
        covered = line[:-82]
        if previous:
            covered = covered[:-65] + previous.encode() + covered[-1:]
        if place == number:
            covered = edit(covered)
        previous = hashlib.sha256(covered).hexdigest()
        out.append(covered + b',"entry_hash":"' + previous.encode() + b'"}\n')
    return b"".join(out)


def refuses_what_the_format_refuses(browser, ledger):
    """The codes are those of the ledger format, whatever the hashes are."""
    lines = ledger.lines
    last = len(lines)
    alone = next(seq for seq, line in enumerate(lines, 1) if seq > 7 and b'"batch":[1,1]' in line)
    cases = [
        (5, lambda it: it.replace(b'"timestamp":"2026', b'"timestamp":"2025', 1), 5, "chain.time"),
        (5, lambda it: it.replace(b'"seq":5', b'"seq":6', 1), 5, "chain.sequence"),
        (5, lambda it: it.replace(b'"data":{', b'"data": {', 1), 5, "line.malformed"),
        (5, lambda it: it.replace(b'"v":1', b'"v":2', 1), 5, "line.version"),
        (5, lambda it: it.replace(b'"data":{', b'"data":{,', 1), 5, "line.data"),
        (5, lambda it: it.replace(b'"data":{', b'"data":{\xff', 1), 5, "line.utf8"),
        (5, lambda it: it[:-65] + b"0" * 64 + it[-1:], 5, "chain.link"),
        (5, lambda it: it.replace(b'"data":{', b'"data":{"a":"' + b"a" * (1 << 20) + b'",', 1), 5, "line.too-long"),
        (alone, lambda it: it.replace(b'"batch":[1,1]', b'"batch":[2,2]', 1), alone, "chain.batch"),
        (last, lambda it: it.replace(b'"batch":[1,1]', b'"batch":[1,2]', 1), last, "replay.incomplete-batch"),
    ]
    page = browser.open(ledger.page)
    page.click("text=Verify the ledger's own files")
    file = ledger.dir / "edited.jsonl"
    for number, edit, place, code in cases:
        file.write_bytes(rechained(lines, number, edit))
        page.set_input_files("#verify-files", file)
        found = verified(page)
        check(f"Entry {place} does not hold" in found and f"[{code}]" in found, f"{code}: {found[:300]}")
    # Another history whose every line is sound: only what it is compared with shows it.
    file.write_bytes(rechained(lines, 8, lambda it: it.replace(b'"decision":"approve"', b'"decision":"abstain"', 1)))
    page.set_input_files("#verify-files", file)
    page.fill("#verify-note", ledger.checkpoint.read_text())
    found = verified(page)
    check("fit together, but not with" in found and found.count("differs") == 4, f"another history: {found[:300]}")
    file.write_bytes(rechained(lines, 1, lambda it: it.replace(b'"name":"Hospital', b'"name":"hospital', 1)))
    page.set_input_files("#verify-files", file)
    check("is of another ledger" in verified(page), "another ledger")
    check(not page.errors, f"edited: {page.errors}")
    page.context.close()


def verifies_files_and_checkpoints(browser, ledger):
    page = browser.open(ledger.page)
    page.click("text=Verify the ledger's own files")
    page.set_input_files("#verify-files", ledger.segments)
    note = ledger.checkpoint.read_text()
    page.fill("#verify-note", note)
    found = verified(page)
    check("verified all" in found and "Your checkpoint: the Merkle root" in found, f"files: {found}")
    lines = note.split("\n")
    wrong = "\n".join([lines[0], "7", lines[2], ""])
    page.fill("#verify-note", wrong)
    check("differs" in verified(page), "another checkpoint: it differs")
    *_, identity, genesis = lines[0].split("/")
    for part in (identity, genesis):
        page.fill("#verify-note", note.replace(part, "0" * 64, 1))
        check("is of another ledger" in verified(page), "a checkpoint of another ledger: it says so")
    page.fill("#verify-note", note.replace("althing/v1/", "althing/v1/0", 1))
    check("Your checkpoint is none." in verified(page), "no checkpoint: it says so")
    page.fill("#verify-note", "")
    bad = bytearray(b"".join(ledger.lines))
    bad[len(b"".join(ledger.lines[:4])) + 300] ^= 1
    file = ledger.dir / "bad.jsonl"
    file.write_bytes(bad)
    page.set_input_files("#verify-files", file)
    check("Entry 5 does not hold" in verified(page), "files: a byte was changed")
    file.write_bytes(b"".join(ledger.lines)[:-1])
    page.set_input_files("#verify-files", file)
    check("tail.torn" in verified(page), "files: the last line feed is gone")
    check(not page.errors, f"files: {page.errors}")
    page.context.close()


def says_where_a_browser_has_no_hashes(browser, ledger):
    page = browser.open(ledger.page, script="Object.defineProperty(crypto, 'subtle', {value: undefined})")
    check("plain http" in verified(page), "no crypto.subtle: it says so")
    page.context.close()


def golden_ledgers_verify(browser, ledger):
    """Several histories, whose Merkle trees have all kinds of odd sizes."""
    golden = sorted(Path("tests/golden/histories").iterdir())[::6]
    for history in golden:
        file = ledger.dir / "golden.html"
        file.write_text(ledger.run("export", "--format", "html", "--ledger", str(history)))
        page = browser.open(file)
        check("verified all" in verified(page), f"{history.name}: verification")
        check(not page.errors, f"{history.name}: {page.errors}")
        page.context.close()


def take_pictures(browser, ledger, directory):
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    shots = [("overview", "#overview", "light", 1100, 850), ("proposal", "#proposals article.proposal:nth-of-type(5)", "light", 1100, 1150),
             ("why", "#authorizations article.why", "light", 1100, 900), ("evidence", "#evidence", "light", 1100, 620),
             ("timeline", "#timeline", "dark", 1100, 800), ("predictions", "#predictions", "light", 1100, 520),
             ("registry", "#nodes", "light", 1100, 700), ("verified", "#verify", "light", 1100, 620),
             ("phone", "#overview", "dark", 390, 800), ("tampered", None, "light", 1100, 620)]
    text = ledger.page.read_text()
    seq = next(seq for seq, line in enumerate(ledger.lines, 1) if b'"vote_cast"' in line)
    bad = ledger.dir / "tampered.html"
    bad.write_text(in_line(seq, '"decision":"approve"', '"decision":"abstain"')(text))
    for name, selector, scheme, width, height in shots:
        page = browser.open(bad if name == "tampered" else ledger.page, color_scheme=scheme, viewport={"width": width, "height": height})
        if name in ("verified", "tampered"):
            verified(page)
        if name == "overview" or name == "phone":
            page.evaluate("scrollTo(0, 0)")
        elif name == "tampered":
            page.evaluate("document.querySelector('.entry.bad').scrollIntoView({block: 'start'}); scrollBy(0, -70)")
        else:
            page.evaluate("selector => document.querySelector(selector).scrollIntoView()", selector)
        file = directory / f"audit-{name}.png"
        save(page, file)
        page.context.close()


def main():
    althing, chromium = str(Path(sys.argv[1]).resolve()), sys.argv[2]
    with tempfile.TemporaryDirectory() as directory:
        ledger = Ledger(althing, directory)
        ledger.make()
        exported(ledger)
        browser = Browser(chromium)
        for part in (looks_right, works_without_script, is_reached_by_keyboard, filters_by_words, is_found_out,
                     refuses_what_the_format_refuses, verifies_files_and_checkpoints, says_where_a_browser_has_no_hashes, golden_ledgers_verify):
            part(browser, ledger)
            print(part.__name__.replace("_", " "))
        if len(sys.argv) > 3:
            take_pictures(browser, ledger, sys.argv[3])
        browser.close()
    done()


main()
