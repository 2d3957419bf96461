// Downloads a large file once, reports progress, verifies its checksum and caches it for the next visit.

// in the Cache API, which needs TLS or localhost; /live/app/ below the site's path, since others may be on the same host
const STORE = new URL("../", import.meta.url).pathname;
const TRIES = 5; // attempts while the server is busy
const WAIT_MS = 1500;

export class Gone extends Error {}

// Returns the bytes at `url`. Calls `tell(fraction)` with the progress, 0..1, of `bytes` (the decompressed size). `bytes` and
// `sha256` may be unknown.
export async function download({ url, bytes, sha256 }, tell = () => {}) {
  const key = keyOf({ url, sha256 });
  const store = await openStore();
  const kept = await store?.match(key);
  if (kept) {
    const data = new Uint8Array(await kept.arrayBuffer());
    if (await isWhole(data, sha256)) {
      tell(1);
      return data;
    }
    await store.delete(key);
  }
  const data = await read(await ask(url), bytes, tell);
  if (!(await isWhole(data, sha256))) throw new Error("The file is damaged.");
  await store?.put(key, new Response(data)).catch(() => {}); // storage is full
  return data;
}

// A file with a checksum is the same in every release.
const keyOf = ({ url, sha256 }) => new URL(sha256 || url, location.origin).href;

// Deletes cached files of other releases and of earlier versions of the site. `files` are the current ones.
export async function forgetOthers(files) {
  const store = await openStore();
  const wanted = new Set(files.map(keyOf));
  for (const request of (await store?.keys()) ?? []) {
    if (!wanted.has(request.url)) await store.delete(request);
  }
}

async function openStore() {
  try {
    return await globalThis.caches?.open(STORE);
  } catch {
    return undefined; // caching is disabled
  }
}

async function ask(url) {
  for (let attempt = 1; ; attempt++) {
    const answer = await fetch(url);
    if (answer.ok) return answer;
    if (answer.status === 404 || answer.status === 410) throw new Gone(url);
    if (answer.status !== 503 || attempt === TRIES) throw new Error(`The server answered ${answer.status}.`);
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
  }
}

async function read(answer, bytes, tell) {
  const parts = [];
  let size = 0;
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    size += value.length;
    if (bytes) tell(Math.min(1, size / bytes));
  }
  tell(1);
  const data = new Uint8Array(size);
  let place = 0;
  for (const part of parts) {
    data.set(part, place);
    place += part.length;
  }
  return data;
}

async function isWhole(data, sha256) {
  if (!sha256 || !globalThis.crypto?.subtle) return true;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("") === sha256;
}
