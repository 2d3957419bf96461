// Favourites of this page: each one's parameters and a thumbnail, stored only in the browser.

const MOST = 24;
const site = document.documentElement.dataset.site;

// [{hash, small, release, title}, ...], the newest first
export function favourites(release) {
  try {
    const found = JSON.parse(localStorage.getItem(`${site}live`));
    return Array.isArray(found) ? found.filter((one) => one?.release === release && typeof one.small === "string") : [];
  } catch {
    return [];
  }
}

export function keep(one) {
  save([one, ...favourites(one.release).filter((other) => other.hash !== one.hash)].slice(0, MOST));
}

export function remove(one) {
  save(favourites(one.release).filter((other) => other.hash !== one.hash));
}

function save(list) {
  try {
    localStorage.setItem(`${site}live`, JSON.stringify(list));
  } catch {
    // storage is disabled or full
  }
}
