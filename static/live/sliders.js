// The controls below the picture: category, truncation, interpolation between two pictures, and directions.

import { FARTHEST } from "./address.js";

const ANY = "any";

export class Sliders {
  // calls `change({truncation | t | directions})` and `choose(category number, or null for any)`
  constructor(model, { change, choose }) {
    this.model = model;
    this.odd = document.getElementById("odd");
    this.way = document.getElementById("between");
    this.category = document.getElementById("category");
    this.directions = model.directions.map((share, i) => direction(share, i));
    document.getElementById("more").hidden = this.directions.length === 0;
    document.getElementById("kind").hidden = model.categories.length < 2;
    this.category.append(new Option("Any", ANY), ...model.categories.map(({ name }, i) => new Option(name, i)));

    this.odd.addEventListener("input", () => change({ truncation: Number(this.odd.value) }));
    this.way.addEventListener("input", () => change({ t: Number(this.way.value) }));
    const distances = () => this.directions.map((input) => Number(input.value));
    for (const input of this.directions) input.addEventListener("input", () => change({ directions: distances() }));
    document.getElementById("straight").addEventListener("click", () => change({ directions: distances().map(() => 0) }));
    this.category.addEventListener("change", () => {
      choose(this.category.value === ANY ? null : Number(this.category.value));
    });
  }

  show({ from, to, t, truncation, directions }, inAny) {
    set(this.odd, truncation);
    set(this.way, t);
    document.getElementById("way").hidden = !to;
    this.directions.forEach((input, i) => set(input, directions[i]));
    this.category.value = inAny || !this.model.categories.length ? ANY : String(from.category);
  }
}

function direction(share, i) {
  const label = document.createElement("label");
  const input = Object.assign(document.createElement("input"), {
    type: "range", min: -FARTHEST, max: FARTHEST, step: 0.1, value: 0,
  });
  label.title = `${(100 * share).toFixed(1)} % of all variation`;
  label.append(`Direction ${i + 1}`, input);
  document.getElementById("directions").append(label);
  return input;
}

function set(input, value) {
  if (document.activeElement !== input || Number(input.value) !== value) input.value = value;
}
