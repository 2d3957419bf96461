// Draws with the release's generator, away from the page's thread.
//
// Messages in: {load: model}, then {id, from, to, t, truncation, directions}, where from and to are {seed, category}.
// Messages out: {progress}, {ready: true}, {id, pixels, size} or {failed: "gone" | "damaged" | "runtime" | "network"}.

import { download, forgetOthers, Gone } from "./download.js";
import { between, pointOf } from "./points.js";

const RUNTIME_SHARE = 0.35; // of the progress bar, about its share of the bytes
// A graph that returns its input: making a session of it starts the runtime while the generator is still on its way.
const IDENTITY = Uint8Array.of(
  8, 8, 58, 55, 10, 16, 10, 1, 97, 18, 1, 98, 34, 8, 73, 100, 101, 110, 116, 105, 116, 121, 18, 1, 103, 90, 15, 10, 1, 97,
  18, 10, 10, 8, 8, 1, 18, 4, 10, 2, 8, 1, 98, 15, 10, 1, 98, 18, 10, 10, 8, 8, 1, 18, 4, 10, 2, 8, 1, 66, 4, 10, 0, 16, 17,
);

let ort; // ONNX Runtime Web, imported when its bytes and the generator are on their way already
let model; // the catalog's object `live`
let session;
let points = new Map(); // of the seeds that are drawn from, which are few at a time

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
  const runtime = { url: model.runtime };
  const binary = download(runtime, teller(0));
  const coming = download(model, teller(1));
  for (const promise of [binary, coming]) promise.catch(() => {}); // looked at below
  try {
    await startRuntime(binary);
  } catch (error) {
    return fail(error, "runtime");
  }
  let data;
  try {
    data = await coming;
  } catch (error) {
    return fail(error, "network");
  }
  try {
    session = await ort.InferenceSession.create(data, { executionProviders: ["wasm"] });
  } catch (error) {
    return fail(error, "damaged");
  }
  postMessage({ ready: true });
  await forgetOthers([model, runtime]).catch(() => {});
}

async function startRuntime(binary) {
  ort = await import("./ort/ort.wasm.min.mjs");
  ort.env.wasm.numThreads = 1; // more would need headers that keep the site's pictures from other pages
  ort.env.wasm.wasmPaths = { mjs: new URL("./ort/ort-wasm-simd-threaded.mjs", import.meta.url).href };
  ort.env.wasm.wasmBinary = (await binary).buffer;
  const first = await ort.InferenceSession.create(IDENTITY, { executionProviders: ["wasm"] });
  await first.release();
  ort.env.wasm.wasmBinary = undefined; // compiled: its bytes are not needed any more
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
    const pixels = await run(point, truncation, Float32Array.from(directions));
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

// One picture as RGBA, 0..255.
async function run(point, truncation, directions) {
  const inputs = {
    latents: tensor(point.latents, [1, model.latent_dim]),
    truncation: tensor(Float32Array.of(truncation), [1]),
    directions: tensor(directions, [1, directions.length]),
  };
  if (model.categories.length) inputs.categories = tensor(point.weights, [1, model.categories.length]);
  model.noises.forEach((side, number) => (inputs[`noise_${side}`] = tensor(point.noises[number], [1, 1, side, side])));
  const { pictures } = await session.run(inputs);
  const pixels = toPixels(await pictures.getData());
  pictures.dispose();
  return pixels;
}

const tensor = (numbers, shape) => new ort.Tensor("float32", numbers, shape);

// Channels after each other, 0..1, as RGBA; an array of this kind rounds half to even, as torch does.
function toPixels(planes) {
  const area = model.size ** 2;
  const pixels = new Uint8ClampedArray(4 * area).fill(255);
  const used = model.channels === 1 ? [0, 0, 0] : [0, area, 2 * area, 3 * area].slice(0, model.channels);
  used.forEach((start, channel) => {
    for (let i = 0; i < area; i++) pixels[4 * i + channel] = Math.fround(255 * planes[start + i]);
  });
  return pixels;
}
