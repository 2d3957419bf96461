// The page /live: controls and display.

import { parse, randomSeed, write } from "./address.js";
import { Artist } from "./artist.js";
import { Drift } from "./drift.js";
import { showGallery } from "./gallery.js";
import { keep } from "./kept.js";
import { Sliders } from "./sliders.js";
import { Canvas } from "./canvas.js";

const TROUBLE = {
  gone: "This generator has been replaced. Reload the page to draw with the new one.",
  damaged: "The generator arrived damaged. Reload the page; if that does not help, please tell the site’s owner.",
  network: "The generator did not arrive. Are you offline? Reload the page to try again.",
  runtime: "This browser can’t run the generator, which needs WebAssembly with SIMD. Please try a current browser.",
  script: "A script did not arrive. Reload the page to try again.",
  format: "This generator is too new for this page. Reload the page later.",
};
const ADDRESS_MS = 300; // browsers limit how often the URL may change

const main = document.getElementById("live");
const model = JSON.parse(main.dataset.live);
const element = (id) => document.getElementById(id);
const canvas = new Canvas(element("canvas"));
const artist = new Artist(model, hear);
let sliders;
let drift;
let view; // the view on display, see address.js
let inAny = false; // whether Next may choose another category
let timer = 0;

element("late").remove();
if (model.format !== 1) fail("format");
else if (typeof WebAssembly !== "object" || typeof Worker !== "function") fail("runtime");
else {
  listen();
  offer();
}

function offer() {
  element("weight").textContent = `Downloads at most ${((model.bytes + model.runtime_bytes) / 1e6).toFixed(1)} MB, once.`;
  element("offer").hidden = false;
  element("begin").addEventListener("click", () => {
    element("begin").disabled = true;
    element("progress").hidden = false;
    artist.load();
  });
}

function fail(kind) {
  const sentence = element("trouble");
  const link = Object.assign(document.createElement("a"), { href: document.documentElement.dataset.site });
  link.textContent = "pictures already drawn";
  sentence.replaceChildren(`${TROUBLE[kind]} You can also look at `, link, ".");
  sentence.hidden = false;
  element("offer").hidden = element("controls").hidden = true;
}

function hear({ progress, failed, ready }) {
  if (progress !== undefined) element("progress").value = progress;
  if (failed) fail(failed);
  if (ready) begin();
}

function begin() {
  element("offer").hidden = true;
  element("text").hidden = true;
  element("controls").hidden = element("below").hidden = false;
  const asked = parse(location.hash, model);
  inAny = !asked && model.categories.length > 1;
  go(asked ?? fresh(), "replace");
  refreshGallery();
  element("next").focus({ preventScroll: true });
}

// Shows a new picture with the same truncation.
function fresh() {
  const kinds = model.categories.length;
  const category = inAny ? Math.floor(Math.random() * kinds) : (view?.from.category ?? 0);
  return {
    from: { seed: randomSeed(), category },
    to: null,
    t: 0,
    truncation: view?.truncation ?? model.truncation,
    directions: model.directions.map(() => 0),
  };
}

// Draws a view and updates the URL: "push" for a new history entry, "replace", or "" to leave it. history.state is the
// number of pictures before this one.
async function go(next, history_ = "", fade = 0) {
  view = next;
  sliders.show(view, inAny);
  showWords();
  if (history_ === "push") history.pushState(history.state + 1, "", write(view, model));
  if (history_ === "replace") writeSoon();
  const drawn = await artist.draw(view);
  if (!drawn) return;
  canvas.show(drawn, fade);
  element("count").textContent = `${artist.drawn.toLocaleString("en")} drawn here, none by a server.`;
}

function writeSoon() {
  clearTimeout(timer);
  timer = setTimeout(() => history.replaceState(history.state, "", write(view, model)), ADDRESS_MS);
}

function showWords() {
  const { from, to, t } = view;
  const nearest = to && t > 0.5 ? to : from;
  const title = model.titles[nearest.category] ?? model.title;
  if (element("title").textContent !== title) element("title").textContent = title;
  element("canvas").setAttribute("aria-label", `${title}: number ${nearest.seed}, drawn in your browser`);
}

function next() {
  drift.stop();
  flush();
  go(fresh(), "push");
}

// Writes the current view to the URL, before a history entry is added.
function flush() {
  clearTimeout(timer);
  history.replaceState(history.state, "", write(view, model));
}

function refreshGallery() {
  showGallery(model.sha256, {
    open: (hash) => {
      drift.stop();
      flush();
      go(parse(hash, model), "push");
    },
    mix: (one, other) => {
      drift.stop();
      flush();
      const [from, to] = [parse(one, model), parse(other, model)].map((found) => found.from);
      go({ ...view, from, to, t: 0.5, directions: model.directions.map(() => 0) }, "push");
    },
  });
}

function tell(sentence) {
  element("status").textContent = sentence;
  setTimeout(() => element("status").textContent === sentence && (element("status").textContent = ""), 3000);
}

async function share() {
  flush();
  const [url, title] = [location.href, element("title").textContent];
  if (navigator.share) return navigator.share({ url, title }).catch(() => {}); // cancelled
  try {
    await navigator.clipboard.writeText(url); // there is no clipboard over plain HTTP
    tell("Link copied.");
  } catch {
    tell("The link is in the address bar.");
  }
}

function listen() {
  sliders = new Sliders(model, {
    change: (changes) => {
      drift.stop();
      go({ ...view, ...changes }, "replace");
    },
    choose: (category) => {
      drift.stop();
      inAny = category === null;
      if (category === null) return sliders.show(view, inAny);
      flush();
      return go({ ...view, from: { ...view.from, category }, to: null, t: 0 }, "push");
    },
  });

  drift = new Drift(element("drift"), {
    view: () => view,
    target: () => fresh().from,
    step: (moved, fade) => go(moved, "replace", fade),
  });
  element("next").addEventListener("click", next);
  element("keep").addEventListener("click", () => {
    const title = element("title").textContent;
    const kept = keep({ hash: write(view, model), small: canvas.small(), generator: model.sha256, title });
    refreshGallery();
    tell(kept ? "Kept below, in this browser." : "Not kept: this browser’s storage is full or turned off.");
  });
  element("share").addEventListener("click", share);
  element("download").addEventListener("click", async () => {
    const link = Object.assign(document.createElement("a"), { download: `${view.from.seed}.png`, href: canvas.png() });
    link.click();
  });
  addEventListener("popstate", () => {
    if (!view) return;
    const asked = parse(location.hash, model);
    if (!asked) return flush();
    drift.stop();
    clearTimeout(timer);
    go(asked);
  });
  document.addEventListener("keydown", (event) => {
    const focused = document.activeElement;
    if (focused && focused !== document.body && focused !== element("next")) return; // the focused control handles the key
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.repeat || element("controls").hidden) return;
    if (event.key === " " || event.key === "ArrowRight") next();
    else if (event.key === "ArrowLeft" && history.state) history.back();
    else return;
    event.preventDefault();
  });
}
