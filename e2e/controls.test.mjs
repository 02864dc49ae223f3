// Controls: a slider changes the result, the address keeps the state, a deep link restores it, a bad one says so.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { stage } from "./lib/browser.mjs";

let set;
before(async () => { set = await stage(); });
after(async () => { await set?.close(); });

const hook = (page, name) => page.locator(`[data-testid="${name}"]`).first();

test("a slider moves and the result is computed anew", async () => {
  const { page, errors, close } = await set.open();
  const slider = hook(page, "slider-concurrency");
  await slider.scrollIntoViewIfNeeded();
  const status = hook(page, "results-status");
  await hook(page, "figure-latency").locator('[data-testid="table-view"]').click();
  const table = page.locator("#table-latency");
  const before = await table.locator("tbody").textContent();
  await slider.focus();
  for (let press = 0; press < 3; press += 1) await page.keyboard.press("ArrowRight");
  await waitFor(async () => /computed now/i.test(await status.innerText()), "the status never said `computed now`");
  await waitFor(async () => (await table.locator("tbody").textContent()) !== before, "the numbers did not change");
  assert.match(await status.innerText(), /\d[\d,\u202f\u00a0 ]* calls/);
  assert.match(new URL(page.url()).search, /concurrency=\d+/);
  assert.deepEqual(errors, []);
  await close();
});

test("a deep link restores its state", async () => {
  const { page, close } = await set.open("?replicas=4&router=least-load&theme=dark");
  assert.equal(await hook(page, "select-router").inputValue(), "least-load");
  assert.equal(await page.locator("html").getAttribute("data-theme"), "dark");
  await waitFor(async () => /computed now/i.test(await hook(page, "results-status").innerText()), "not computed");
  assert.equal(new URL(page.url()).searchParams.get("replicas"), "4");
  assert.equal(await hook(page, "notice").count(), 0);
  await close();
});

test("a link to one call of one session opens there", async () => {
  const { page, close } = await set.open("?session=trace_0002&call=5#explorer");
  const says = async () => (await hook(page, "session-summary").innerText()).startsWith("Call 5 of 33:");
  await waitFor(says, "the summary is not about the call of the link");
  assert.equal(await hook(page, "turn-slider").inputValue(), "5");
  await close();
});

test("a bad value in the address is named, and the page is whole", async () => {
  const { page, errors, close } = await set.open("?replicas=lots&router=teleport");
  const notices = await page.locator('[data-testid="notice"]').allInnerTexts();
  assert.equal(notices.length, 2, notices.join("\n"));
  assert.match(notices.join("\n"), /replicas=lots/);
  assert.match(notices.join("\n"), /router=teleport/);
  assert.match(notices.join("\n"), /round-robin/, "the accepted routers are not named");
  assert.ok(await page.locator("#results canvas").count());
  assert.deepEqual(errors, []);
  await close();
});

test("the race plays, pauses, steps and scrubs", async () => {
  const { page, close } = await set.open("", { reducedMotion: "no-preference" });
  const scrub = hook(page, "race-scrub");
  await scrub.scrollIntoViewIfNeeded();
  const at = async () => Number(await scrub.inputValue());
  await scrub.focus();
  await page.keyboard.press("Home");
  const start = await at();
  await hook(page, "race-play").click();
  await waitFor(async () => (await at()) > start, "playing moved nothing");
  await hook(page, "race-play").click();
  const paused = await at();
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.equal(await at(), paused, "it went on after pause");
  await hook(page, "race-step").click();
  assert.ok((await at()) > paused, "a step moved nothing");
  await hook(page, "race-back").click();
  assert.ok((await at()) <= paused, "a step back moved nothing");
  assert.ok((await hook(page, "race-status").innerText()).length > 10);
  await close();
});

test("under reduced motion the race shows its end", async () => {
  const { page, close } = await set.open("", { reducedMotion: "reduce" });
  const scrub = hook(page, "race-scrub");
  assert.equal(await scrub.inputValue(), await scrub.getAttribute("max"));
  await close();
});

test("the explorer filters, opens a session and steps through its turns by keyboard", async () => {
  const { page, errors, close } = await set.open();
  const table = hook(page, "session-table");
  await table.scrollIntoViewIfNeeded();
  const all = await table.locator("tbody tr").count();
  assert.ok(all > 1, `expected several sessions, found ${all}`);
  await hook(page, "session-filter").fill("no session is called this");
  await waitFor(async () => (await table.locator("tbody tr").count()) < all, "the filter hid nothing");
  await hook(page, "session-filter").fill("");
  const row = table.locator("tbody tr").nth(1);
  const calls = Number(await row.locator("td").first().innerText());
  assert.ok(calls >= 3, `the test needs a session of at least 3 calls, found ${calls}`);
  await row.locator("button, a").first().click();
  const summary = hook(page, "session-summary");
  const says = (call) => async () => (await summary.innerText()).startsWith(`Call ${call} of ${calls}:`);
  await waitFor(says(calls), "the session did not open at its last call");
  await hook(page, "turn-back").click();
  await waitFor(says(calls - 1), "the call before was not shown");
  await hook(page, "turn-slider").focus();
  await page.keyboard.press("ArrowLeft");
  await waitFor(says(calls - 2), "the arrow key did not lead back");
  await page.keyboard.press("ArrowRight");
  await waitFor(says(calls - 1), "the arrow key did not lead on");
  const query = new URL(page.url()).searchParams;
  assert.equal(query.get("session"), await row.locator("th, td").first().innerText());
  assert.equal(query.get("call"), String(calls - 1));
  assert.deepEqual(errors, []);
  await close();
});

test("the theme button turns the colours and the address keeps them", async () => {
  const { page, close } = await set.open("", { colorScheme: "light" });
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await paper();
  await hook(page, "theme-toggle").click();
  await waitFor(async () => (await paper()) !== light, "the background is the same");
  assert.equal(new URL(page.url()).searchParams.get("theme"), "dark");
  await close();
});

/** Asks again until it is so, for at most ten seconds. */
async function waitFor(isSo, complaint) {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(complaint);
}
