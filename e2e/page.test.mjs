// The built page as a reader meets it: it starts, every section is there, and it speaks to nobody else.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { stage } from "./lib/browser.mjs";
import { PREFIX } from "./lib/server.mjs";

const SECTIONS = ["overview", "results", "explorer", "shapes", "your-trace", "advice", "appendix"];

let set;
before(async () => { set = await stage(); });
after(async () => { await set?.close(); });

test("starts from a sub-path, without an error and without a request to another origin", async () => {
  const { page, errors, foreign, close } = await set.open();
  assert.match(await page.title(), /Agent Trace Runtime/);
  await page.waitForLoadState("networkidle");
  assert.deepEqual(errors, [], "console errors");
  assert.deepEqual(foreign, [], "requests to other origins");
  assert.deepEqual(set.server.asked.filter((path) => !path.startsWith(PREFIX) && path !== "/favicon.ico"), []);
  await close();
});

test("every section opens from the navigation and has a heading", async () => {
  const { page, errors, close } = await set.open();
  for (const id of SECTIONS) {
    await page.locator(`nav a[href="#${id}"]`).first().click();
    const section = page.locator(`#${id}`);
    await section.scrollIntoViewIfNeeded();
    assert.ok(await section.isVisible(), `#${id} is not visible`);
    const heading = await section.locator("h2").first().innerText();
    assert.ok(heading.trim().length > 0, `#${id} has no heading`);
    assert.equal(new URL(page.url()).hash, `#${id}`);
  }
  assert.deepEqual(errors, []);
  await close();
});

test("the paper can be read without JavaScript", async () => {
  const context = await set.browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(set.server.address);
  assert.ok(await page.locator("h1").isVisible());
  assert.ok(await page.locator("figure svg").first().isVisible(), "the hero figure is not in the page itself");
  assert.match(await page.locator("main").innerText(), /JavaScript/);
  await context.close();
});

test("every figure is drawn, named, and says where its numbers come from", async () => {
  const { page, close } = await set.open();
  for (const name of ["race", "latency", "sweep", "strips"]) {
    const figure = page.locator(`[data-testid="figure-${name}"]`);
    await figure.scrollIntoViewIfNeeded();
    const canvas = figure.locator("canvas").first();
    assert.equal(await canvas.getAttribute("role"), "img", `${name}: role`);
    assert.ok((await canvas.getAttribute("aria-label"))?.length > 20, `${name}: label`);
    await assertInk(canvas, name);
    const badge = figure.locator(".badge[data-origin]").first();
    assert.match(await badge.getAttribute("data-origin"), /^(measured|simulated|published|estimated|computed)/, name);
    assert.ok(await figure.locator('[data-testid="table-view"]').count(), `${name}: no table view`);
  }
  await close();
});

test("the table view holds the numbers, and the downloads hold data", async () => {
  const { page, close } = await set.open();
  const figure = page.locator('[data-testid="figure-latency"]');
  const opener = figure.locator('[data-testid="table-view"]');
  assert.equal(await opener.getAttribute("aria-expanded"), "false");
  await opener.click();
  assert.equal(await opener.getAttribute("aria-expanded"), "true");
  const rows = await page.locator("#table-latency tbody tr").count();
  assert.ok(rows >= 5, `expected a row a policy, found ${rows}`);
  for (const [hook, pattern] of [["download-csv", /,/], ["download-svg", /<svg/]]) {
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      figure.locator(`[data-testid="${hook}"]`).first().click(),
    ]);
    const chunks = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk);
    assert.match(Buffer.concat(chunks).toString("utf8"), pattern, hook);
  }
  await close();
});

/** A canvas that was drawn on holds more than one colour. */
async function assertInk(canvas, name) {
  const drawn = () => canvas.evaluate((element) => {
    const { width, height } = element;
    const { data } = element.getContext("2d").getImageData(0, 0, width, height);
    const seen = new Set();
    for (let at = 0; at < data.length && seen.size < 4; at += 4) {
      seen.add(`${data[at]},${data[at + 1]},${data[at + 2]},${data[at + 3]}`);
    }
    return seen.size;
  });
  for (let attempt = 0; attempt < 50; attempt += 1) {
    if ((await drawn()) >= 4) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`${name}: nothing was drawn`);
}
