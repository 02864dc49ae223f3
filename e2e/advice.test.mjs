// Advice: asked for with a button, computed beside the page, stopped at any time, and traceable to its figures.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import axe from "axe-core";
import { stage } from "./lib/browser.mjs";

let set;
before(async () => { set = await stage(); });
after(async () => { await set?.close(); });

const hook = (page, name) => page.locator(`[data-testid="${name}"]`).first();
const fixture = (name) => readFileSync(new URL(`fixtures/${name}`, import.meta.url));
const QUESTIONS = ["What was simulated", "How far is this traffic from its ceiling?", "What to turn on first?",
  "How much KV memory?", "How many replicas?", "What sets it up?"];

/** Asks about the set that is chosen, and waits for the answer. */
async function ask(page, objectives, millis = 120_000) {
  await hook(page, "advice-slo").fill(objectives);
  await hook(page, "advise").click();
  await hook(page, "advice").waitFor({ timeout: millis });
  return hook(page, "advice").innerText();
}

test("a bundled set is advised on, in the words of the command line", async () => {
  const { page, errors, foreign, close } = await set.open();
  await page.locator("#advice").scrollIntoViewIfNeeded();
  const text = await ask(page, "ttft_ms.p95<=1000");
  const heads = await page.locator('[data-testid="advice"] h3').allInnerTexts();
  assert.deepEqual(heads.slice(0, QUESTIONS.length), QUESTIONS);
  assert.match(text, /Simulated, not measured: 2,146 calls of 29 sessions/);
  assert.match(text, /2 replicas with 800,000 KV tokens \(110 GiB, 147,456 bytes a token\) each/);
  assert.match(text, /profile h200-qwen3-4b, estimated/);
  assert.match(text, /This page rests on \d+ simulations/);
  assert.match(text, /--enable-prefix-caching/);
  // Every sentence can be followed to a figure.
  const because = page.locator('[data-testid="advice"] details');
  assert.ok((await because.count()) >= 4, "no figures behind the sentences");
  await because.first().locator("summary").click();
  assert.match(await because.first().innerText(), /simulated/);
  assert.deepEqual(foreign, []);
  assert.deepEqual(errors, []);
  await close();
});

test("a dropped trace is advised on and stays here", async () => {
  const { page, errors, foreign, close } = await set.open();
  await hook(page, "file-input").setInputFiles({ name: "mine.jsonl", mimeType: "text/plain", buffer: fixture("mooncake.jsonl") });
  await hook(page, "own-advise").click();
  assert.equal(await hook(page, "advice-set").inputValue(), "your-trace");
  const text = await ask(page, "");
  assert.match(text, /4 calls of 4 sessions/);
  assert.match(text, /An infinite shared cache would find 55\.9 %/);
  assert.match(text, /single requests only/);
  assert.deepEqual(foreign, []);
  assert.deepEqual(errors, []);
  await close();
});

test("it can be stopped, asked again with the keyboard, and a wrong objective is named", async () => {
  const { page, errors, close } = await set.open();
  await page.locator("#advice").scrollIntoViewIfNeeded();
  await hook(page, "advise").focus();
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector('[data-testid="advise"]').textContent === "Stop");
  await page.waitForFunction(() => /simulations? done, now/.test(document.querySelector('[data-testid="advice-status"]').textContent), null, { timeout: 60_000 });
  assert.equal(await page.evaluate(() => document.activeElement.dataset.testid), "advise", "the focus is lost");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector('[data-testid="advise"]').textContent === "Advise");
  assert.equal(await hook(page, "advice-status").innerText(), "");
  await page.waitForTimeout(500);
  assert.equal(await hook(page, "advice").count() + await hook(page, "advice-error").count(), 0, "a stopped worker answered");
  await hook(page, "advice-slo").fill("ttft.p99<=1");
  await hook(page, "advise").click();
  await hook(page, "advice-error").waitFor({ timeout: 30_000 });
  assert.match(await hook(page, "advice-error").innerText(), /unknown metric `ttft`/);
  assert.deepEqual(errors, []);
  await close();
});

for (const [width, colorScheme] of [[360, "light"], [1280, "dark"]]) {
  test(`the answer is accessible and fits at ${width} px, ${colorScheme}`, async () => {
    const { page, close } = await set.open("", { colorScheme, viewport: { width, height: 900 } });
    await hook(page, "file-input").setInputFiles({ name: "mine.jsonl", mimeType: "text/plain", buffer: fixture("mooncake.jsonl") });
    await hook(page, "own-advise").click();
    await ask(page, "ttft_ms.p95<=1000");
    for (const summary of await page.locator('[data-testid="advice"] summary').all()) await summary.click();
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 0, `${wide} px too wide`);
    await page.evaluate(axe.source);
    const found = await page.evaluate(() => window.axe.run("#advice", { runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"] } }));
    assert.deepEqual(found.violations.map((one) => `${one.id}: ${one.nodes[0].target.join(" ")}`), []);
    await close();
  });
}
