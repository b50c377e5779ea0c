"""The auditor's pages of a running server in a real browser: served_pages.py ALTHING CHROMIUM [PICTURES].

Serves the demo ledger, and goes through it as an auditor does: every page in light and dark and on a phone,
filters, a proposal, a tree of reasons, without JavaScript, with the keyboard alone, with a token where one is
needed; verifies in the browser, and tampers with what the server gives. With PICTURES it writes the pictures
of the documentation into that directory.
"""

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from common import Browser, Ledger, check, done, grave, save, unreached, verified

PAGES = ["/", "/proposals", "/authorizations", "/predictions", "/evidence", "/nodes", "/timeline", "/verify"]


class Server:
    def __init__(self, ledger, *arguments):
        command = [ledger.althing, "serve", "--listen", "127.0.0.1:0", "--json", "--log", "error", *arguments]
        self.process = subprocess.Popen(command, env=ledger.environment, stdout=subprocess.PIPE, text=True)
        self.url = json.loads(self.process.stdout.readline())["url"].rstrip("/")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def opened(browser, server, path, **options):
    page = browser.open(server.url + path, within=server.url, **options)
    # A server that has just started.
    page.wait_for_selector("nav.sections, form.login")
    return page


def until(page, expression):
    """Waits for something to hold. The page's policy lets nobody look on from within."""
    for _ in range(600):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    sys.exit(f"FAILED: {expression}: not in time")


def no_errors(page, what):
    check(not page.errors, f"{what}: {page.errors}")
    page.context.close()


def looks_right(browser, server, ledger):
    single = opened(browser, server, "/proposals")
    proposal = single.locator("tbody tr a").first.get_attribute("href")
    single.context.close()
    for scheme in ("light", "dark"):
        for width in (1100, 390):
            for path in [*PAGES, proposal, "/timeline?actor=ember&operation=vote_cast", "/authorizations?subject=did:example:x&kind=agent"]:
                page = opened(browser, server, path, color_scheme=scheme, viewport={"width": width, "height": 900})
                where = f"{path} {scheme} {width}"
                if path == "/verify":
                    check("verified all" in verified(page), f"{where}: verification")
                found = grave(page)
                check(not found, f"{where}: axe: {found}")
                wide = page.evaluate("document.documentElement.scrollWidth")
                check(wide <= width, f"{where}: the page is {wide} wide")
                check(page.title().endswith("– Hospital consortium"), f"{where}: title")
                here = page.locator("nav.sections [aria-current=page]")
                check(here.count() == 1, f"{where}: where we are")
                box = here.bounding_box()
                check(0 <= box["x"] and box["x"] + box["width"] <= width, f"{where}: where we are can be seen")
                no_errors(page, where)


def is_clicked_through(browser, server, ledger):
    page = opened(browser, server, "/")
    for path in PAGES[1:]:
        page.locator(f"nav.sections a[href='{path}']").click()
        page.wait_for_url(server.url + path)
        check(page.locator("h2").inner_text() == page.locator("[aria-current=page]").inner_text(), f"{path}: heading")
    page.goto(server.url + "/")
    page.click("ul.figures a[href='/proposals']")
    page.select_option("[name=status]", "voting")
    page.click("button:has-text('Show')")
    check(page.locator("tbody tr").count() == 2, "proposals: those that are voting")
    page.click("text=Night porter")
    check(page.locator("h2").inner_text() == "Night porter <b>", "a proposal: its title is text")
    check(page.is_visible("text=May still vote") and page.locator("svg.bar .mark").count() > 0, "a proposal: what would decide it")
    check("\\u{202e}" in page.inner_text("article blockquote"), "a proposal: nothing turns the direction of writing")
    page.click("text=Every entry about it")
    check(page.locator("#timeline-rows > li").count() == 1, "a proposal: its entries")
    page.click("nav.sections a[href='/authorizations']")
    page.locator("table a").last.click()
    check(page.locator("article.why").count() == 1 and page.is_visible("text=revoked by"), "a grant: its tree")
    page.locator(".tree a:has-text('entry')").first.click()
    first = page.locator("#timeline-rows > li").first
    check("authorization granted" in first.inner_text(), "a grant: its entry comes first")
    first.locator("summary").click()
    check(first.locator("pre.lines").is_visible(), "an entry: its line")
    stated = json.loads(ledger.lines[int(first.get_attribute("data-first")) - 1])["entry_hash"]
    check(stated in first.inner_text(), "an entry: its hash")
    page.click("nav.sections a[href='/evidence']")
    check(page.locator("tr.differs").count() >= 1, "evidence: what differs")
    with page.expect_navigation():
        page.click("a.twin")
    check("althing.evidence-list/1" in page.content(), "evidence: the same as JSON")
    page.go_back()
    page.goto(server.url + "/authorizations")
    page.fill("[name=subject]", "did:example:sepsis-warning")
    page.fill("[name=context]", "environment=prod")
    page.keyboard.press("Enter")
    page.wait_for_url("**context=environment*")
    check(page.is_visible("article.why >> text=denied"), "a question: its answer")
    page.goto(server.url + "/timeline")
    page.select_option("[name=operation]", "vote_cast")
    page.fill("[name=actor]", "ember")
    page.fill("[name=since]", "2026-05-04T09:00:00")
    page.click("button:has-text('Show')")
    rows = page.locator("#timeline-rows > li").all_inner_texts()
    check(rows and all("ember" in row and "vote cast" in row for row in rows), "the timeline: filters")
    check(page.input_value("[name=actor]") == "ember" and page.input_value("[name=since]").startswith("2026-05-04T09:00"), "the timeline: filters stay")
    page.click("text=Everything")
    check(page.locator("#timeline-rows > li").count() > len(rows), "the timeline: everything again")
    no_errors(page, "clicked through")


