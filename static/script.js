// Prefetches the next picture, so that Next is instant. Without this script Next is a plain link.
"use strict";

(() => {
  const SLIDE_MS = 4000;
  const DEALS = 3; // requests for an unseen picture before this script chooses one
  const SWIPE_PX = 40;
  const BEFORE = 100; // slides kept for going back
  const STAYS = "The next picture did not arrive. Are you offline? Press Next to try again.";

  const main = document.querySelector("main.picture");
  const element = (id) => document.getElementById(id);
  const next = element("next");
  const slideshow = element("slideshow");
  const dealt = "dealt" in main.dataset; // false on a permalink, where Next opens another page
  let shown = JSON.parse(main.dataset.card);
  // on a category's page, the picture's category link points to this page
  const inCategory = new URL(shown.category_page, location.href).pathname === location.pathname;
  const random = main.dataset.random + (inCategory ? `?category=${encodeURIComponent(shown.category)}` : "");
  let coming = null; // promise of the next card and its loaded picture
  let timer = 0;
  let slides = []; // earlier slides of the slideshow

  // Fetching

  async function ask(address) {
    const answer = await fetch(address, { cache: "no-store" });
    if (!answer.ok) throw new Error(`${address} answered ${answer.status}`);
    return answer.json();
  }

  // Returns an unseen card: dealt by the site, or chosen here if the site deals only seen ones.
  async function findCard() {
    let card;
    for (let deal = 0; deal < DEALS; deal++) {
      card = await ask(random);
      if (!memory.hasSeen(card)) return card;
    }
    const category = inCategory ? shown.category : "";
    if (!memory.unseen(card.release, category)) {
      memory.forget(card.release, category); // all were seen: start over, but not with the one in sight
      memory.remember(shown);
    }
    const choice = memory.unseen(card.release, category);
    if (!choice) return card;
    const releases = card.page.split("/").slice(0, -3).join("/"); // in a plain folder a page's address names its file
    return ask(`${releases}/${card.release}/${choice.category}/${choice.number}.json`);
  }

  async function load(card) {
    const picture = new Image();
    picture.src = card.image;
    await picture.decode();
    return { card, picture };
  }

  async function fetchNext() {
    let card = memory.coming(random); // prefetched before a reload or navigation
    if (!card || memory.hasSeen(card)) card = await findCard();
    memory.setComing(random, card);
    try {
      return await load(card);
    } catch (error) {
      memory.setComing(random, null);
      if (navigator.onLine) memory.remember(card); // damaged or gone: don't request it again
      throw error;
    }
  }

  function prepare() {
    if (!("prefetch" in main.dataset)) return; // PREFETCH=0
    coming = fetchNext();
    coming.catch(() => {}); // retried when needed
  }

  async function takeNext() {
    const promise = coming ?? fetchNext();
    coming = null;
    try {
      const found = await promise;
      return memory.hasSeen(found.card) ? await fetchNext() : found; // seen in another tab meanwhile
    } catch {
      return fetchNext();
    }
  }

  // Display

  function show({ card, picture }) {
    shown = card;
    memory.remember(card);
    picture.id = "picture";
    picture.alt = card.alt;
    if (card.width && card.height) {
      picture.width = card.width * main.dataset.enlarge;
      picture.height = card.height * main.dataset.enlarge;
    }
    element("picture").replaceWith(picture);
    document.title = card.title;
    element("title").textContent = card.title;
    element("text").textContent = card.text;
    if (element("names")) element("names").textContent = card.names ?? ""; // cards stored by older versions lack names
    element("permalink").href = card.page;
    element("download").href = card.image;
    if (element("category")) element("category").href = card.category_page;
    showFavourite();
    tell("");
  }

  function tell(sentence) {
    element("status").textContent = sentence;
  }

  let queue = Promise.resolve(); // serializes fast clicks
  const inTurn = (step) => (queue = queue.then(step).catch(() => tell(STAYS)));

  // Navigation. history.state is {card, step, slide}; step counts from the page's first picture.

  let step = history.state?.step ?? 0;

  async function replace() {
    const found = await takeNext();
    history.replaceState({ ...history.state, card: found.card }, "");
    show(found);
    prepare();
  }

  async function advance() {
    const found = await takeNext();
    slides = [];
    history.pushState({ card: found.card, step: ++step }, "");
    show(found);
    prepare();
  }

  // A slideshow adds a single history entry.
  async function advanceSlide() {
    if (!history.state.slide) {
      await advance();
      history.replaceState({ ...history.state, slide: true }, "");
      return;
    }
    const before = shown;
    await replace();
    slides = [...slides, before].slice(-BEFORE);
  }

  async function revisit(card) {
    const found = await load(card);
    show(found);
  }

  async function goBack() {
    const before = slides.pop();
    if (before) {
      history.replaceState({ ...history.state, card: before }, "");
      await revisit(before);
    } else if (step > 0) {
      step -= 1;
      history.back();
    }
  }

  function goOn() {
    if (dealt) inTurn(timer ? advanceSlide : advance);
    else location.assign(next.href);
  }

  function play(on) {
    clearInterval(timer);
    timer = on ? setInterval(() => document.hidden || inTurn(advanceSlide), SLIDE_MS) : 0;
    slideshow.setAttribute("aria-pressed", String(on));
    slideshow.textContent = on ? "Pause" : "Slideshow";
    element("words").setAttribute("aria-live", on ? "off" : "polite");
  }

  // Favourites and sharing

  function showFavourite() {
    element("favourite").setAttribute("aria-pressed", String(memory.isFavourite(shown)));
  }

  async function share() {
    const url = main.dataset.origin + shown.page;
    if (navigator.share) {
      await navigator.share({ title: shown.title, text: shown.text, url }).catch(() => {}); // cancelled
    } else if (navigator.clipboard) {
      await navigator.clipboard.writeText(url);
      tell("The link to this picture is copied.");
      setTimeout(tell, 3000, "");
    } else {
      location.assign(url); // no clipboard over plain HTTP: open the permalink instead
    }
  }

  // Events

  function listenForKeys() {
    document.addEventListener("keydown", (event) => {
      const focused = document.activeElement;
      if (focused && focused !== document.body && focused !== next) return; // the focused control handles the key
      if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.repeat) return;
      if (event.key === " " || event.key === "ArrowRight") goOn();
      else if (event.key === "ArrowLeft" && dealt) inTurn(goBack);
      else return;
      event.preventDefault();
    });
    // release the focus after a mouse click, so that keys keep working
    document.addEventListener("click", (event) => event.detail && event.target.closest("button")?.blur());
  }

  function listenForTouches(frame) {
    let start = null;
    frame.addEventListener("pointerdown", (event) => {
      start = event.pointerType === "touch" ? event : null;
    });
    frame.addEventListener("pointerup", (event) => {
      if (!start) return;
      const [x, y] = [event.clientX - start.clientX, event.clientY - start.clientY];
      start = null;
      if (Math.abs(x) < SWIPE_PX || Math.abs(x) < 2 * Math.abs(y)) return;
      if (x < 0) goOn();
      else inTurn(goBack);
    });
    frame.addEventListener("click", goOn);
  }

  function begin() {
    const arrived = performance.getEntriesByType("navigation")[0]?.type;
    if (arrived === "back_forward" && history.state?.card) {
      const { card } = history.state;
      inTurn(() => revisit(card));
    } else {
      history.replaceState({ ...history.state, card: shown, step }, "");
      if (memory.hasSeen(shown)) inTurn(replace);
      else memory.remember(shown);
    }
    addEventListener("popstate", (event) => {
      if (!event.state?.card) return;
      slides = [];
      step = event.state.step;
      inTurn(() => revisit(event.state.card));
    });
    addEventListener("online", () => tell(""));
    prepare();
  }

  listenForKeys();
  document.querySelector("#next kbd").hidden = false;
  element("share").hidden = element("favourite").hidden = false;
  element("share").addEventListener("click", () => share().catch(() => location.assign(shown.page)));
  element("favourite").addEventListener("click", () => {
    memory.setFavourite(shown, !memory.isFavourite(shown));
    showFavourite();
  });
  showFavourite();
  if (!dealt) {
    memory.remember(shown);
    return;
  }
  next.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    goOn();
  });
  listenForTouches(document.querySelector(".frame"));
  slideshow.hidden = false;
  slideshow.addEventListener("click", () => play(!timer));
  begin();
})();
