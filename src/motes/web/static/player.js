// Playing: no frame is skipped; the clock waits for frames that are not decoded yet.

import { setIcon } from "./icons.js";
import { stage } from "./stage.js";
import { store } from "./store.js";

const $ = (id) => document.getElementById(id);
const FASTEST = 8;

class Player {
  speed = 0; // in frames of the video's rate; negative: backward; 0: paused
  #due = 0;

  start() {
    $("play").onclick = () => this.toggle();
    $("first").onclick = () => this.go(0);
    $("last").onclick = () => this.go(Infinity);
    $("back").onclick = () => this.step(-1);
    $("forward").onclick = () => this.step(1);
    $("frame").onchange = (e) => { this.pause(); store.seek(Number(e.target.value) || 0); };
    store.on("open", () => { this.pause(); $("frame").max = store.info.frames - 1; $("frames").textContent = `/ ${store.info.frames - 1}`; this.tell(); });
    store.on("frame", () => this.tell());
    this.show();
  }

  toggle() {
    this.speed ? this.pause() : this.play(1);
  }

  /** Play; asked again in the same direction, twice as fast. */
  play(direction) {
    if (!store.info) return;
    const same = Math.sign(this.speed) === direction;
    const atEnd = direction > 0 ? store.frame === store.info.frames - 1 : store.frame === 0;
    if (!this.speed && atEnd) store.seek(direction > 0 ? 0 : store.info.frames - 1);
    const running = this.speed !== 0;
    this.speed = same ? Math.max(-FASTEST, Math.min(FASTEST, 2 * this.speed)) : direction;
    this.show();
    if (!running) {
      this.#due = performance.now();
      requestAnimationFrame((now) => this.tick(now));
    }
  }

  pause() {
    this.speed = 0;
    this.show();
  }

  go(frame) {
    this.pause();
    store.seek(Math.min(frame, store.info.frames - 1));
  }

  step(count) {
    this.pause();
    store.seek(store.frame + count);
  }

  tick(now) {
    if (!this.speed || !store.info) return;
    const wait = 1000 / (store.info.fps * Math.abs(this.speed));
    if (now - this.#due > 4 * wait) this.#due = now - wait; // do not rush after a pause
    if (now - this.#due >= wait && stage.shown === store.frame) {
      this.#due += wait;
      this.advance();
    } else if (stage.shown !== store.frame) {
      stage.show(Math.sign(this.speed));
    }
    requestAnimationFrame((t) => this.tick(t));
  }

  advance() {
    const next = store.frame + Math.sign(this.speed);
    const inside = next >= 0 && next < store.info.frames;
    if (!inside && !store.look.loop) return this.pause();
    store.seek(inside ? next : next < 0 ? store.info.frames - 1 : 0);
  }

  show() {
    setIcon($("play"), this.speed ? "pause" : "play");
    $("play").title = $("play").ariaLabel = this.speed ? "Pause (Space)" : "Play (Space)";
    $("speed").textContent = this.speed && this.speed !== 1 ? `${this.speed}×` : "";
  }

  tell() {
    if (document.activeElement !== $("frame")) $("frame").value = store.frame;
    $("time").textContent = timecode(store.frame / store.info.fps);
  }
}

function timecode(seconds) {
  const two = (n) => String(Math.floor(n)).padStart(2, "0");
  return `${two(seconds / 60)}:${two(seconds % 60)}.${String(Math.floor((seconds % 1) * 1000)).padStart(3, "0")}`;
}

export const player = new Player();
