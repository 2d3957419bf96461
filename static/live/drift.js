// Drifts from picture to picture while a button is held; a short press or a key toggles it.

const LEG_MS = 5000; // from one picture to the next
const HOLD_MS = 300; // a shorter press toggles drifting
const STEP = 0.125; // of the way per press, with prefers-reduced-motion

export class Drift {
  // `view()` is what is shown, `target()` where to go next, `step(view, fadeMs)` shows a view and ends when it is shown
  constructor(button, { view, target, step }) {
    Object.assign(this, { button, view, target, step, on: false, pressed: 0 });
    button.addEventListener("pointerdown", (event) => this.press(event));
    for (const end of ["pointerup", "pointercancel"]) button.addEventListener(end, () => this.release());
    button.addEventListener("click", (event) => event.detail === 0 && (this.on ? this.stop() : this.start()));
    button.addEventListener("contextmenu", (event) => event.preventDefault()); // of a long press
  }

  press(event) {
    if (event.button !== 0) return;
    this.button.setPointerCapture?.(event.pointerId);
    this.pressed = this.on ? 0 : performance.now();
    if (this.on) this.stop();
    else this.start();
  }

  release() {
    if (this.pressed && performance.now() - this.pressed > HOLD_MS) this.stop();
    this.pressed = 0;
  }

  start() {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      this.step(this.moved(STEP), 0);
      return;
    }
    this.on = true;
    this.button.setAttribute("aria-pressed", "true");
    this.move();
  }

  stop() {
    this.on = false;
    this.button.setAttribute("aria-pressed", "false");
  }

  async move() {
    let before = performance.now();
    while (this.on) {
      const now = performance.now();
      const took = Math.min(now - before, 500);
      before = now;
      await this.step(this.moved(took / LEG_MS), took);
      await new Promise(requestAnimationFrame);
    }
  }

  // What is shown, so much further on its way. The pace is slower near both ends; t in the view is the place, not the time.
  moved(further) {
    const view = this.view();
    const { from, to, t } = view.to ? view : { from: view.from, to: this.target(), t: 0 };
    const time = Math.acos(1 - 2 * t) / Math.PI + further;
    if (time >= 1) return { ...view, from: to, to: null, t: 0 };
    return { ...view, from, to, t: (1 - Math.cos(Math.PI * time)) / 2 };
  }
}
