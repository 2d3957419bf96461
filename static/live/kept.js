// Favourites of this page: each one's parameters and a thumbnail, stored only in the browser.

const MOST = 24; // of all generators
const site = document.documentElement.dataset.site;

// [{hash, small, generator, title}, ...] of the generator with this checksum, the newest first
export const favourites = (generator) => read().filter((one) => one.generator === generator);

// Returns false if the browser's storage is full or disabled.
export const keep = (one) => write([one, ...others(one)].slice(0, MOST));

export const remove = (one) => write(others(one));

const others = ({ hash, generator }) => read().filter((one) => one.hash !== hash || one.generator !== generator);

function read() {
  try {
    const found = JSON.parse(localStorage.getItem(`${site}live`));
    return Array.isArray(found) ? found.filter((one) => typeof one?.small === "string") : [];
  } catch {
    return [];
  }
}

function write(list) {
  try {
    localStorage.setItem(`${site}live`, JSON.stringify(list));
    return true;
  } catch {
    return false;
  }
}
