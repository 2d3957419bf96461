// Keyboard control, the next pair without a reload, and the best streak. Without this script the game works by links.
"use strict";

(() => {
  const KEYS = { ArrowLeft: ["left"], ArrowRight: ["right", "next"], " ": ["next"], Enter: ["next"] };
  const STAYS = "The answer did not arrive. Are you offline? Choose again to retry.";

  let asking = false;

  document.addEventListener("keydown", (event) => {
    const focused = document.activeElement;
    if (focused && focused !== document.body) return; // the focused link handles the key
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.repeat) return;
    const link = KEYS[event.key]?.map((id) => document.getElementById(id)).find(Boolean);
    if (!link) return;
    event.preventDefault();
    link.click();
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("#left, #right, #next");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    if (!asking) go(link.href);
  });

  addEventListener("popstate", () => location.reload());

  // Replaces this page by the game's page at `address`. On failure, keeps this page and shows a message.
  async function go(address) {
    asking = true;
    try {
      const answer = await fetch(address);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const main = page.querySelector("main.game");
      if (!main) {
        location.assign(address); // another page, or an error
        return;
      }
      history.pushState(null, "", answer.url);
      document.title = page.title;
      document.querySelector("main").replaceWith(main);
      scrollTo(0, 0);
      tellBest();
    } catch {
      document.getElementById("status").textContent = STAYS;
    } finally {
      asking = false;
    }
  }

  function tellBest() {
    const best = memory.bestStreak(Number(document.querySelector(".game").dataset.streak));
    if (best > 1) {
      document.getElementById("best").textContent = `, best streak ${best}`;
      document.getElementById("best").hidden = false;
    }
  }

  tellBest();
})();
