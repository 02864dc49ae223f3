// When something is missing the page says so, stays whole, and can be mended by the reader.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { stage } from "./lib/browser.mjs";

let set;
before(async () => { set = await stage(); });
after(async () => { await set?.close(); });

const hook = (page, name) => page.locator(`[data-testid="${name}"]`).first();

test("a worker that cannot start is named, and can be started again", async () => {
  const pattern = "**/atr-worker*";
  const { page, close } = await set.open("", { wait: false, prepare: (page) => page.route(pattern, (route) => route.abort()) });
  const trouble = hook(page, "worker-trouble");
  await trouble.waitFor();
  assert.ok((await trouble.innerText()).length > 20);
  assert.ok(await page.locator("#results").isVisible(), "the rest of the page is gone");
  await page.unroute(pattern);
  await hook(page, "worker-restart").click();
  await trouble.waitFor({ state: "detached" });
  await hook(page, "session-table").locator("tbody tr").first().waitFor();
  await close();
});

test("data that cannot be fetched is named", async () => {
  const prepare = (page) => page.route("**/data/sample.ndjson.gz", (route) => route.fulfill({ status: 503, body: "" }));
  const { page, close } = await set.open("", { wait: false, prepare });
  await page.waitForFunction(() => /sample\.ndjson\.gz[^]*503/.test(document.body.innerText), null, { timeout: 15_000 });
  assert.ok(await page.locator("#your-trace").isVisible());
  await close();
});

test("a report that cannot be fetched is named", async () => {
  const prepare = (page) => page.route("**/reports/sweep.json", (route) => route.fulfill({ status: 404, body: "" }));
  const { page, close } = await set.open("", { wait: false, prepare });
  await page.waitForFunction(() => /sweep\.json[^]*404/.test(document.body.innerText), null, { timeout: 15_000 });
  await close();
});

test("every link of the page leads to a file or a place that is there", async () => {
  const { page, close } = await set.open();
  const broken = await page.evaluate(async () => {
    const broken = [];
    for (const link of document.querySelectorAll("a[href]")) {
      const target = new URL(link.href);
      if (target.origin !== location.origin) continue;
      if (target.pathname === location.pathname) {
        if (target.hash && !document.getElementById(target.hash.slice(1))) broken.push(target.hash);
      } else if (!(await fetch(target, { method: "HEAD" })).ok) {
        broken.push(target.pathname);
      }
    }
    return broken;
  });
  assert.deepEqual(broken, []);
  await close();
});

test("the page's policy forbids other origins", async () => {
  const { page, close } = await set.open();
  const policy = await page.locator('meta[http-equiv="Content-Security-Policy"]').getAttribute("content");
  assert.match(policy, /default-src 'self'/);
  assert.match(policy, /connect-src 'self'(;|$)/);
  const said = await page.evaluate(() => fetch("https://example.org/").then(() => "answered", (error) => String(error)));
  assert.match(said, /Failed to fetch|violates/);
  await close();
});
