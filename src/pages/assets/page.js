"use strict";
// Everything here can be done without. It filters the timeline by words, unfolds what a link leads to,
// and computes every hash of the ledger from the lines themselves.
(() => {
  const byId = (id) => document.getElementById(id);
  const make = (name, text, className) => {
    const element = document.createElement(name);
    if (text !== undefined) element.textContent = text;
    if (className) element.className = className;
    return element;
  };

  for (const element of document.querySelectorAll(".needs-script")) element.hidden = false;
  for (const element of document.querySelectorAll(".without-script")) element.hidden = true;

  // A link into something folded unfolds it.
  const unfold = () => {
    const target = location.hash.length > 1 && byId(location.hash.slice(1));
    if (!target) return;
    const inner = target.querySelector(":scope > details:not(.bytes)");
    if (inner) inner.open = true;
    for (let outer = target.closest("details"); outer; outer = outer.parentElement.closest("details")) outer.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();

  const words = byId("filter-words");
  if (words) {
    const rows = [...document.querySelectorAll("#timeline-rows > li")];
    const texts = rows.map((row) => (row.querySelector(".when").textContent + " " + row.querySelector(".what").textContent).toLowerCase());
    words.addEventListener("input", () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, index) => {
        const matches = wanted.every((word) => texts[index].includes(word));
        row.hidden = !matches;
        if (matches) shown += 1;
      });
      byId("filter-count").textContent = wanted.length ? `${shown} of ${rows.length} rows have these words` : "";
    });
  }

  // ---- Verification: docs/specification, 13 and 17.

  const verifier = byId("verifier");
  if (!verifier) return;
  const MAX_LINE = 1 << 20;
  const SLICE = 256;
  const ZEROS = "0".repeat(64);
  const FORM = new RegExp(
    '^\\{"v":1,"seq":([1-9][0-9]*),"batch":\\[([1-9][0-9]*),([1-9][0-9]*)\\],' +
    '"timestamp":"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z)",' +
    '"operation":"([a-z_]{1,64})","data":(\\{.*\\}),"prev_hash":"([0-9a-f]{64})","entry_hash":"([0-9a-f]{64})"\\}$', "s");
  const encoder = new TextEncoder();
  const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const unhex = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
  const sha256 = (bytes) => crypto.subtle.digest("SHA-256", bytes);
  const pause = () => new Promise((resolve) => setTimeout(resolve));

  class Problem extends Error {
    constructor(line, code, what, expected, found) {
      super(what);
      Object.assign(this, { line, code, expected, found });
    }
  }

  // The text of an element that holds lines; what can't be shown stands in it by its number.
  const exact = (pre) => {
    let text = "";
    for (const node of pre.childNodes) {
      text += node.nodeName === "I" ? String.fromCodePoint(parseInt(node.textContent.slice(3, -1), 16)) : node.data;
    }
    return text;
  };

  async function* linesOfPage() {
    for (const pre of document.querySelectorAll("#timeline-rows pre.lines")) {
      const row = pre.closest("li");
      for (const line of exact(pre).split("\n")) {
        if (line) yield { bytes: encoder.encode(line), row };
      }
    }
  }

  async function* linesOfFiles(files) {
    const sorted = [...files].sort((one, other) => (one.name < other.name ? -1 : 1));
    let rest = new Uint8Array(0);
    for (const file of sorted) {
      for (let start = 0; start < file.size; start += MAX_LINE) {
        const chunk = new Uint8Array(await file.slice(start, start + MAX_LINE).arrayBuffer());
        const bytes = new Uint8Array(rest.length + chunk.length);
        bytes.set(rest);
        bytes.set(chunk, rest.length);
        let from = 0;
        for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
          yield { bytes: bytes.slice(from, end) };
          from = end + 1;
        }
        rest = bytes.slice(from);
        if (rest.length > MAX_LINE) break;
      }
    }
    if (rest.length) yield { bytes: rest, torn: true };
  }

  // What a line says, once its hash is known to be right.
  const read = (line, chain) => {
    const number = chain.lines + 1;
    const fail = (code, what, expected, found) => { throw new Problem(number, code, what, expected, found); };
    if (line.bytes.length > MAX_LINE) fail("line.too-long", "The line is too long.", "at most 1 MiB", `${line.bytes.length} bytes`);
    if (line.torn) fail("tail.torn", "The last line has no end.", "a line feed", "the end of the file");
    let text;
    try {
      text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(line.bytes);
    } catch {
      fail("line.utf8", "The line is not text.", "UTF-8", "other bytes");
    }
    const stated = /,"entry_hash":"([0-9a-f]{64})"\}$/.exec(text);
    if (stated && stated[1] !== line.hash) fail("chain.hash", "The line is not what was recorded.", stated[1], line.hash);
    const version = /^\{"v":([0-9]+),/.exec(text);
    if (version && version[1] !== "1") fail("line.version", "The line has another version.", "1", version[1]);
    const parts = FORM.exec(text);
    if (!parts) fail("line.malformed", "The line has not the form of a line.", "the form of LINE-1", text.slice(0, 80));
    const [, seq, index, count, timestamp, operation, data, prev, hash] = parts;
    try { JSON.parse(data); } catch { fail("line.data", "The data of the line are no JSON.", "JSON", data.slice(0, 80)); }
    if (seq !== String(number)) fail("chain.sequence", "A line is missing, or too many.", `number ${number}`, `number ${seq}`);
    if (prev !== chain.head) fail("chain.link", "The line does not follow the one before it.", chain.head, prev);
    const place = `${index} of ${count}`;
    const due = chain.index < chain.count ? `${chain.index + 1} of ${chain.count}` : `1 of ${count}`;
    if (place !== due || Number(index) > Number(count) || Number(index) > number) fail("chain.batch", "The line has another place in its batch.", due, place);
    if (timestamp < chain.time) fail("chain.time", "The line is older than the one before it.", `${chain.time} or later`, timestamp);
    if (line.row) {
      const { first, last, operation: shown, time } = line.row.dataset;
      if (shown !== operation || number < Number(first) || number > Number(last) || (time && time !== timestamp)) {
        fail("page.shown", "The page says something else of the entry than its line.", `${number}, ${operation}, ${timestamp}`, `${first}, ${shown}, ${time || ""}`);
      }
    }
    if (number === 1) chain.founding = data;
    if (chain.first) chain.origin = hash;
    if (index === count) chain.first = false;
    Object.assign(chain, { lines: number, head: hash, index: Number(index), count: Number(count), time: timestamp });
    chain.hashes.push(hash);
  };

  const follow = async (source, total, progress) => {
    const chain = { lines: 0, head: ZEROS, index: 0, count: 0, time: "", first: true, origin: ZEROS, founding: "{}", hashes: [] };
    let slice = [];
    const settle = async () => {
      const hashes = await Promise.all(slice.map((line) => sha256(line.bytes.subarray(0, Math.max(0, line.bytes.length - 81)))));
      slice.forEach((line, index) => {
        line.hash = hex(hashes[index]);
        read(line, chain);
      });
      slice = [];
      progress(chain.lines, total);
      await pause();
    };
    for await (const line of source) {
      slice.push(line);
      if (slice.length === SLICE) await settle();
    }
    await settle();
    if (chain.index !== chain.count) throw new Problem(chain.lines, "replay.incomplete-batch", "The last batch is not complete.", `${chain.count} lines`, `${chain.index}`);
    return chain;
  };

  // The root of RFC 6962 over the first hashes: level by level, an odd one goes up as it is.
  const merkle = async (hashes, progress) => {
    const join = (parts) => {
      const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
      let at = 0;
      for (const part of parts) { bytes.set(part, at); at += part.length; }
      return bytes;
    };
    const all = async (inputs) => {
      const out = [];
      for (let from = 0; from < inputs.length; from += 1024) {
        const digests = await Promise.all(inputs.slice(from, from + 1024).map((input) => sha256(input())));
        for (const digest of digests) out.push(new Uint8Array(digest));
        progress(out.length, inputs.length);
        await pause();
      }
      return out;
    };
    const leaf = Uint8Array.of(0), inner = Uint8Array.of(1);
    let level = await all(hashes.map((hash) => () => join([leaf, unhex(hash)])));
    if (!level.length) return hex(await sha256(new Uint8Array(0)));
    while (level.length > 1) {
      const pairs = [];
      for (let left = 0; left + 1 < level.length; left += 2) {
        const one = level[left], other = level[left + 1];
        pairs.push(() => join([inner, one, other]));
      }
      const odd = level.length % 2 ? [level[level.length - 1]] : [];
      level = [...(await all(pairs)), ...odd];
    }
    return hex(level[0]);
  };

  const parseNote = (text) => {
    const [origin, size, root] = text.trim().split("\n").map((line) => line.trim());
    const parts = /^althing\/v1\/([0-9a-f]{64})\/([0-9a-f]{64})$/.exec(origin || "");
    if (!parts || !/^[1-9][0-9]{0,15}$/.test(size || "") || !/^[A-Za-z0-9+/]{43}=$/.test(root || "")) return null;
    return { ledger: parts[1], origin: parts[2], size: Number(size), root: hex(Uint8Array.from(atob(root), (c) => c.charCodeAt(0))) };
  };

  const result = byId("verify-result");
  const show = (good, what, expected, found) => {
    const item = make("li");
    item.append(make("span", good ? "holds" : "differs", `badge ${good ? "good" : "bad"}`));
    const words = make("div");
    words.append(make("p", what));
    if (!good) {
      for (const [name, value] of [["expected", expected], ["found", found]]) {
        const line = make("p", `${name} `, "quiet");
        line.append(make("code", String(value)));
        words.append(line);
      }
    }
    item.append(words);
    return item;
  };

  const compareNote = async (name, text, chain, progress) => {
    const note = parseNote(text);
    if (!note) return show(false, `${name} is none.`, "a checkpoint of a ledger", text.slice(0, 60));
    const ledger = hex(await sha256(encoder.encode(JSON.stringify(JSON.parse(chain.founding).statement))));
    if (note.ledger !== ledger || note.origin !== chain.origin) {
      return show(false, `${name} is of another ledger.`, `${note.ledger} / ${note.origin}`, `${ledger} / ${chain.origin}`);
    }
    if (note.size > chain.lines) return show(false, `${name} is over more entries: the end was cut off.`, `${note.size} entries`, `${chain.lines} entries`);
    const root = await merkle(chain.hashes.slice(0, note.size), progress);
    return show(root === note.root, `${name}: the Merkle root over its ${note.size} entries.`, note.root, root);
  };

  const mark = (problem) => {
    for (const row of document.querySelectorAll("#timeline-rows > li")) {
      if (Number(row.dataset.first) > problem.line || Number(row.dataset.last) < problem.line) continue;
      row.classList.add("bad");
      row.hidden = false;
      const bytes = row.querySelector("details.bytes");
      if (bytes) bytes.open = true;
      const words = make("div", undefined, "problem");
      words.append(make("p", `Entry ${problem.line}: ${problem.message} [${problem.code}]`));
      for (const [name, value] of [["expected", problem.expected], ["found", problem.found]]) {
        const line = make("p", `${name} `);
        line.append(make("code", String(value)));
        words.append(line);
      }
      row.prepend(words);
      return row.id;
    }
    return null;
  };

  const report = (good, title, items) => {
    result.replaceChildren();
    const head = make("p", undefined, `notice ${good ? "good" : "bad"}`);
    head.append(make("strong", title));
    result.append(head);
    if (items.length) {
      const list = make("ul");
      list.append(...items);
      result.append(list);
    }
    return head;
  };

  const verify = async () => {
    for (const row of document.querySelectorAll(".entry.bad")) {
      row.classList.remove("bad");
      row.querySelector(".problem").remove();
    }
    const progress = (done, total) => {
      byId("verify-bar").max = Math.max(total, 1);
      byId("verify-bar").value = done;
      byId("verify-count").textContent = `${done} of ${total}`;
    };
    const files = byId("verify-files").files;
    const { entries, head, root, lines } = verifier.dataset;
    if (!files.length && lines === "none") {
      report(false, "The lines do not stand in this page: choose the ledger's files.", []);
      return;
    }
    const chain = await follow(files.length ? linesOfFiles(files) : linesOfPage(), Number(entries), progress);
    const computed = await merkle(chain.hashes, progress);
    const items = [
      show(true, `Every hash, link, number, batch and time of ${chain.lines} lines.`),
      show(String(chain.lines) === entries, "The number of entries.", entries, chain.lines),
      show(chain.head === head, "The head: the hash of the last line.", head, chain.head),
      show(computed === root, "The Merkle root over all lines.", root, computed),
    ];
    const notes = [["The checkpoint of this page", byId("checkpoint-note")?.textContent], ["Your checkpoint", byId("verify-note").value]];
    for (const [name, text] of notes) {
      if (text && text.trim()) items.push(await compareNote(name, text, chain, progress));
    }
    const good = items.every((item) => item.querySelector(".badge.good"));
    report(good, good ? `Your browser verified all ${chain.lines} lines.` : "The lines fit together, but not with what they are compared with.", items);
  };

  byId("verify-start").addEventListener("click", async (event) => {
    const button = event.currentTarget;
    if (!globalThis.crypto?.subtle) {
      report(false, "This browser gives no hashes to pages that come over plain http. Open the page over https, from localhost, or as a file.", []);
      return;
    }
    button.disabled = true;
    byId("verify-progress").hidden = false;
    result.replaceChildren();
    try {
      await verify();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      const id = byId("verify-files").files.length ? null : mark(problem);
      const item = show(false, `${problem.message} [${problem.code}]`, problem.expected, problem.found);
      const notice = report(false, `Entry ${problem.line} does not hold. `, [item]);
      if (id) {
        const link = make("a", "See it at its place.");
        link.href = `#${id}`;
        notice.append(link);
      }
    } finally {
      button.disabled = false;
      byId("verify-progress").hidden = true;
    }
  });
})();
