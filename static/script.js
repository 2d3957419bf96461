// Makes Next instant: the next picture is fetched while the visitor looks at this one. Without it Next is a plain link.
"use strict";

(() => {
  const SLIDE_MS = 4000;
  const main = document.querySelector("main.picture");
  const element = (id) => document.getElementById(id);
  const next = element("next");
  const slideshow = element("slideshow");
  const dealt = "dealt" in main.dataset; // not on a permalink, where Next links to another page
  let shown = JSON.parse(main.dataset.card);
  // on the page of a category every picture is of that category, so the first one's link leads back to this page
  const inCategory = new URL(shown.category_page, location.href).pathname === location.pathname;
  const random = main.dataset.random + (inCategory ? `?category=${encodeURIComponent(shown.category)}` : "");
  let coming = null; // promise of the next card, with its picture loaded
  let timer = 0;

  async function fetchCard() {
    const answer = await fetch(random, { cache: "no-store" });
    if (!answer.ok) throw new Error(`${random} answered ${answer.status}`);
    const card = await answer.json();
    const picture = new Image();
    picture.src = card.image;
    await picture.decode();
    return card;
  }

  function prepare() {
    coming = fetchCard();
    coming.catch(() => {}); // fetched again when it is needed
  }

  function show(card) {
    shown = card;
    document.title = card.title;
    const picture = element("picture");
    picture.src = card.image;
    picture.alt = card.alt;
    if (card.width && card.height) {
      picture.width = card.width;
      picture.height = card.height;
    }
    element("title").textContent = card.title;
    element("text").textContent = card.text;
    element("category").href = card.category_page;
    element("permalink").href = card.page;
    element("download").href = card.image;
  }

  async function advance() {
    if (!dealt) {
      location.assign(next.href);
      return;
    }
    const promise = coming ?? fetchCard();
    coming = null;
    let card;
    try {
      card = await promise;
    } catch {
      location.reload(); // without the script's help; it shows what is wrong
      return;
    }
    history.pushState(card, "");
    show(card);
    prepare();
  }

  let queue = Promise.resolve(); // fast clicks are handled one after the other
  const advanceInTurn = () => (queue = queue.then(advance));

  function play(on) {
    clearInterval(timer);
    timer = on ? setInterval(() => document.hidden || advanceInTurn(), SLIDE_MS) : 0;
    slideshow.setAttribute("aria-pressed", String(on));
    slideshow.textContent = on ? "Pause" : "Slideshow";
    element("words").setAttribute("aria-live", on ? "off" : "polite");
  }

  next.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || !dealt) return;
    event.preventDefault();
    advanceInTurn();
  });

  document.addEventListener("keydown", (event) => {
    const focused = document.activeElement;
    if (focused && focused !== document.body && focused !== next) return; // the key is for that control
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.repeat) return;
    if (event.key !== " " && event.key !== "ArrowRight") return;
    event.preventDefault();
    advanceInTurn();
  });

  document.querySelector("#next kbd").hidden = false;
  if (!dealt) return;

  const arrived = performance.getEntriesByType("navigation")[0]?.type;
  if (history.state && arrived === "back_forward") show(history.state);
  else history.replaceState(shown, "");
  addEventListener("popstate", (event) => event.state && show(event.state));

  slideshow.hidden = false;
  slideshow.addEventListener("click", () => play(!timer));
  prepare();
})();
