// Filters the categories by typed text. Without this script they are an alphabetical list.
"use strict";

(() => {
  const form = document.getElementById("search");
  const find = document.getElementById("find");
  const found = document.getElementById("found");

  // removes accents and hyphens: creme finds crème brûlée, ice cream finds ice-cream
  const plain = (text) =>
    text
      .normalize("NFD")
      .replace(/\p{M}/gu, "")
      .toLowerCase()
      .split(/[^\p{L}\p{N}]+/u)
      .filter(Boolean);
  const tiles = [...document.querySelectorAll("#categories > li")].map((item) => ({
    item,
    words: plain(item.querySelector(".name").textContent),
  }));

  // each typed word must begin a word of the name
  const fits = (words, typed) => typed.every((part) => words.some((word) => word.startsWith(part)));

  function filter() {
    const typed = plain(find.value);
    for (const { item, words } of tiles) item.hidden = !fits(words, typed);
    const shown = tiles.filter(({ item }) => !item.hidden).length;
    found.textContent = !typed.length ? "" : shown ? `${shown} of ${tiles.length}` : "No category begins like that.";
  }

  find.addEventListener("input", filter);
  addEventListener("pageshow", filter); // the browser restores the text after Back
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const first = tiles.find(({ item }) => !item.hidden);
    if (first && plain(find.value).length) first.item.querySelector("a").click();
  });
  form.hidden = false;
})();