def has_parts(browser, server, ledger):
    """More entries than one part of the timeline has rows."""
    for number in range(14):
        ledger.run("propose", "authorize-model", f"did:example:m{number}", "--title", f"Model {number}", "--as",
                   ["aurora", "birch", "coast", "university", "fjord"][number % 5])
    ledger.read()
    page = opened(browser, server, "/timeline")
    # The server takes up what others wrote.
    for _ in range(100):
        if str(len(ledger.lines)) in page.locator("header").inner_text():
            break
        page.wait_for_timeout(100)
        page.reload()
    seen = []
    while True:
        seen += [int(row.get_attribute("data-first")) for row in page.locator("#timeline-rows > li").all()]
        older = page.locator("nav.steps a[rel=next]").first
        if not older.count():
            break
        older.click()
    last = len(ledger.lines)
    check(seen[0] == last and seen[-1] == 1 and seen == sorted(seen, reverse=True), f"parts: {seen}")
    page.locator("nav.steps a[rel=prev]").first.click()
    check(page.locator("#timeline-rows > li").count() > 0, "parts: back to newer ones")
    no_errors(page, "parts")


def works_without_script(browser, server, ledger):
    for path in PAGES:
        page = opened(browser, server, path, script=None, java_script_enabled=False)
        check(page.locator("h2").is_visible(), f"{path} without script")
        page.context.close()
    page = opened(browser, server, "/verify", script=None, java_script_enabled=False)
    check(page.is_visible("text=This needs JavaScript, which is off.") and not page.is_visible("#verify-start"), "without script: it says so")
    check(page.is_visible("text=althing verify --ledger COPY"), "without script: by command")
    page.goto(server.url + "/timeline")
    page.fill("[name=actor]", "ember")
    page.click("button:has-text('Show')")
    rows = page.locator("#timeline-rows > li").all_inner_texts()
    check(rows and all("ember" in row for row in rows), "without script: filters")
    page.locator("#timeline-rows summary").first.click()
    check(page.locator("#timeline-rows pre.lines").first.is_visible(), "without script: a line")
    page.context.close()


def is_reached_by_keyboard(browser, server, ledger):
    for path in PAGES:
        page = opened(browser, server, path)
        page.keyboard.press("Tab")
        check(page.evaluate("document.activeElement.className") == "skip", f"{path}: the way past the navigation comes first")
        check(page.locator(".skip").bounding_box()["x"] >= 0, f"{path}: it is seen")
        page.keyboard.press("Enter")
        check(page.evaluate("document.activeElement.id") == "main", f"{path}: it leads to the content")
        page.reload()
        left, total = unreached(page)
        check(total > 9 and not left, f"{path}: keyboard: {left[:5]} of {total}")
        page.locator("nav.sections a").first.focus()
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        check(outline == "solid", f"{path}: the focus is seen")
        page.context.close()
    page = opened(browser, server, "/verify")
    page.focus("#verify-start")
    page.keyboard.press("Enter")
    page.wait_for_selector("#verify-result .notice.good")
    no_errors(page, "keyboard: verification")


