// Web Worker that runs the release's generator off the main thread.
//
// Messages in: {load: model}, then {id, from, to, t, truncation, directions}, where from and to are {seed, category}.
// Messages out: {progress}, {ready: true}, {id, pixels, size} or {failed: "gone" | "damaged" | "runtime" | "network"}.

import { download, forgetOthers, Gone } from "./download.js";
import { between, pointOf } from "./points.js";

const RUNTIME_SHARE = 0.35; // of the progress bar; about its share of the bytes
// A generator without weights, see generate/model/rehearsal.py
const REHEARSAL = { latent_dim: 128, noises: [8, 16], categories: [], size: 16, channels: 3 };
const REHEARSAL_URL = new URL("./rehearsal.onnx", import.meta.url).href;
const RUNTIME_SCRIPT = new URL("./ort/ort-wasm-simd-threaded.mjs", import.meta.url).href;
const OPTIONS = { executionProviders: ["wasm"] };

let ort; // ONNX Runtime Web, imported after all downloads have started
let model; // the catalog's object `live`
let session;
let points = new Map(); // latents by seed; few are in use at a time

addEventListener("message", async ({ data }) => {
  if (data.load) await load(data.load);
  else await draw(data);
});

async function load(told) {
  model = told;
  const shares = [0, 0];
  const teller = (part) => (fraction) => {
    shares[part] = fraction;
    postMessage({ progress: shares[0] * RUNTIME_SHARE + shares[1] * (1 - RUNTIME_SHARE) });
  };
  const files = [{ url: REHEARSAL_URL }, { url: model.runtime }, model];
  const rehearsal = download(files[0]);
  const binary = download(files[1], teller(0));
  const generator = download(files[2], teller(1));
  for (const promise of [rehearsal, binary, generator]) promise.catch(() => {}); // handled below
  let arrived = false;
  generator.then(() => (arrived = true)).catch(() => {});
  let parts;
  try {
    ort = await import("./ort/ort.wasm.min.mjs");
    await import(RUNTIME_SCRIPT); // which the runtime imports itself; here, so that its loss is known as such
    parts = await Promise.all([binary, rehearsal]);
  } catch (error) {
    return fail(error, "network");
  }
  try {
    await startRuntime(...parts, () => arrived);
  } catch (error) {
    return fail(error, "runtime");
  }
  let data;
  try {
    data = await generator;
  } catch (error) {
    return fail(error, "network");
  }
  try {
    session = await ort.InferenceSession.create(data, OPTIONS);
  } catch (error) {
    return fail(error, "damaged");
  }
  postMessage({ ready: true });
  await forgetOthers(files).catch(() => {});
}

// Starts the runtime and runs the rehearsal model while the generator downloads, so that the browser compiles the hot
// WebAssembly functions with its optimizing compiler before the first picture.
async function startRuntime(binary, rehearsal, arrived) {
  ort.env.wasm.numThreads = 1; // more would need cross-origin isolation, and so a COEP header
  ort.env.wasm.wasmPaths = { mjs: RUNTIME_SCRIPT };
  ort.env.wasm.wasmBinary = binary.buffer;
  const first = await ort.InferenceSession.create(rehearsal, OPTIONS);
  ort.env.wasm.wasmBinary = undefined; // compiled: free the bytes
  if (!arrived()) await run(first, REHEARSAL, pointOf(REHEARSAL, 0, 0), 1, new Float32Array(1));
  await first.release();
}

function fail(error, kind) {
  console.info(error);
  const offline = error instanceof TypeError && !navigator.onLine;
  postMessage({ failed: error instanceof Gone ? "gone" : offline ? "network" : error.message.includes("damaged") ? "damaged" : kind });
}

async function draw({ id, from, to, t, truncation, directions }) {
  try {
    const point = to && t > 0 ? between(known(from), known(to), t) : known(from);
    keepOnly(from, to);
    const pixels = await run(session, model, point, truncation, Float32Array.from(directions));
    postMessage({ id, pixels, size: model.size }, [pixels.buffer]);
  } catch (error) {
    fail(error, "damaged");
  }
}

const nameOf = ({ seed, category }) => `${seed} ${category}`;

function known(place) {
  const name = nameOf(place);
  if (!points.has(name)) points.set(name, pointOf(model, place.seed, place.category));
  return points.get(name);
}

function keepOnly(...places) {
  const wanted = new Set(places.filter(Boolean).map(nameOf));
  points = new Map([...points].filter(([name]) => wanted.has(name)));
}

// Draws one picture as RGBA, 0..255.
async function run(session, model, point, truncation, directions) {
  const inputs = {
    latents: tensor(point.latents, [1, model.latent_dim]),
    truncation: tensor(Float32Array.of(truncation), [1]),
    directions: tensor(directions, [1, directions.length]),
  };
  if (model.categories.length) inputs.categories = tensor(point.weights, [1, model.categories.length]);
  model.noises.forEach((side, number) => (inputs[`noise_${side}`] = tensor(point.noises[number], [1, 1, side, side])));
  const { pictures } = await session.run(inputs);
  const pixels = toPixels(await pictures.getData(), model);
  pictures.dispose();
  return pixels;
}

const tensor = (numbers, shape) => new ort.Tensor("float32", numbers, shape);

// Converts planar channels, 0..1, to RGBA; Uint8ClampedArray rounds half to even, as torch does.
function toPixels(planes, model) {
  const area = model.size ** 2;
  const pixels = new Uint8ClampedArray(4 * area).fill(255);
  const used = model.channels === 1 ? [0, 0, 0] : [0, area, 2 * area, 3 * area].slice(0, model.channels);
  used.forEach((start, channel) => {
    for (let i = 0; i < area; i++) pixels[4 * i + channel] = Math.fround(255 * planes[start + i]);
  });
  return pixels;
}
