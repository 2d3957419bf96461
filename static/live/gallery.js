// The favourites below the picture: show one again, or mix two.

import { favourites, remove } from "./kept.js";

let chosen = null; // the first of two to mix

// `open(hash)` shows one again, `mix(hash, hash)` what is between two
export function showGallery(generator, { open, mix }) {
  const list = document.getElementById("kept");
  const kept = favourites(generator);
  document.getElementById("gallery").hidden = kept.length === 0;
  if (!kept.some((one) => one.hash === chosen)) chosen = null;
  list.replaceChildren(...kept.map((one) => tile(one)));

  function tile(one) {
    const picture = make("img", { src: one.small, alt: "", width: 96, height: 96 });
    const show = make("button", { type: "button", className: "show", ariaLabel: `Show again: ${one.title} ${one.hash}` }, picture);
    const join = make("button", { type: "button", className: "mix", ariaPressed: String(chosen === one.hash) }, "Mix");
    const drop = make("button", { type: "button", ariaLabel: `Remove: ${one.title} ${one.hash}` }, "✕");
    show.addEventListener("click", () => open(one.hash));
    join.addEventListener("click", () => choose(one.hash));
    drop.addEventListener("click", () => {
      remove(one);
      again();
    });
    return make("li", {}, show, make("div", { className: "under" }, join, drop));
  }

  function choose(hash) {
    if (chosen && chosen !== hash) {
      mix(chosen, hash);
      chosen = null;
    } else {
      chosen = chosen === hash ? null : hash;
    }
    again();
  }

  function again() {
    showGallery(generator, { open, mix });
  }
}

function make(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
