// Bytes: what a server sends, compressed, stays within the budgets.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { stage } from "./lib/browser.mjs";
import { BUDGETS, firstData, programs } from "./lib/budgets.mjs";
import { DIST, PREFIX } from "./lib/server.mjs";
import { sizes } from "./sizes.mjs";

let set;
before(async () => { set = await stage(); });
after(async () => { await set?.close(); });

test("the programs fit their budgets", () => {
  const { app, worker, reader, adviser } = programs(sizes(DIST).files);
  assert.ok(app.brotli <= BUDGETS.app, `app: ${app.brotli} bytes of ${BUDGETS.app}`);
  assert.ok(worker.brotli <= BUDGETS.worker, `worker: ${worker.brotli} bytes of ${BUDGETS.worker}`);
  assert.ok(reader.brotli <= BUDGETS.reader, `reader: ${reader.brotli} bytes of ${BUDGETS.reader}`);
  assert.ok(adviser.brotli <= BUDGETS.adviser, `adviser: ${adviser.brotli} bytes of ${BUDGETS.adviser}`);
});

test("the first data fits its budget", async () => {
  const { close } = await set.open();
  const asked = [...new Set(set.server.asked)].map((target) => target.slice(PREFIX.length));
  const first = firstData(DIST, asked);
  assert.ok(first.files.length > 0, "the page asked for no data");
  assert.ok(first.brotli <= BUDGETS.data, `first data: ${first.brotli} bytes of ${BUDGETS.data}: ${first.files.join(", ")}`);
  await close();
});

test("every file that the page asks for is there", () => {
  const missing = set.server.asked.map((target) => target.slice(PREFIX.length))
    .filter((target) => target !== "" && !existsSync(path.join(DIST, target)));
  assert.deepEqual(missing, []);
});
