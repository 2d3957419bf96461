// The generator's inputs for a seed, or interpolated between two seeds.

import { Random } from "./random.js";

const STRAIGHT = 1e-4; // radians: below it an arc is a line

// The inputs of a seed in a category: {latents, weights, noises}. `model` is the catalog's object `live`.
export function pointOf(model, seed, category) {
  const source = new Random(seed);
  const latents = source.normal(model.latent_dim);
  const noises = model.noises.map((side) => source.normal(side * side));
  const weights = Float32Array.from(model.categories, (_, number) => (number === category ? 1 : 0));
  return { latents, weights, noises };
}

// Interpolates at t, 0..1. Latents and noises are interpolated spherically, which keeps the norms that the generator was
// trained with (White, "Sampling Generative Networks", 2016).
export function between(one, other, t) {
  return {
    latents: slerp(one.latents, other.latents, t),
    noises: one.noises.map((noise, number) => slerp(noise, other.noises[number], t)),
    weights: one.weights.map((weight, number) => weight + t * (other.weights[number] - weight)),
  };
}

// Shoemake, "Animating Rotation with Quaternion Curves", 1985
function slerp(a, b, t) {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  const angle = Math.acos(Math.min(1, Math.max(-1, dot / Math.sqrt(aa * bb))));
  const bent = angle > STRAIGHT && angle < Math.PI - STRAIGHT;
  const [from, to] = bent
    ? [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)]
    : [1 - t, t];
  return a.map((value, i) => from * value + to * b[i]);
}
