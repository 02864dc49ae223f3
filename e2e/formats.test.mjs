// Every importer's format in the page: one file each, several as one set, a folder; texts on demand, for the own file only.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { settled, stage } from "./lib/browser.mjs";

const SEEDS = fileURLToPath(new URL("../fuzz/seeds/", import.meta.url));

let set;
before(async () => { set = await stage(); });
after(async () => { await set?.close(); });

const hook = (page, name) => page.locator(`[data-testid="${name}"]`).first();
const seed = (format, name) => path.join(SEEDS, format, name);
const choose = (page, files) => hook(page, "file-input").setInputFiles(files);

/** The text of a place once it says what is expected; the failure shows what it said instead. */
async function told(place, pattern) {
  let text = "";
  for (let attempt = 0; attempt < 100; attempt += 1) {
    text = (await place.count()) > 0 ? await place.innerText() : "";
    if (pattern.test(text)) return text;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`it never said ${pattern}; it said: ${text || "nothing"}`);
}

/** The number that stands under a name in a list of facts. */
async function fact(page, name) {
  const terms = await page.locator('[data-testid="own-summary"] .facts div').allInnerTexts();
  const found = terms.find((text) => text.startsWith(`${name}\n`));
  return Number(found?.split("\n")[1].replace(/\D/g, ""));
}

// How many calls each file holds, counted by hand; null where that is a matter of what counts as one.
const FILES = [
  ["atif", "behind-synthetic.jsonl", null],
  ["atr", "two-synthetic.ndjson", 3],
  ["azure", "rows-synthetic.csv", 4],
  ["bailian", "chats-synthetic.jsonl", 6],
  ["burstgpt", "rows-synthetic.csv", null],
  ["claude-code", "session-synthetic.jsonl", null],
  ["kv-cache-tester", "trace-synthetic.json", null],
  ["lmcache", "messages-synthetic.jsonl", 2],
  ["mini-swe-agent", "run-synthetic.json", null],
  ["mooncake", "lines-synthetic.jsonl", 6],
  ["openai-log", "chat-synthetic.jsonl", 2],
  ["openhands", "output-synthetic.jsonl", null],
  ["otel", "otlp-synthetic.json", null],
  ["swe-agent", "old-synthetic.json", null],
  ["vllm-log", "server-synthetic.log", 3],
];

test("the page names every format that there are seeds for, and no other", async () => {
  const { page, close } = await set.open();
  const names = await page.locator('[data-testid="formats"] dt').allTextContents();
  assert.deepEqual(names.sort(), readdirSync(SEEDS).filter((name) => !["detect", "ndjson"].includes(name)).sort());
  const tried = new Set(FILES.map(([format]) => format));
  assert.deepEqual(names.filter((name) => !tried.has(name)), [], "formats that no file is dropped of");
  await close();
});

for (const [format, name, calls] of FILES) {
  test(`a file of ${format} is read, counted and simulated`, async () => {
    const { page, errors, close } = await set.open();
    await choose(page, seed(format, name));
    await told(hook(page, "own-summary"), /Calls\n/);
    const text = await hook(page, "own-summary").innerText();
    assert.match(text, new RegExp(`${name.replaceAll(".", "\\.")}: read as ${format}, `));
    assert.ok((await fact(page, "Calls")) >= 1 && (await fact(page, "Sessions")) >= 1, text);
    if (calls !== null) assert.equal(await fact(page, "Calls"), calls);
    await hook(page, "figure-own-latency").locator("canvas").waitFor();
    await hook(page, "own-explore").click();
    await told(hook(page, "session-summary"), /\d prompt tokens/);
    for (const empty of await page.locator("#explorer .facts dd").allInnerTexts()) assert.notEqual(empty.trim(), "");
    assert.deepEqual(errors, []);
    await close();
  });
}

test("several files of several formats are one set, and what is none is named", async () => {
  const { page, close } = await set.open();
  await choose(page, seed("mooncake", "lines-synthetic.jsonl"));
  await told(hook(page, "own-summary"), /mooncake/);
  await page.waitForLoadState("networkidle");
  const asked = set.server.asked.length;
  const files = [["claude-code", "session-synthetic.jsonl"], ["swe-agent", "old-synthetic.json"]].map(([a, b]) => seed(a, b));
  await choose(page, [...files, fileURLToPath(new URL("fixtures/not-a-trace.csv", import.meta.url))]);
  const text = await told(hook(page, "own-summary"), /Sessions\n2\b/);
  assert.match(text, /claude-code \(1 file\)/);
  assert.match(text, /swe-agent \(1 file\)/);
  assert.match(text, /1 record left out[^]*not-a-trace\.csv: no known trace format/);
  await page.waitForTimeout(300);
  assert.deepEqual(set.server.asked.slice(asked), [], "requests after the files were chosen");
  await close();
});

