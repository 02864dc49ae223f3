// What the built page measures of itself, as JSON for `cargo xtask bench`: the simulator in the worker, the answer
// to a slider, and the first load on a simulated phone.
import { launch } from "./lib/browser.mjs";
import { firstData } from "./lib/budgets.mjs";
import { DIST, PREFIX, serve } from "./lib/server.mjs";

/** A slow phone on a slow line, as Lighthouse's mobile preset has it. */
const PHONE = { latency: 150, downloadThroughput: (1.6 * 1024 * 1024) / 8, uploadThroughput: (750 * 1024) / 8 };
const PHONE_CPU_SLOWDOWN = 4;
const READY = 'body[data-ready="true"]';

const server = await serve({ compress: true });
const browser = await launch();
try {
  const result = { first_load: await firstLoad(), worker: await worker() };
  const asked = [...new Set(server.asked.slice(0, result.first_load.requests))];
  const data = firstData(DIST, asked.map((target) => target.slice(PREFIX.length)).filter(Boolean));
  console.log(JSON.stringify({ ...result, first_data: data }));
} finally {
  await browser.close();
  await server.close();
}

/** Paint, blocking and shifts of the first load. */
async function firstLoad() {
  const context = await browser.newContext({ viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true });
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.emulateNetworkConditions", { offline: false, ...PHONE });
  await session.send("Emulation.setCPUThrottlingRate", { rate: PHONE_CPU_SLOWDOWN });
  await page.addInitScript(() => {
    const seen = { lcp_ms: 0, blocked_ms: 0, shift: 0 };
    window.__seen = seen;
    const watch = (type, take) => new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
    watch("largest-contentful-paint", (entry) => { seen.lcp_ms = entry.startTime; });
    watch("longtask", (entry) => { seen.blocked_ms += Math.max(0, entry.duration - 50); });
    watch("layout-shift", (entry) => { if (!entry.hadRecentInput) seen.shift += entry.value; });
  });
  await page.goto(server.address);
  await page.locator(READY).waitFor({ state: "attached", timeout: 120_000 });
  const ready_ms = await page.evaluate(() => performance.now());
  const requests = server.asked.length;
  await page.waitForTimeout(2_000);
  const seen = await page.evaluate(() => window.__seen);
  await context.close();
  return { ...seen, ready_ms, requests };
}

/** The page's own benchmark of its worker, where it offers one. */
async function worker() {
  const page = await browser.newPage();
  page.setDefaultTimeout(120_000);
  await page.goto(server.address);
  await page.locator(READY).waitFor({ state: "attached", timeout: 60_000 });
  const result = await page.evaluate(async () => (typeof window.atrBench === "function" ? await window.atrBench() : null));
  await page.close();
  return typeof result === "string" ? JSON.parse(result) : result;
}
