// The page's byte budgets, and which files count towards them.
import path from "node:path";
import { measure } from "../sizes.mjs";

/** Bytes, compressed by brotli. */
export const BUDGETS = { app: 350_000, worker: 250_000, reader: 400_000, adviser: 320_000, data: 150_000 };

/** The wasm programs among the files of a built page. */
export function programs(files) {
  const find = (pattern) => {
    const found = files.filter((file) => pattern.test(file.path));
    if (found.length !== 1) throw new Error(`expected one file like ${pattern}, found ${found.length}`);
    return found[0];
  };
  return { app: find(/^atr-web.*\.wasm$/), worker: find(/^atr-worker.*\.wasm$/), reader: find(/^atr-reader.*\.wasm$/), adviser: find(/^atr-adviser.*\.wasm$/) };
}

/** What a page that asked for these files has loaded as data: everything under data/ and reports/. */
export function firstData(dist, asked) {
  const files = asked.filter((target) => /^(data|reports)\//.test(target));
  const brotli = files.reduce((sum, file) => sum + measure(path.join(dist, file)).brotli, 0);
  return { files, brotli };
}