def verifies(browser, server, ledger):
    ledger.read()
    page = opened(browser, server, "/verify")
    found = verified(page)
    check(f"verified all {len(ledger.lines)} lines" in found and "what the server says about itself" in found, f"verification: {found}")
    page.set_input_files("#verify-note-file", ledger.checkpoint)
    until(page, "document.querySelector('#verify-note').value.length > 100")
    found = verified(page)
    check("Your checkpoint: the Merkle root" in found and "about itself" not in found, f"with a checkpoint: {found}")
    note = ledger.checkpoint.read_text()
    lines = note.split("\n")
    page.fill("#verify-note", "\n".join([lines[0], "7", *lines[2:]]))
    check("differs" in verified(page), "another checkpoint")
    page.fill("#verify-note", "\n".join([lines[0], "7000", *lines[2:]]))
    check("the end was cut off" in verified(page), "a checkpoint over more")
    page.fill("#verify-note", "")
    page.click("text=Verify files of your own")
    page.set_input_files("#verify-files", ledger.segments)
    check("verified all" in verified(page), "files of one's own")
    no_errors(page, "verification")


def grows_meanwhile(browser, server, ledger):
    page = opened(browser, server, "/verify")
    before = int(page.locator("#verifier").get_attribute("data-entries"))
    ledger.run("propose", "authorize-model", "did:example:late", "--title", "Late", "--as", "aurora")
    until(page, "fetch('/v1/checkpoint').then((it) => it.text()).then((it) => Number(it.split('\\n')[1]) > %d)" % before)
    found = verified(page)
    check(f"{before} when the page was made, and 1 since" in found and "verified all" in found, f"growing: {found}")
    no_errors(page, "growing")


def tampered(browser, server, name, change, says):
    """A server that gives other lines than it has; returns the page."""
    page = opened(browser, server, "/verify")
    page.route("**/v1/segments/*", lambda route: route.fulfill(body=change(route.fetch().body()), content_type="application/jsonl"))
    verified(page)
    found = page.inner_text("#verifier")
    check("verified all" not in found, f"{name}: it is found")
    for words in says:
        check(words in found, f"{name}: \"{words}\" in {found}")
    return page


def turned_round(ledger):
    """Where a ballot is, and the line with another decision."""
    seq = next(seq for seq, line in enumerate(ledger.lines, 1) if b'"vote_cast"' in line)
    line = ledger.lines[seq - 1]
    return seq, line, line.replace(b'"decision":"approve"', b'"decision":"abstain"', 1)


def is_found_out(browser, server, ledger):
    ledger.read()
    seq, line, wrong = turned_round(ledger)
    stated, computed = json.loads(line)["entry_hash"], hashlib.sha256(wrong[:-82]).hexdigest()
    page = tampered(browser, server, "a ballot turned round", lambda body: body.replace(line, wrong, 1),
                    [f"Entry {seq} does not hold", "chain.hash", stated, computed])
    marked = page.locator("#verify-place > li.bad")
    check(marked.count() == 1 and marked.get_attribute("id") == f"entry-{seq}", "a ballot turned round: its place")
    text = marked.inner_text()
    check(stated in text and computed in text and '"decision":"abstain"' in text, f"a ballot turned round: in place: {text[:300]}")
    found = grave(page)
    check(not found, f"a ballot turned round: axe: {found}")
    page.unroute("**/v1/segments/*")
    check("verified all" in verified(page) and marked.count() == 0, "a ballot turned round: mended")
    no_errors(page, "a ballot turned round")
    for name, change, says in [
        ("a line taken out", lambda body: body.replace(ledger.lines[8], b"", 1), ["Entry 9 does not hold", "chain.sequence"]),
        ("two lines exchanged", lambda body: body.replace(ledger.lines[8] + ledger.lines[9], ledger.lines[9] + ledger.lines[8], 1), ["Entry 9 does not hold"]),
        ("the last line feed gone", lambda body: body[:-1], ["The server did not give"]),
        ("the end cut off", lambda body: body[:-len(ledger.lines[-1])], ["The server did not give"]),
        ("something else", lambda body: b"\xff" * len(body), ["Entry 1 does not hold", "line.too-long"] if len(b"".join(ledger.lines)) > 1 << 20 else ["Entry 1 does not hold"]),
    ]:
        no_errors(tampered(browser, server, name, change, says), name)
    # A server that leaves out its end throughout, and says so consistently: only a checkpoint shows it.
    page = opened(browser, server, "/verify")
    size = len(ledger.lines) - 1
    listed = lambda body: {**body, "head": size, "segments": [{**body["segments"][0], "bytes": body["segments"][0]["bytes"] - len(ledger.lines[-1])}]}
    page.route("**/v1/segments", lambda route: route.fulfill(json=listed(route.fetch().json())))
    check("differs" in verified(page), "an end that is left out")
    no_errors(page, "an end that is left out")


