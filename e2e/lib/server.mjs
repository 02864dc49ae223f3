// A static server for dist/ under a sub-path, which proves that the page works from any. It keeps the list of
// what was asked for.
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";

/** The built page: ATR_DIST, or dist/ of this repository. */
export const DIST = process.env.ATR_DIST ? path.join(process.env.ATR_DIST, "/") : fileURLToPath(new URL("../../dist/", import.meta.url));
/** Where the page is mounted. */
export const PREFIX = "/paper/";

const TYPES = {
  ".css": "text/css; charset=utf-8",
  ".gz": "application/gzip",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".md": "text/plain; charset=utf-8",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
  ".woff2": "font/woff2",
};

/** Packed already, or not worth it. */
const PLAIN = /\.(gz|woff2|png)$/;

/** Serves DIST at PREFIX; everything else is 404, so a reference to the server's root is noticed. */
export async function serve({ compress = false } = {}) {
  const asked = [];
  const missing = [];
  const packed = new Map();
  const pack = async (file) => {
    if (!packed.has(file)) {
      const params = { [constants.BROTLI_PARAM_QUALITY]: 9 };
      packed.set(file, brotliCompressSync(await readFile(file), { params }));
    }
    return packed.get(file);
  };
  const server = createServer(async (request, response) => {
    const target = decodeURIComponent(new URL(request.url, "http://x").pathname);
    asked.push(target);
    const inside = target.startsWith(PREFIX) ? path.join(DIST, target.slice(PREFIX.length)) : null;
    const file = inside === DIST ? path.join(DIST, "index.html") : inside;
    const found = file?.startsWith(DIST) && (await stat(file).catch(() => null));
    if (!found || !found.isFile()) {
      missing.push(target);
      response.writeHead(404, { "content-type": "text/plain" }).end("not found\n");
      return;
    }
    const type = TYPES[path.extname(file)] ?? "application/octet-stream";
    const headers = { "content-type": type, "content-length": found.size, "cache-control": "no-store" };
    if (compress && !PLAIN.test(file)) {
      const body = await pack(file);
      response.writeHead(200, { ...headers, "content-length": body.length, "content-encoding": "br" }).end(body);
      return;
    }
    response.writeHead(200, headers);
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  const close = () => new Promise((resolve) => { server.closeAllConnections(); server.close(resolve); });
  return { origin, address: origin + PREFIX, asked, missing, close };
}
