// Shows pictures on the page's canvas, with an optional cross-fade.

const SMALL = 96; // px, a favourite's thumbnail

export class Canvas {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.shown = document.createElement("canvas"); // the picture that is shown, whole
    this.frame = 0;
  }

  // Shows {pixels, size}, fading for that many milliseconds.
  show({ pixels, size }, fadeMs = 0) {
    cancelAnimationFrame(this.frame);
    const before = fadeMs > 0 && this.shown.width === size ? copy(this.shown) : null;
    for (const canvas of [this.canvas, this.shown]) {
      if (canvas.width !== size) canvas.width = canvas.height = size;
    }
    this.shown.getContext("2d").putImageData(new ImageData(pixels, size), 0, 0);
    if (before) this.fade(before, performance.now(), fadeMs);
    else this.paint(null, 1);
  }

  fade(before, started, fadeMs) {
    const share = Math.min(1, (performance.now() - started) / fadeMs);
    this.paint(before, share);
    if (share < 1) this.frame = requestAnimationFrame(() => this.fade(before, started, fadeMs));
  }

  paint(before, share) {
    const { context, canvas } = this;
    context.globalAlpha = 1;
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (before) context.drawImage(before, 0, 0);
    context.globalAlpha = share;
    context.drawImage(this.shown, 0, 0);
  }

  png() {
    return this.shown.toDataURL("image/png");
  }

  small() {
    const small = Object.assign(document.createElement("canvas"), { width: SMALL, height: SMALL });
    small.getContext("2d").drawImage(this.shown, 0, 0, SMALL, SMALL);
    return small.toDataURL("image/webp", 0.8);
  }
}

function copy(canvas) {
  const other = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
  other.getContext("2d").drawImage(canvas, 0, 0);
  return other;
}