def is_found_on_disk(browser, server, ledger):
    """A line that somebody changed below a running server."""
    ledger.read()
    seq, line, wrong = turned_round(ledger)
    file = ledger.segments[0]
    whole = file.read_bytes()
    file.write_bytes(whole.replace(line, wrong, 1))
    page = opened(browser, server, "/verify")
    found = verified(page)
    check(f"Entry {seq} does not hold" in found, f"on disk: {found}")
    page.click("text=Its place in the timeline")
    bad = page.locator("#timeline-rows > li.bad")
    check(bad.count() == 1 and f"Entry {seq} does not hold" in bad.inner_text(), "on disk: in the timeline")
    file.write_bytes(whole)
    no_errors(page, "on disk")


def is_opened_with_a_token(browser, ledger):
    token = json.loads(ledger.run("token", "create", "auditor", "--scope", "read", "--json"))
    with Server(ledger, "--access", "tokens") as server:
        page = browser.open(server.url + "/evidence", within=server.url)
        page.wait_for_selector("form.login")
        found = grave(page)
        check(not found, f"login: axe: {found}")
        page.fill("#token", "wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("[role=alert]")
        check("unknown, revoked or expired" in page.inner_text("[role=alert]"), "login: a wrong token")
        # Browsers put down that they were refused.
        page.errors = [error for error in page.errors if "401" not in error and "403" not in error]
        page.fill("#token", token["secret"])
        page.click("button:has-text('Log in')")
        page.wait_for_url(server.url + "/evidence")
        check(page.locator("article.evidence").count() == 1, "login: where one wanted to go")
        [cookie] = page.context.cookies()
        check(cookie["httpOnly"] and cookie["sameSite"] == "Strict" and token["secret"] not in cookie["value"], f"login: {cookie}")
        check(page.evaluate("document.cookie") == "", "login: no script has it")
        page.goto(server.url + "/verify")
        check("verified all" in verified(page), "login: verification")
        page.click("text=Log out")
        page.wait_for_selector("form.login")
        check(page.context.cookies() == [], "logout: no cookie")
        check(not page.errors, f"login: {page.errors}")
        page.goto(server.url + "/")
        check(page.locator("form.login").count() == 1, "logout: nothing is shown")
        page.context.close()


def take_pictures(browser, server, ledger, directory):
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    seq, line, wrong = turned_round(ledger)
    night_porter = next(it for it in json.loads(ledger.run("proposal", "list", "--json"))["proposals"] if "Radiology" in it["title"])
    shots = [("overview", "/", "light", 1100, 860), ("timeline", "/timeline", "dark", 1100, 860), ("proposals", "/proposals", "light", 1100, 760),
             ("proposal", f"/proposals/{night_porter['proposal_id']}", "light", 1100, 1150), ("why", "/authorizations", "light", 1100, 1000),
             ("predictions", "/predictions", "light", 1100, 860), ("evidence", "/evidence", "dark", 1100, 800), ("registry", "/nodes", "light", 1100, 860),
             ("verified", "/verify", "light", 1100, 860), ("tampered", "/verify", "light", 1100, 860), ("phone", "/", "dark", 390, 800),
             ("phone-timeline", "/timeline?actor=ember", "light", 390, 800)]
    for name, path, scheme, width, height in shots:
        page = opened(browser, server, path, color_scheme=scheme, viewport={"width": width, "height": height})
        # When the picture is taken is nobody's business.
        page.evaluate("document.querySelectorAll('header time, dl.facts dd time, .why time, section > p.quiet time').forEach((it) => { if (it.textContent > '2026-06') it.textContent = '2026-05-04 09:31:00'; })")
        if name == "tampered":
            page.route("**/v1/segments/*", lambda route: route.fulfill(body=route.fetch().body().replace(line, wrong, 1), content_type="application/jsonl"))
        if name in ("verified", "tampered"):
            page.fill("#verify-note", ledger.checkpoint.read_text())
            verified(page)
            page.evaluate("document.querySelector('#verify-note').setSelectionRange(0, 0); document.querySelector('#verify-note').scrollTop = 0")
            page.evaluate("document.querySelector('section > p.notice').scrollIntoView({block: 'start'}); scrollBy(0, -70)")
        save(page, directory / f"served-{name}.png", colours=160)
        page.context.close()


def main():
    althing, chromium = str(Path(sys.argv[1]).resolve()), sys.argv[2]
    with tempfile.TemporaryDirectory() as directory:
        ledger = Ledger(althing, directory)
        ledger.make()
        browser = Browser(chromium)
        with Server(ledger) as server:
            if len(sys.argv) > 3:
                take_pictures(browser, server, ledger, sys.argv[3])
            for part in (looks_right, is_clicked_through, has_parts, works_without_script, is_reached_by_keyboard,
                         verifies, grows_meanwhile, is_found_out, is_found_on_disk):
                part(browser, server, ledger)
                print(part.__name__.replace("_", " "), flush=True)
        is_opened_with_a_token(browser, ledger)
        print("is opened with a token")
        browser.close()
    done()


main()
