// The view as a URL fragment, so that a link shows the same picture to everyone.
//
//   #7                                           seed 7
//   #7&category=faces&odd=0.6&1=1.5&with=19,people,0.4   nearer to the mean, along direction 1, on the way to another

export const LARGEST_SEED = 2 ** 32 - 1;
export const FARTHEST = 3; // standard deviations along a direction
export const ODDEST = 1.2;

export const randomSeed = () => crypto.getRandomValues(new Uint32Array(1))[0];

// Parses a fragment to {from, to, t, truncation, directions}, ignoring invalid parts; null without a seed.
export function parse(hash, model) {
  const [first, ...rest] = hash.replace(/^#/, "").split("&");
  const seed = seedOf(first);
  if (seed === null) return null;
  const asked = new URLSearchParams(rest.join("&"));
  const from = { seed, category: categoryOf(asked.get("category"), model) };
  const [other, slug, way] = (asked.get("with") ?? "").split(",");
  const t = number(way, 0, 1, 0);
  const otherSeed = seedOf(other);
  const to = otherSeed === null || t === 0 ? null : { seed: otherSeed, category: categoryOf(slug, model) };
  return {
    from,
    to,
    t: to ? t : 0,
    truncation: number(asked.get("odd"), 0, ODDEST, model.truncation),
    directions: model.directions.map((_, i) => number(asked.get(String(i + 1)), -FARTHEST, FARTHEST, 0)),
  };
}

export function write({ from, to, t, truncation, directions }, model) {
  const parts = [String(from.seed)];
  if (model.categories.length) parts.push(`category=${model.categories[from.category].slug}`);
  if (truncation !== model.truncation) parts.push(`odd=${round(truncation)}`);
  directions.forEach((distance, i) => distance && parts.push(`${i + 1}=${round(distance)}`));
  if (to) parts.push(`with=${to.seed},${model.categories[to.category]?.slug ?? ""},${round(t)}`);
  return `#${parts.join("&")}`;
}

const round = (value) => String(Number(value.toFixed(3)));

function seedOf(text) {
  return /^[0-9]{1,10}$/.test(text) && Number(text) <= LARGEST_SEED ? Number(text) : null;
}

function categoryOf(slug, model) {
  return Math.max(0, model.categories.findIndex((category) => category.slug === slug));
}

function number(text, low, high, otherwise) {
  const value = text ? Number(text) : NaN;
  return value >= low && value <= high ? value : otherwise;
}
