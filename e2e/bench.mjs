// What the built page measures of itself, as JSON for `cargo xtask bench`: the simulator in the worker, the answer
// to a slider, the first load on a simulated phone, and sizes beside their budgets.
import { launch } from "./lib/browser.mjs";
import { BUDGETS, firstData, programs } from "./lib/budgets.mjs";
import { DIST, PREFIX, serve } from "./lib/server.mjs";
import { sizes } from "./sizes.mjs";

/** A slow phone on a slow line, as Lighthouse's mobile preset has it. */
const PHONE = { latency: 150, downloadThroughput: (1.6 * 1024 * 1024) / 8, uploadThroughput: (750 * 1024) / 8 };
const PHONE_CPU_SLOWDOWN = 4;
/** Runs of each measurement; the median counts. */
const RUNS = 5;
/** Runs of a warm worker, each the mean of some, since the clock is coarse: as `core/benches/simulate` runs natively. The fastest counts. */
const WARM = { runs: 7, times: 20 };
/** As `cargo xtask bench` runs it natively. */
const PEER_SCENARIO = {
  policies: ["exact-prefix-cache"], replicas: 8, block_tokens: 512, kv_tokens: 8_388_608, arrivals: "recorded",
};
const READY = 'body[data-ready="true"]';

const server = await serve({ compress: true });
const browser = await launch();
try {
  const result = { first_load: await firstLoad(), worker: await worker() };
  const asked = [...new Set(server.asked.slice(0, result.first_load.requests))];
  const data = firstData(DIST, asked.map((target) => target.slice(PREFIX.length)).filter(Boolean));
  const found = Object.entries({ ...programs(sizes(DIST).files), data });
  const judged = found.map(([name, { raw, brotli }]) => [name, { raw, brotli, budget: BUDGETS[name] }]);
  console.log(JSON.stringify({ ...result, sizes: Object.fromEntries(judged) }));
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

/** The worker asked as the page asks it (web/src/protocol.rs): a message is a text and a list of blobs, an answer a text and a blob or null. */
async function worker() {
  const page = await browser.newPage();
  await page.goto(server.address);
  await page.locator(READY).waitFor({ state: "attached", timeout: 60_000 });
  const result = await page.evaluate(measureWorker, { runs: RUNS, warm: WARM, peer: PEER_SCENARIO });
  await page.close();
  return result;
}

/** Runs in the page. `took_ms` is the simulation by the worker's clock, as `wall_ms` is natively; `waited_ms` is until its table is here. */
async function measureWorker({ runs, warm, peer }) {
  const start = async () => {
    const worker = new Worker("./atr-worker_loader.js", { type: "module" });
    const waiting = new Map();
    const greeted = new Promise((resolve) => waiting.set(0, resolve));
    worker.onmessage = ({ data }) => {
      const { id, body } = JSON.parse(data[0]);
      if (!body.Progress) waiting.get(id)?.(body);
    };
    await greeted;
    let next = 0;
    const ask = async (kind, content, ...blobs) => {
      next += 1;
      const id = next;
      const answer = new Promise((resolve) => waiting.set(id, resolve));
      worker.postMessage([JSON.stringify({ id, body: { [kind]: content } }), blobs]);
      const body = await answer;
      if (body.Failed) throw new Error(body.Failed);
      return Object.values(body)[0];
    };
    const load = async (name) => {
      const path = `data/${name}.ndjson.gz`;
      const blob = await (await fetch(path)).blob();
      return ask("Load", { set: { name, title: name, path }, files: [path], keep_text: false }, blob);
    };
    const compare = async (set, scenario, max_calls) => {
      const begun = performance.now();
      const { calls, took_ms } = await ask("Compare", { set, scenario, max_calls });
      return { calls, took_ms, waited_ms: performance.now() - begun };
    };
    return { load, compare, end: () => worker.terminate() };
  };
  const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
  const mean = (values) => values.reduce((sum, one) => sum + one, 0) / values.length;
  const some = async (times, run) => {
    const found = [];
    for (let at = 0; at < times; at += 1) found.push(await run());
    return found;
  };
  const mooncake = "mooncake-conversation";
  const first = await some(runs, async () => {
    const worker = await start();
    await worker.load(mooncake);
    const found = await worker.compare(mooncake, peer, null);
    worker.end();
    return found;
  });
  const worker = await start();
  await worker.load(mooncake);
  const hot = await some(warm.runs, async () => {
    const found = await some(warm.times, () => worker.compare(mooncake, peer, null));
    return { took_ms: mean(found.map((one) => one.took_ms)), waited_ms: mean(found.map((one) => one.waited_ms)) };
  });
  worker.end();
  const reader = await start();
  const read = await reader.load("claude-code");
  const waits = async (max_calls) => {
    const found = await some(runs, () => reader.compare("claude-code", {}, max_calls));
    return { calls: found[0].calls, took_ms: median(found.map((one) => one.took_ms)), waited_ms: median(found.map((one) => one.waited_ms)) };
  };
  const sample = await waits(5000);
  const whole = await waits(null);
  reader.end();
  const per_second = (ms) => first[0].calls / (ms / 1000);
  return {
    first_calls_per_s: per_second(median(first.map((one) => one.took_ms))),
    warm_calls_per_s: per_second(Math.min(...hot.map((one) => one.took_ms))),
    told_calls_per_s: per_second(Math.min(...hot.map((one) => one.waited_ms))),
    read_mb_per_s: read.bytes / 1e6 / (read.took_ms / 1000), sample, whole,
  };
}
