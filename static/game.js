// The game's keys, and the best streak, which the browser keeps. Without it the game is links.
"use strict";

(() => {
  const KEYS = { ArrowLeft: ["left"], ArrowRight: ["right", "next"], " ": ["next"], Enter: ["next"] };

  document.addEventListener("keydown", (event) => {
    const focused = document.activeElement;
    if (focused && focused !== document.body) return; // the key is for that link
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.repeat) return;
    const link = KEYS[event.key]?.map((id) => document.getElementById(id)).find(Boolean);
    if (!link) return;
    event.preventDefault();
    link.click();
  });

  const best = memory.bestStreak(Number(document.querySelector(".game").dataset.streak));
  if (best > 1) {
    document.getElementById("best").textContent = `, at best ${best}`;
    document.getElementById("best").hidden = false;
  }
})();