test("two files that call their session alike stay two sessions", async () => {
  const { page, close } = await set.open();
  const bytes = readFileSync(seed("swe-agent", "old-synthetic.json"));
  const file = (name) => ({ name, mimeType: "application/json", buffer: bytes });
  await choose(page, [file("run.traj"), { ...file("run.traj"), name: "run.traj" }]);
  await told(hook(page, "own-summary"), /Sessions\n2\b[^]*Duplicates\n1\b/);
  await hook(page, "own-explore").click();
  const heads = page.locator('[data-testid="session-table"] tbody th');
  await heads.nth(1).waitFor();
  const names = await heads.allInnerTexts();
  assert.equal(new Set(names).size, 2, names.join(", "));
  await close();
});

test("a folder is walked through, by its button and when it is dropped", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "atr-"));
  try {
    cpSync(seed("swe-agent", "old-synthetic.json"), path.join(folder, "runs/deep/a.traj"), { recursive: true });
    cpSync(seed("mini-swe-agent", "run-synthetic.json"), path.join(folder, "runs/b.traj.json"), { recursive: true });
    const { page, errors, close } = await set.open();
    await hook(page, "folder-input").setInputFiles(path.join(folder, "runs"));
    const chosen = await told(hook(page, "own-summary"), /Sessions\n2\b/);
    assert.match(chosen, /runs\/ \(2 files\)/);
    await dropFromDisk(page, [path.join(folder, "runs"), seed("claude-code", "session-synthetic.jsonl")]);
    const dropped = await told(hook(page, "own-summary"), /Sessions\n3\b/);
    assert.match(dropped, /claude-code \(1 file\)/);
    assert.deepEqual(errors, []);
    await close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** Drops files and folders as the system's file manager would. */
async function dropFromDisk(page, files) {
  await hook(page, "drop-zone").scrollIntoViewIfNeeded();
  const box = await hook(page, "drop-zone").boundingBox();
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files, dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"]) {
    await session.send("Input.dispatchDragEvent", { type, x: box.x + 20, y: box.y + 20, data });
  }
}

test("the inspector shows the texts of the reader's own file, long ones cut, and those of no other set", async () => {
  const { page, errors, close } = await set.open();
  const turn = hook(page, "turn");
  // Sections that the way to the explorer passes bring reports of their own.
  for (const [section, brought] of [["#shapes", /shapes\.json$/], ["#failures", /failures\.json$/], ["#your-trace", /atr-reader_bg\.wasm$/]]) {
    await page.locator(section).scrollIntoViewIfNeeded();
    await settled(set.server, brought);
  }
  await told(turn, /What call \d+ sends/);
  assert.equal(await turn.locator("pre").count(), 0, "a bundled set shows a text");
  const long = `${"word ".repeat(1_000)}the end`;
  const line = JSON.stringify({
    model: "m", request: { model: "m", messages: [{ role: "system", content: "be brief" }, { role: "user", content: long }] },
    response: { choices: [{ message: { role: "assistant", content: "an answer of ours" } }], usage: { prompt_tokens: 1010, completion_tokens: 4 } },
  });
  const asked = set.server.asked.length;
  await choose(page, { name: "chat.jsonl", mimeType: "text/plain", buffer: Buffer.from(`${line}\n`) });
  await hook(page, "own-summary").waitFor();
  await hook(page, "own-explore").click();
  const text = await told(turn, /an answer of ours/);
  assert.match(text, /be brief/);
  assert.match(text, /\[…\]/);
  assert.doesNotMatch(text, /the end/);
  const all = hook(page, "text-all");
  await all.focus();
  await page.keyboard.press("Enter");
  await told(turn, /the end/);
  assert.deepEqual(set.server.asked.slice(asked), [], "requests after the file was chosen");
  assert.deepEqual(errors, []);
  await close();
});

test("breaks are listed and lead to their calls by keyboard", async () => {
  const { page, close } = await set.open("?session=trace_0002#explorer");
  const list = hook(page, "breaks");
  await told(list, /computed again because of that/);
  const first = list.locator("li button").first();
  const number = Number((await first.innerText()).replace(/\D/g, ""));
  await first.focus();
  await page.keyboard.press("Enter");
  await told(hook(page, "session-summary"), new RegExp(`^Call ${number} of [^]*The prefix of call \\d+ broke`));
  assert.equal(await first.getAttribute("aria-current"), "step");
  await close();
});

test("single requests are told as such, and what does not apply is said", async () => {
  const { page, close } = await set.open("?set=mooncake-conversation#explorer");
  await told(hook(page, "set-limits"), /single requests[^]*do not apply/);
  const text = await told(hook(page, "session-summary"), /^A single request: /);
  assert.doesNotMatch(text, /in the cache|continues/);
  assert.ok(await hook(page, "turn-next").isHidden());
  await close();
});
