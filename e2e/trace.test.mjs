// Your Trace: a dropped file is read in the page and goes nowhere; what cannot be read is named.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { settled, stage } from "./lib/browser.mjs";

let set;
before(async () => { set = await stage(); });
after(async () => { await set?.close(); });

const hook = (page, name) => page.locator(`[data-testid="${name}"]`).first();
const fixture = (name) => readFileSync(new URL(`fixtures/${name}`, import.meta.url));

/** Drops a file as a reader would. */
async function drop(page, name, bytes) {
  const zone = hook(page, "drop-zone");
  await zone.scrollIntoViewIfNeeded();
  const transfer = await page.evaluateHandle(([name, base64]) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name));
    return transfer;
  }, [name, Buffer.from(bytes).toString("base64")]);
  for (const kind of ["dragenter", "dragover", "drop"]) await zone.dispatchEvent(kind, { dataTransfer: transfer });
}

/** The text of a hook once it says what is expected; the failure shows what it said instead. */
const told = (page, name, pattern) => toldBy(hook(page, name), pattern);

async function toldBy(place, pattern) {
  let text = "";
  for (let attempt = 0; attempt < 100; attempt += 1) {
    text = (await place.count()) > 0 ? await place.innerText() : "";
    if (pattern.test(text)) return text;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`it never said ${pattern}; it said: ${text || "nothing"}`);
}

test("a dropped trace shows its numbers and nothing is sent", async () => {
  const { page, errors, foreign, close } = await set.open();
  // The program that reads files comes with the section.
  await hook(page, "drop-zone").scrollIntoViewIfNeeded();
  const asked = await settled(set.server, /atr-reader_bg\.wasm$/);
  await drop(page, "mine.jsonl", fixture("mooncake.jsonl"));
  const text = await told(page, "own-summary", /55\.9/);
  assert.match(text, /mooncake/i, "the format is not named");
  assert.match(text, /\b4\b/, "four calls");
  assert.match(text, /4[,. \u202f\u00a0]?512|4\.5\s?k/i, "1000 + 1500 + 512 + 1500 prompt tokens");
  // Two blocks of 512 and then the whole prompt are found again: (1024 + 1500) of 4512 tokens.
  assert.match(text, /55\.9/, "the ceiling");
  await hook(page, "figure-own-latency").locator("canvas").waitFor({ timeout: 15_000 });
  await page.waitForTimeout(500);
  assert.deepEqual(set.server.asked.slice(asked), [], "requests after the drop");
  assert.deepEqual(foreign, []);
  assert.deepEqual(errors, []);
  await close();
});

test("a file that is no trace gets the importer's own message", async () => {
  const { page, close } = await set.open();
  await drop(page, "not-a-trace.csv", fixture("not-a-trace.csv"));
  const error = hook(page, "own-error");
  await error.waitFor({ timeout: 15_000 });
  const text = await error.innerText();
  assert.match(text, /not-a-trace\.csv/);
  assert.match(text, /no known trace format/);
  assert.match(text, /mooncake/, "the accepted formats are not named");
  assert.equal(await hook(page, "own-summary").count(), 0, "old numbers stay beside an error");
  await close();
});

test("an empty file and a torn gzip file are named", async () => {
  const { page, close } = await set.open();
  await drop(page, "empty.jsonl", Buffer.alloc(0));
  const error = hook(page, "own-error");
  await error.waitFor({ timeout: 15_000 });
  assert.match(await error.innerText(), /empty/);
  const { gzipSync } = await import("node:zlib");
  const whole = gzipSync(fixture("mooncake.jsonl"));
  await drop(page, "torn.jsonl.gz", whole.subarray(0, whole.length / 2));
  // What came before the tear may be kept; that the file is torn must be said either way.
  await toldBy(page.locator("#your-trace"), /torn\.jsonl\.gz[^]*(end|torn|trunc|incomplete|cut)/i);
  await close();
});

test("good records before bad ones are kept, and the bad ones are counted", async () => {
  const { page, close } = await set.open();
  const input = hook(page, "file-input");
  await input.setInputFiles({ name: "broken.jsonl", mimeType: "text/plain", buffer: fixture("broken.jsonl") });
  const summary = hook(page, "own-summary");
  await summary.waitFor({ timeout: 15_000 });
  const section = await page.locator("#your-trace").innerText();
  assert.match(section, /\b2\b[^.]*(skipped|left out|not used|could not)/i, section);
  await close();
});

test("a whole gzip file is unpacked in the page", async () => {
  const { page, close } = await set.open();
  const { gzipSync } = await import("node:zlib");
  await drop(page, "mine.jsonl.gz", gzipSync(fixture("mooncake.jsonl")));
  assert.match(await told(page, "own-summary", /55\.9/), /mine\.jsonl\.gz/);
  await close();
});
