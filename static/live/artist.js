// The page's interface to the worker: loads it on demand and draws one picture at a time.

export class Artist {
  // `tell` is called with {progress}, {ready} and {failed}
  constructor(model, tell) {
    this.model = model;
    this.tell = tell;
    this.drawn = 0; // pictures, since the page was opened
    this.waiting = null; // the next picture to draw; a later request replaces it
    this.busy = null;
    this.id = 0;
  }

  load() {
    this.worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.worker.addEventListener("message", ({ data }) => this.hear(data));
    this.worker.addEventListener("error", () => this.hear({ failed: "script" }));
    this.worker.postMessage({ load: this.model });
  }

  // The pixels {pixels, size} of a view, see address.js; null if a later one was asked for before its turn came.
  draw(view) {
    this.waiting?.resolve(null);
    return new Promise((resolve) => {
      this.waiting = { view, resolve };
      this.send();
    });
  }

  send() {
    if (this.busy || !this.waiting) return;
    this.busy = this.waiting;
    this.waiting = null;
    this.worker.postMessage({ id: ++this.id, ...this.busy.view });
  }

  hear(data) {
    if (data.failed) this.worker.terminate();
    if (data.pixels) {
      this.drawn++;
      const { resolve } = this.busy;
      this.busy = null;
      resolve(data);
      this.send();
    } else {
      this.tell(data);
    }
  }
}
