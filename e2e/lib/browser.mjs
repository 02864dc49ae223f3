// The browser: found on this machine, headless, and kept from speaking to anybody but the test's server.
import { accessSync, constants } from "node:fs";
import path from "node:path";
import { chromium } from "playwright-core";
import { serve } from "./server.mjs";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** The browser's file: CHROMIUM, else the first known name on PATH. */
export function findChromium() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const folders = (process.env.PATH ?? "").split(path.delimiter);
  for (const file of NAMES.flatMap((name) => folders.map((folder) => path.join(folder, name)))) {
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      continue;
    }
  }
  throw new Error(`no browser found: set CHROMIUM, or put one of ${NAMES.join(", ")} on PATH`);
}

export async function launch() {
  const args = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
  ];
  if (process.getuid?.() === 0) args.push("--no-sandbox");
  return chromium.launch({ executablePath: findChromium(), headless: true, args });
}

/** How long a page may take until its first figures are drawn, on a slow machine. */
const READY_MS = 45_000;

/** How long anything a test waits for may take. */
const ACTION_MS = 15_000;

/** A server and a browser for one test file; `open` gives pages that remember what went wrong in them. */
export async function stage() {
  const server = await serve();
  const browser = await launch();
  let broken = null;

  /** `prepare` may set up the page before it loads; with `wait: false` the page need not get ready. */
  async function open(query = "", { prepare, wait = true, ...options } = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: server.origin });
    const page = await context.newPage();
    page.setDefaultTimeout(ACTION_MS);
    const errors = [];
    const foreign = [];
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    page.on("pageerror", (error) => errors.push(String(error)));
    context.on("request", (request) => {
      const address = request.url();
      if (!address.startsWith(server.origin) && !/^(data|blob):/.test(address)) foreign.push(address);
    });
    await prepare?.(page);
    await page.goto(server.address + query);
    if (wait) await ready(page, errors);
    return { page, errors, foreign, close: () => context.close() };
  }

  /** A page that never gets ready fails its first test with the reason, and the others at once. */
  async function ready(page, errors) {
    if (broken) throw broken;
    try {
      await page.locator('body[data-ready="true"]').waitFor({ state: "attached", timeout: READY_MS });
    } catch {
      const notices = await page.locator(".notice").allInnerTexts();
      const missing = server.missing.length > 0 ? [`not found: ${server.missing.join(", ")}`] : [];
      const said = [...errors, ...notices, ...missing].join("\n") || "nothing was said about why";
      broken = new Error(`the page was not ready after ${READY_MS / 1000} s:\n${said}`);
      throw broken;
    }
  }

  async function close() {
    await browser.close();
    await server.close();
  }
  return { server, browser, open, close };
}

/** How many requests there were once one like `pattern` has come and a second has gone by without another. */
export async function settled(server, pattern) {
  const end = Date.now() + 30_000;
  let last = { count: -1, since: Date.now() };
  while (Date.now() < end) {
    const count = server.asked.length;
    if (count !== last.count) last = { count, since: Date.now() };
    if (server.asked.some((target) => pattern.test(target)) && Date.now() - last.since > 1000) return count;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`no quiet after a request like ${pattern}`);
}
