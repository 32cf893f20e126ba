// Thumbnails, a ruler, and one lane a point: when it is visible, where it was corrected, where to look.

import { isPresent, store } from "./store.js";

const $ = (id) => document.getElementById(id);
const LANE = 12;
const RULER = 18;
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000];

class Timeline {
  element = $("timeline");
  strip = $("strip");
  lanes = $("lanes-canvas");
  thumbnails = new Map(); // frame -> Image
  #pending = false;
  #session = 0;

  start() {
    new ResizeObserver(() => this.draw()).observe(this.element);
    this.element.addEventListener("pointerdown", (e) => this.press(e));
    this.element.addEventListener("pointermove", (e) => e.buttons && this.scrub(e));
    store.on("open", () => this.open());
    store.on("points tracks selection", () => this.draw());
    store.on("selection", () => this.reveal());
    store.on("frame", () => this.movePlayhead());
  }

  open() {
    this.thumbnails.clear();
    this.#session++;
    this.element.ariaValueMax = store.info.frames - 1;
    this.draw();
  }

  x(frame) {
    return ((frame + 0.5) / store.info.frames) * this.element.clientWidth;
  }

  frameAt(clientX) {
    const box = this.element.getBoundingClientRect();
    return Math.floor(((clientX - box.left) / box.width) * store.info.frames);
  }

  press(event) {
    this.element.setPointerCapture(event.pointerId);
    const lane = this.laneAt(event);
    if (lane) store.select([lane.id]);
    this.scrub(event);
  }

  scrub(event) {
    if (store.info) store.seek(this.frameAt(event.clientX));
  }

  laneAt(event) {
    if (!event.target.closest("#lanes")) return null;
    const row = Math.floor((event.clientY - this.lanes.getBoundingClientRect().top) / LANE);
    return [...store.points.values()][row] ?? null;
  }

  movePlayhead() {
    $("playhead").style.transform = `translateX(${this.x(store.frame)}px)`;
    this.element.ariaValueNow = store.frame;
    this.element.ariaValueText = `Frame ${store.frame} of ${store.info.frames}`;
  }

  /** Scroll to the lane of the selected point. */
  reveal() {
    const row = [...store.points.keys()].indexOf(store.selected?.id);
    if (row < 0) return;
    const box = $("lanes");
    if (row * LANE < box.scrollTop || (row + 1) * LANE > box.scrollTop + box.clientHeight) box.scrollTop = row * LANE - box.clientHeight / 2;
  }

  draw() {
    if (this.#pending) return;
    this.#pending = true;
    setTimeout(() => requestAnimationFrame(() => {
      this.#pending = false;
      if (!store.info || this.element.closest("[hidden]")) return;
      this.drawStrip();
      this.drawLanes();
      this.movePlayhead();
    }), 40);
  }

  prepare(canvas, height) {
    const ratio = window.devicePixelRatio || 1;
    const width = this.element.clientWidth;
    Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    if (canvas === this.lanes) canvas.style.height = `${height}px`;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    return [context, width];
  }

  drawStrip() {
    const height = this.strip.clientHeight;
    const [context, width] = this.prepare(this.strip, height);
    const tall = height - RULER - 4;
    this.drawThumbnails(context, width, tall);
    this.drawRuler(context, width, tall);
  }

  drawThumbnails(context, width, tall) {
    const [W, H] = store.info.size;
    const wide = Math.max(24, (tall * W) / H);
    const count = Math.ceil(width / wide);
    const missing = [];
    let shown = 0;
    context.beginPath();
    context.roundRect(0, 0, width, tall, 6);
    context.save();
    context.clip();
    context.fillStyle = color("--raised");
    context.fillRect(0, 0, width, tall);
    for (let i = 0; i < count; i++) {
      const frame = Math.min(store.info.frames - 1, Math.max(0, Math.round((((i + 0.5) * wide) / width) * store.info.frames - 0.5)));
      const picture = this.thumbnails.get(frame);
      if (picture?.complete && picture.naturalWidth) {
        context.drawImage(picture, i * wide, 0, wide + 0.5, tall);
        shown++;
      } else if (!picture) missing.push(frame);
    }
    context.restore();
    this.element.dataset.missing = count - shown;
    this.load(missing.slice(0, 2));
  }

  /** Load a few thumbnails; when they are there, drawing asks for the next ones. */
  load(frames) {
    const session = this.#session;
    for (const frame of frames) {
      const picture = new Image();
      picture.onload = picture.onerror = () => session === this.#session && this.draw();
      picture.src = `/api/documents/${store.info.id}/frames/${frame}?height=80`;
      this.thumbnails.set(frame, picture);
    }
  }

  drawRuler(context, width, tall) {
    const perFrame = width / store.info.frames;
    const step = STEPS.find((s) => s * perFrame >= 64) ?? STEPS.at(-1);
    context.font = "10px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.fillStyle = color("--faint");
    for (let frame = 0; frame < store.info.frames; frame += step) {
      const x = Math.round(this.x(frame)) + 0.5;
      context.fillRect(x - 0.5, tall + 4, 1, 5);
      context.fillText(String(frame), Math.min(x + 4, width - 22), tall + 4 + RULER / 2);
    }
  }

  drawLanes() {
    const points = [...store.points.values()];
    const [context, width] = this.prepare(this.lanes, Math.max($("lanes").clientHeight, points.length * LANE + 2));
    points.forEach((point, row) => this.drawLane(context, width, point, row * LANE));
  }

  drawLane(context, width, point, top) {
    if (store.selection.has(point.id)) {
      context.fillStyle = color("--hover");
      context.fillRect(0, top, width, LANE);
    }
    const y = top + LANE / 2;
    context.globalAlpha = point.hidden ? 0.25 : 1;
    for (const [from, to, visible] of runs(point, store.info.frames)) {
      const [left, right] = [(from / store.info.frames) * width, (to / store.info.frames) * width];
      context.fillStyle = visible ? point.color : color("--faint");
      const tall = visible ? 4 : 1.5;
      context.beginPath();
      context.roundRect(left, y - tall / 2, Math.max(right - left, 1), tall, tall / 2);
      context.fill();
    }
    for (const [frame] of point.keys) diamond(context, this.x(frame), y, 4.2);
    for (const [frame] of point.doubts) tick(context, this.x(frame), y);
    context.globalAlpha = 1;
  }
}

/** Stretches of frames that are known: [from, to, visible]. */
function* runs(point, frames) {
  let [from, before] = [0, kind(point, 0)];
  for (let f = 1; f <= frames; f++) {
    const now = f < frames ? kind(point, f) : null;
    if (now === before) continue;
    if (before) yield [from, f, before === "visible"];
    [from, before] = [f, now];
  }
}

function kind(point, frame) {
  if (!isPresent(point, frame)) return "";
  return store.tracks.get(point.id)[frame * 4 + 2] > 0.5 ? "visible" : "hidden";
}

function diamond(context, x, y, r) {
  context.fillStyle = color("--text");
  context.strokeStyle = color("--panel");
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(x, y - r);
  context.lineTo(x + r, y);
  context.lineTo(x, y + r);
  context.lineTo(x - r, y);
  context.closePath();
  context.stroke();
  context.fill();
}

function tick(context, x, y) {
  context.fillStyle = color("--doubt");
  context.beginPath();
  context.moveTo(x - 3.5, y - LANE / 2);
  context.lineTo(x + 3.5, y - LANE / 2);
  context.lineTo(x, y + 1);
  context.fill();
}

/** A colour of the present theme. */
export function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name);
}

export const timeline = new Timeline();
