// Infinite scrolling: fetches the next page before the end of the wall is visible. Without this script More is a plain link.
"use strict";

(() => {
  const AHEAD = "0px 0px 1200px"; // margin below the window in which loading starts

  const wall = document.querySelector(".wall");
  const more = document.getElementById("more");
  if (!wall || !more) return;
  const here = wall.dataset.here; // URL of this page; "" if its pictures are random on each load
  const known = new Set([...wall.querySelectorAll("a")].map((link) => link.getAttribute("href")));
  let pages = 1;
  let loading = null; // promise of the page being fetched

  function tell(sentence) {
    document.getElementById("end").textContent = sentence;
  }

  function finish() {
    observer.disconnect();
    more.remove();
    tell("That is all.");
  }

  async function load() {
    const answer = await fetch(more.href);
    if (!answer.ok) throw new Error(`${more.href} answered ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const link = (item) => item.querySelector("a").getAttribute("href");
    const fresh = [...page.querySelectorAll(".wall > li")].filter((item) => !known.has(link(item)));
    fresh.forEach((item) => known.add(link(item)));
    wall.append(...fresh);
    pages += 1;
    save();
    const next = page.getElementById("more")?.getAttribute("href");
    tell("");
    if (!fresh.length || !next || next === here) finish();
    else more.href = next;
    return fresh[0];
  }

  // loads one page at a time; returns the first new picture, undefined if none arrived
  function loadOnce() {
    loading ??= load()
      .catch(() => tell("The next pictures did not arrive. Are you offline?"))
      .finally(() => {
        loading = null;
      });
    return loading;
  }

  const observer = new IntersectionObserver(
    async (entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      const first = await loadOnce();
      if (first && more.isConnected) {
        observer.unobserve(more); // observe again: a page may be shorter than the window
        observer.observe(more);
      }
    },
    { rootMargin: AHEAD },
  );

  // Restores the wall when the visitor returns from a picture.

  function save() {
    if (here) history.replaceState({ pages, top: scrollY }, "", here);
  }

  async function restore({ pages: before, top }) {
    while (pages < before && more.isConnected && (await loadOnce()));
    scrollTo(0, top);
  }

  async function begin() {
    if (here) {
      const before = history.state;
      history.scrollRestoration = "manual";
      document.addEventListener("click", save, true);
      if (before?.pages) await restore(before);
      else save();
    }
    observer.observe(more);
  }

  more.addEventListener("click", async (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const first = await loadOnce();
    first?.querySelector("a").focus({ preventScroll: true });
  });
  addEventListener("online", () => more.isConnected && loadOnce());
  begin();
})();
