// Sizes of a built page, raw and as a server would send it: `node sizes.mjs DIST` writes JSON.
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

/** Already compressed: sent as they are. */
const PACKED = /\.(gz|woff2|png)$/;

const brotli = (bytes) => brotliCompressSync(bytes, {
  params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
});

/** The bytes of one file: raw, gzip and brotli. */
export function measure(file) {
  const bytes = readFileSync(file);
  if (PACKED.test(file)) return { raw: bytes.length, gzip: bytes.length, brotli: bytes.length };
  return { raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length, brotli: brotli(bytes).length };
}

/** Every file of `folder` by path, and their sum. */
export function sizes(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => path.relative(folder, path.join(entry.parentPath ?? entry.path, entry.name)));
  const files = paths.sort().map((name) => ({ path: name, ...measure(path.join(folder, name)) }));
  const sum = (key) => files.reduce((total, file) => total + file[key], 0);
  return { files, total: { raw: sum("raw"), gzip: sum("gzip"), brotli: sum("brotli") } };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(JSON.stringify(sizes(process.argv[2] ?? "dist")));
}
