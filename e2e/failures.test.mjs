// The failure gallery: loaded late, each failure with its finding, its words and its table.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { stage } from "./lib/browser.mjs";

let set;
before(async () => { set = await stage(); });
after(async () => { await set?.close(); });

test("every failure is shown with who falls, why, and the numbers of every router", async () => {
  const { page, errors, close } = await set.open();
  const reports = await page.request.get(new URL("reports/failures.json", page.url().split(/[?#]/)[0]).href);
  const { exhibits } = await reports.json();
  const figure = page.locator('[data-testid="figure-failures"]');
  await page.locator("#failures").scrollIntoViewIfNeeded();
  await figure.locator("canvas").waitFor();
  for (const exhibit of exhibits) {
    await page.locator('[data-testid="select-failure"]').selectOption(exhibit.name);
    const words = page.locator('[data-testid="failure-words"]');
    await page.waitForFunction(
      ([element, text]) => element.innerText === text, [await words.elementHandle(), exhibit.mechanism]);
    const fell = exhibit.routers.filter((row) => row.verdict === "falls").map((row) => row.router);
    const finding = await figure.locator("h3").innerText();
    for (const router of fell) assert.ok(finding.includes(router), `${exhibit.name}: ${finding}`);
    assert.equal(await figure.locator(".badge").getAttribute("data-origin"), "simulated");
  }
  await figure.locator('[data-testid="table-view"]').click();
  const last = exhibits.at(-1);
  assert.equal(await figure.locator("tbody tr").count(), 2 * last.routers.length);
  assert.deepEqual(errors, []);
  await close();
});
