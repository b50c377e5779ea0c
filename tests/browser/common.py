"""What the browser tests have in common: a ledger to look at, a browser, and checks that count."""

import os
import subprocess
import sys
from pathlib import Path

import axe_playwright_python
from playwright.sync_api import sync_playwright

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
VIOLATIONS = "addEventListener('securitypolicyviolation', (e) => console.error('CSP: ' + e.violatedDirective))"
# A rehearsal: pictures of it are the same whenever they are taken.
NOW = "2026-05-04T09:30:00Z"
# Turns the direction of writing, joins, and would end an element.
HOSTILE = "right to left \u202e and \u200d </script></pre><img src=x onerror=alert(1)> & end"

passed = 0


def check(holds, what):
    global passed
    if not holds:
        sys.exit(f"FAILED: {what}")
    passed += 1


def done():
    print(f"{passed} passed, 0 failed")


class Ledger:
    def __init__(self, althing, directory):
        self.althing, self.dir = althing, Path(directory)
        self.ledger = self.dir / "ledger"
        self.environment = {**os.environ, "ALTHING_LEDGER": str(self.ledger), "ALTHING_KEYS": str(self.ledger / "keys"),
                            "ALTHING_STATE": str(self.dir / "state")}

    def run(self, *arguments, now=NOW):
        done = subprocess.run([self.althing, "--now", now, *arguments], env=self.environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{arguments}: {done.stderr}")
        return done.stdout

    def make(self):
        self.run("demo")
        self.run("propose", "authorize-agent", "did:example:night-porter", "--title", "Night porter <b>",
                 "--description", HOSTILE, "--as", "birch")
        self.checkpoint = self.dir / "checkpoint.txt"
        signers = [word for name in ("aurora", "birch", "coast", "university") for word in ("--as", name)]
        self.run("checkpoint", "create", *signers, "-o", str(self.checkpoint))
        self.read()

    def read(self):
        self.segments = sorted((self.ledger / "ledger").glob("*.jsonl"))
        self.lines = b"".join(path.read_bytes() for path in self.segments).splitlines(keepends=True)


class Browser:
    def __init__(self, chromium):
        self.playwright = sync_playwright().start()
        # A container's root has no sandbox of its own to give.
        self.browser = self.playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])

    def close(self):
        self.browser.close()
        self.playwright.stop()

    def open(self, url, script=VIOLATIONS, within="file:", **options):
        """A page whose errors are kept; so is every request for something that is not `within`."""
        options.setdefault("viewport", {"width": 1100, "height": 900})
        context = self.browser.new_context(reduced_motion="reduce", **options)
        page = context.new_page()
        page.errors = []
        page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(within) else page.errors.append(request.url))
        if script:
            page.add_init_script(script)
        page.goto(url if "://" in str(url) else Path(url).as_uri())
        return page


def grave(page):
    """What axe finds serious or critical, everything unfolded."""
    for details in page.query_selector_all("details:not(.bytes)"):
        details.evaluate("element => { element.open = true }")
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{it['id']}: {it['nodes'][0]['html'][:120]}" for it in found if it["impact"] in ("serious", "critical")]


def unreached(page):
    """Of everything that can be used, what the Tab key does not reach; and how much there is."""
    page.evaluate("""() => {
        const shown = (it) => it.checkVisibility() && !it.disabled && it.type !== "hidden";
        const usable = "a[href], button, input, select, textarea, summary, [tabindex='0']";
        window.wanted = new Set([...document.querySelectorAll(usable)].filter(shown));
        window.total = window.wanted.size;
    }""")
    total = page.evaluate("window.total")
    # A field for a time has several parts.
    for _ in range(total + 40):
        page.keyboard.press("Tab")
        if page.evaluate("window.wanted.delete(document.activeElement) && window.wanted.size === 0"):
            break
    return page.evaluate("[...window.wanted].map((it) => it.outerHTML.slice(0, 90))"), total


def verified(page):
    """What the page says after it verified."""
    page.click("#verify-start")
    page.wait_for_selector("#verify-result .notice", timeout=120_000)
    return page.inner_text("#verify-result")


def save(page, file, colours=48):
    from PIL import Image

    page.screenshot(path=file)
    Image.open(file).convert("RGB").quantize(colours).save(file, optimize=True)
    check(file.stat().st_size < 150_000, f"{file.name}: {file.stat().st_size} bytes")
