// Data stored only in the visitor's browser: seen pictures, favourites, the prefetched picture, the best streak.
"use strict";

const memory = (() => {
  const SEEN = 10_000; // pictures per release; the oldest are forgotten
  const RELEASES = 2; // two, since instances switch to a new release at different times
  const FAVOURITES = 200;
  const site = document.documentElement.dataset.site; // other sites may be mounted on the same host
  const kept = new Map(); // fallback without localStorage, until the page is closed

  function read(storage, name) {
    try {
      return JSON.parse(window[storage].getItem(site + name)) ?? kept.get(name);
    } catch {
      return kept.get(name);
    }
  }

  function write(storage, name, value) {
    kept.set(name, value);
    try {
      window[storage].setItem(site + name, JSON.stringify(value));
    } catch {
      // storage is disabled or full
    }
  }

  // {release: {shown: ["food/1", ...], counts: {food: 12, ...}}}, least recently used first
  function releases() {
    const found = read("localStorage", "seen");
    return found && typeof found === "object" ? found : {};
  }

  const key = (card) => `${card.category}/${card.number}`;
  const shownOf = (release) => releases()[release]?.shown ?? [];

  function remember(card) {
    const all = releases();
    const { shown = [], counts = {} } = all[card.release] ?? {};
    delete all[card.release];
    all[card.release] = {
      shown: [...shown.filter((other) => other !== key(card)), key(card)].slice(-SEEN),
      counts: { ...counts, [card.category]: card.count },
    };
    const names = Object.keys(all);
    for (const name of names.slice(0, -RELEASES)) delete all[name];
    write("localStorage", "seen", all);
  }

  // returns a random unseen picture of the release, or of the category if given; undefined if all were seen
  function unseen(release, category) {
    const shown = new Set(shownOf(release));
    const counts = Object.entries(releases()[release]?.counts ?? {}).filter(([slug]) => !category || slug === category);
    const left = [];
    for (const [slug, count] of counts) {
      for (let number = 0; number < count; number++) {
        if (!shown.has(`${slug}/${number}`)) left.push({ category: slug, number });
      }
    }
    return left[Math.floor(Math.random() * left.length)];
  }

  // marks all pictures of the release, or of the category, as unseen
  function forget(release, category) {
    const all = releases();
    if (!all[release]) return;
    all[release].shown = category ? shownOf(release).filter((other) => !other.startsWith(`${category}/`)) : [];
    write("localStorage", "seen", all);
  }

  function favourites() {
    const found = read("localStorage", "favourites");
    return Array.isArray(found) ? found : [];
  }

  const isFavourite = (card) => favourites().some((other) => other.page === card.page);

  function setFavourite(card, on) {
    const others = favourites().filter((other) => other.page !== card.page);
    write("localStorage", "favourites", on ? [card, ...others].slice(0, FAVOURITES) : others);
  }

  function coming(address) {
    const card = read("sessionStorage", `coming ${address}`);
    return typeof card?.image === "string" && typeof card.release === "string" ? card : null;
  }

  // returns the best streak of right answers in the game, including `streak`
  function bestStreak(streak) {
    const best = Math.max(streak, Number(read("localStorage", "best streak")) || 0);
    if (best > 0) write("localStorage", "best streak", best);
    return best;
  }

  return {
    remember,
    unseen,
    forget,
    hasSeen: (card) => shownOf(card.release).includes(key(card)),
    coming,
    setComing: (address, card) => write("sessionStorage", `coming ${address}`, card),
    favourites,
    isFavourite,
    setFavourite,
    bestStreak,
  };
})();
