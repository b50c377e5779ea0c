"use strict";
// Everything here can be done without. In a page of a server there is less of it to do. It filters the timeline by words, unfolds what a link leads to,
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

  // On a narrow screen the way to the present page may be out of sight.
  const here = document.querySelector("body > nav [aria-current]");
  if (here) here.closest("ol").scrollLeft = here.offsetLeft - 20;

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

  class Unanswered extends Error {
    constructor(what, found) {
      super(`The server did not give ${what}: ${found}.`);
    }
  }

  const joined = (parts) => {
    const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
    let at = 0;
    for (const part of parts) { bytes.set(part, at); at += part.length; }
    return bytes;
  };

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

  async function* bytesOfFiles(files) {
    const sorted = [...files].sort((one, other) => (one.name < other.name ? -1 : 1));
    for (const file of sorted) {
      for (let start = 0; start < file.size; start += MAX_LINE) {
        yield new Uint8Array(await file.slice(start, start + MAX_LINE).arrayBuffer());
      }
    }
  }

  // What the server answers; it may be busy for a moment.
  const ask = async (path) => {
    for (let wait = 500; ; wait *= 2) {
      const answer = await fetch(path, { cache: "no-store" }).catch(() => null);
      if (answer?.ok) return answer;
      const busy = !answer || answer.status === 429 || answer.status === 503;
      if (!busy || wait > 8000) throw new Unanswered(path, answer ? `status ${answer.status}` : "nothing");
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  };

  // The bytes of the ledger's files as they arrive; nothing of them is kept.
  async function* bytesOfServer(segments) {
    for (const { name, bytes } of segments) {
      let got = 0;
      const reader = (await ask(`/v1/segments/${encodeURIComponent(name)}`)).body.getReader();
      while (got < bytes) {
        const { done, value } = await reader.read().catch(() => ({ done: true }));
        if (done) throw new Unanswered(name, `${got} of ${bytes} bytes`);
        yield value.subarray(0, bytes - got);
        got += value.length;
      }
      // The last file may have grown meanwhile.
      await reader.cancel().catch(() => {});
    }
  }

  async function* linesOf(chunks) {
    let rest = new Uint8Array(0);
    for await (const chunk of chunks) {
      const bytes = rest.length ? joined([rest, chunk]) : chunk;
      let from = 0;
      for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
        yield { bytes: bytes.slice(from, end) };
        from = end + 1;
      }
      rest = bytes.slice(from);
      if (rest.length > MAX_LINE) break;
    }
    if (rest.length) yield { bytes: rest, torn: true };
  }

  // What a line says, once its hash is known to be right.
  const read = (line, chain) => {
    const number = chain.lines + 1;
    const fail = (code, what, expected, found) => { throw Object.assign(new Problem(number, code, what, expected, found), { bytes: line.bytes }); };
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
    return unhex(hash);
  };

  // The tree of RFC 6962 as it grows: at each level at most one hash waits for its neighbour.
  const LEAF = Uint8Array.of(0), INNER = Uint8Array.of(1);
  const digests = async (inputs) => (await Promise.all(inputs.map(sha256))).map((digest) => new Uint8Array(digest));

  const grow = async (tree, leaves) => {
    let fresh = await digests(leaves.map((leaf) => joined([LEAF, leaf])));
    for (let level = 0; fresh.length; level += 1) {
      const row = [...(tree[level] ? [tree[level]] : []), ...fresh];
      const pairs = [];
      for (let left = 0; left + 1 < row.length; left += 2) pairs.push(joined([INNER, row[left], row[left + 1]]));
      tree[level] = row.length % 2 ? row[row.length - 1] : null;
      fresh = await digests(pairs);
    }
  };

  const rootOf = async (tree) => {
    let root = null;
    for (const waiting of tree) {
      if (waiting) root = root ? (await digests([joined([INNER, waiting, root])]))[0] : waiting;
    }
    return hex(root || await sha256(new Uint8Array(0)));
  };

  // Follows the chain. At each of `sizes` it puts down what the head and the root are there.
  const follow = async (source, sizes, total, progress) => {
    const chain = { lines: 0, head: ZEROS, index: 0, count: 0, time: "", first: true, origin: ZEROS, founding: "{}", at: new Map() };
    const tree = [];
    let slice = [];
    const settle = async () => {
      const hashes = await Promise.all(slice.map((line) => sha256(line.bytes.subarray(0, Math.max(0, line.bytes.length - 81)))));
      let leaves = [];
      for (const [index, line] of slice.entries()) {
        line.hash = hex(hashes[index]);
        leaves.push(read(line, chain));
        if (!sizes.has(chain.lines)) continue;
        await grow(tree, leaves);
        leaves = [];
        chain.at.set(chain.lines, { head: chain.head, root: await rootOf(tree) });
      }
      await grow(tree, leaves);
      slice = [];
      progress(chain.lines, total);
      await pause();
    };
    try {
      for await (const line of source) {
        slice.push(line);
        if (slice.length === SLICE) await settle();
      }
    } finally {
      // A line that does not hold counts more than an answer that breaks off behind it.
      await settle();
    }
    if (chain.index !== chain.count) throw new Problem(chain.lines, "replay.incomplete-batch", "The last batch is not complete.", `${chain.count} lines`, `${chain.index}`);
    chain.root = await rootOf(tree);
    return chain;
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

  const compareNote = async (name, note, text, chain) => {
    if (!note) return show(false, `${name} is none.`, "a checkpoint of a ledger", text.slice(0, 60));
    const ledger = hex(await sha256(encoder.encode(JSON.stringify(JSON.parse(chain.founding).statement))));
    if (note.ledger !== ledger || note.origin !== chain.origin) {
      return show(false, `${name} is of another ledger.`, `${note.ledger} / ${note.origin}`, `${ledger} / ${chain.origin}`);
    }
    if (note.size > chain.lines) return show(false, `${name} is over more entries: the end was cut off.`, `${note.size} entries`, `${chain.lines} entries`);
    const { root } = chain.at.get(note.size);
    return show(root === note.root, `${name}: the Merkle root over its ${note.size} entries.`, note.root, root);
  };

  // Shows a problem at the row that it is about: one of the page, or one that is made for it.
  const mark = (problem) => {
    const rows = document.querySelectorAll("#timeline-rows > li");
    const row = [...rows].find(({ dataset }) => Number(dataset.first) <= problem.line && problem.line <= Number(dataset.last)) || made(problem);
    if (!row) return null;
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
  };

  // The row of a line that the page does not show.
  const made = (problem) => {
    const list = byId("verify-place");
    if (!list || !problem.bytes) return null;
    const row = make("li", undefined, "entry");
    row.id = `entry-${problem.line}`;
    const text = new TextDecoder().decode(problem.bytes.subarray(0, 1 << 16));
    const place = make("p", undefined, "what");
    const link = make("a", "Its place in the timeline");
    link.href = `/timeline?before=${problem.line + 1}`;
    place.append(link);
    // What can't be seen stands as its number.
    const shown = text.replace(/[\p{Cc}\p{Cf}]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
    const pre = make("pre", shown, "lines");
    pre.tabIndex = 0;
    const details = make("details", undefined, "bytes");
    details.append(make("summary", "line"), pre);
    row.append(make("span", String(problem.line), "seq"), place, details);
    list.append(row);
    return row;
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

  const LINES = { page: () => linesOfPage(), none: () => null };

  // Where the lines come from, how many there will be, and the checkpoint that comes with them.
  const source = async () => {
    const files = byId("verify-files").files;
    const { entries, lines } = verifier.dataset;
    if (files.length) return { lines: linesOf(bytesOfFiles(files)), total: Number(entries) };
    if (lines !== "server") return { lines: LINES[lines](), total: Number(entries) };
    const note = await (await ask("/v1/checkpoint")).text();
    const { head, segments } = await (await ask("/v1/segments")).json();
    return { lines: linesOf(bytesOfServer(segments)), total: head, served: true, note };
  };

  const verify = async () => {
    for (const row of document.querySelectorAll(".entry.bad")) {
      row.classList.remove("bad");
      row.querySelector(".problem").remove();
    }
    byId("verify-place")?.replaceChildren();
    const progress = (done, total) => {
      byId("verify-bar").max = Math.max(total, 1);
      byId("verify-bar").value = done;
      byId("verify-count").textContent = `${done} of ${total}`;
    };
    const { entries, head, root } = verifier.dataset;
    const { lines, total, served, note } = await source();
    if (!lines) {
      report(false, "The lines do not stand in this page: choose the ledger's files.", []);
      return;
    }
    const texts = [["The checkpoint of this page", byId("checkpoint-note")?.textContent], ["The server's own checkpoint", note],
                   ["Your checkpoint", byId("verify-note").value]];
    const notes = texts.filter(([, text]) => text && text.trim()).map(([name, text]) => [name, parseNote(text), text]);
    const sizes = new Set([Number(entries), ...notes.map(([, note]) => note?.size)]);
    const chain = await follow(lines, sizes, total, progress);
    const more = served && chain.lines > Number(entries);
    const there = (more && chain.at.get(Number(entries))) || { head: chain.head, root: chain.root };
    const items = [
      show(true, `Every hash, link, number, batch and time of ${chain.lines} lines.`),
      show(more || String(chain.lines) === entries, more ? `The number of entries: ${entries} when the page was made, and ${chain.lines - entries} since.` : "The number of entries.", entries, chain.lines),
      show(there.head === head, "The head: the hash of the last line.", head, there.head),
      show(there.root === root, "The Merkle root over all lines.", root, there.root),
    ];
    for (const [name, note, text] of notes) items.push(await compareNote(name, note, text, chain));
    const good = items.every((item) => item.querySelector(".badge.good"));
    const told = report(good, good ? `Your browser verified all ${chain.lines} lines.` : "The lines fit together, but not with what they are compared with.", items);
    if (good && served && !byId("verify-note").value.trim()) {
      told.append(" That is what the server says about itself. With a checkpoint that you hold it is more than that.");
    }
  };

  byId("verify-note-file")?.addEventListener("change", async (event) => {
    const [file] = event.currentTarget.files;
    if (file) byId("verify-note").value = await file.slice(0, MAX_LINE).text();
  });

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
      if (problem instanceof Unanswered) {
        report(false, `${problem.message} Nothing is shown by that; try again.`, []);
        return;
      }
      if (!(problem instanceof Problem)) throw problem;
      const isBelow = Boolean(byId("verify-place"));
      const id = byId("verify-files").files.length && !isBelow ? null : mark(problem);
      const items = id && isBelow ? [] : [show(false, `${problem.message} [${problem.code}]`, problem.expected, problem.found)];
      const notice = report(false, `Entry ${problem.line} does not hold. `, items);
      if (id && isBelow) {
        notice.append(`Those before it do. ${problem.message}`);
      } else if (id) {
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
