// Reloads the page once the site has pictures.
"use strict";

(() => {
  const RETRY_MS = 5000;

  async function retry() {
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (answer.status !== 503) {
        location.reload();
        return;
      }
    } catch {
      // offline: retry below
    }
    setTimeout(retry, RETRY_MS);
  }

  setTimeout(retry, RETRY_MS);
})();
