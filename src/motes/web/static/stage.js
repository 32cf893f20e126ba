// The picture: zoom and pan, tools, the loupe.

import { Frames } from "./frames.js";
import { paintTracks } from "./paint.js";
import { Region } from "./region.js";
import { at, isPresent, store } from "./store.js";

const $ = (id) => document.getElementById(id);
const NEAR = 14; // pixels of the page within which a point is hit
const MARGIN = 20;
const LOUPE = { size: 176, zoom: 8 };
const HINTS = {
  select: "Drag a point to correct it. Drag the picture to move it, turn the wheel to zoom.",
  point: "Click to add a point. Hold and move for a precise position.",
  box: "Drag a box: points inside it are tracked.",
  lasso: "Draw around what you want to track.",
  mask: "Paint over what you want to track, then choose “Track the mask”. Right button erases.",
};
const FOOTAGE = { normal: "none", dim: "brightness(.45)", mono: "grayscale(1) brightness(.75)" };

class Stage {
  canvas = $("picture");
  context = this.canvas.getContext("2d");
  frames = null;
  region = new Region();
  shown = -1; // frame in the canvas
  zoom = 0; // pixels of the page per pixel of the video; 0: fit
  center = [0, 0]; // of the view, in pixels of the video
  drag = null; // what a pressed pointer does
  hovered = null;
  pointers = new Map();
  #picture = null;
  #pending = false;

  start() {
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    const handlers = { pointerdown: "down", pointermove: "move", pointerup: "up", pointercancel: "cancel", pointerleave: "leave", wheel: "wheel", contextmenu: "menu", dblclick: "double" };
    for (const [event, name] of Object.entries(handlers)) this.canvas.addEventListener(event, (e) => this[name](e), { passive: false });
    store.on("open", () => this.open());
    store.on("frame", () => this.show());
    store.on("points tracks selection look", () => this.draw());
    store.on("tool", () => this.toolChanged());
    this.toolChanged();
  }

  open() {
    this.frames?.close();
    this.frames = new Frames(store.info, (number) => number === store.frame && this.show());
    this.region.resize(store.info.size);
    this.shown = -1;
    this.#picture = null;
    this.fit();
  }

  close() {
    this.frames?.close();
    this.frames = null;
  }

  /** Bring the wanted frame into the canvas as soon as it is decoded; picture and tracks change together. */
  show(direction = 1) {
    if (!this.frames) return;
    const picture = this.frames.get(store.frame);
    this.frames.want(store.frame, direction);
    if (picture) {
      this.#picture = picture;
      this.shown = store.frame;
      this.draw();
    }
  }

  isLoaded(frame) {
    return Boolean(this.frames?.get(frame));
  }

  fit() {
    this.zoom = 0;
    this.draw();
  }

  /** Pixels of the canvas per pixel of the video, and where the video's left top edge is. */
  get view() {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = store.info.size;
    const { width: W, height: H } = this.canvas;
    const fitting = Math.min((W - 2 * MARGIN * ratio) / width, (H - 2 * MARGIN * ratio) / height);
    if (!this.zoom) this.center = [width / 2, height / 2];
    const scale = this.zoom ? this.zoom * ratio : fitting;
    return { ratio, scale, left: W / 2 - this.center[0] * scale, top: H / 2 - this.center[1] * scale };
  }

  /** Position in pixels of the video; whole numbers are centres of pixels. */
  position(event) {
    const box = this.canvas.getBoundingClientRect();
    const { ratio, scale, left, top } = this.view;
    return [((event.clientX - box.left) * ratio - left) / scale - 0.5, ((event.clientY - box.top) * ratio - top) / scale - 0.5];
  }

  inside([x, y]) {
    const [width, height] = store.info.size;
    return x >= -0.5 && y >= -0.5 && x <= width - 0.5 && y <= height - 0.5;
  }

  clamped([x, y]) {
    const [width, height] = store.info.size;
    return [Math.max(-0.5, Math.min(width - 0.5, x)), Math.max(-0.5, Math.min(height - 0.5, y))];
  }

  /** The point under the pointer, or null. */
  hit(event) {
    const [x, y] = this.position(event);
    const { ratio, scale } = this.view;
    let best = null;
    let nearest = ((event.pointerType === "touch" ? 2 : 1) * NEAR * ratio) / scale;
    for (const p of store.points.values()) {
      if (p.hidden || !isPresent(p, store.frame)) continue;
      const now = at(p.id, store.frame);
      const distance = Math.hypot(now.x - x, now.y - y);
      if (distance < nearest) [best, nearest] = [p, distance];
    }
    return best;
  }

  // Pointer

  down(event) {
    if (!store.info) return;
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
    if (this.pointers.size === 2) return this.startPinch();
    if (event.button === 1 || this.spaceHeld) return this.startPan(event);
    if (this.shown !== store.frame) return; // the picture of another frame would mislead
    const point = this.hit(event);
    if (store.tool === "select" || (store.tool === "point" && point && event.pointerType !== "touch")) this.grab(event, point);
    else if (store.tool === "point") this.drag = { kind: "place", at: this.position(event) };
    else this.drag = { kind: "region", erase: event.button === 2 || event.altKey, path: [this.position(event)] };
    this.move(event);
  }

  grab(event, point) {
    if (!point) return this.startPan(event, true);
    if (event.shiftKey || event.ctrlKey || event.metaKey) {
      const chosen = new Set(store.selection);
      chosen.has(point.id) ? chosen.delete(point.id) : chosen.add(point.id);
      return store.select(chosen);
    }
    if (!store.selection.has(point.id)) store.select([point.id]);
    const now = at(point.id, store.frame);
    const [x, y] = this.position(event);
    this.drag = { kind: "correct", id: point.id, color: point.color, from: [event.clientX, event.clientY], offset: [now.x - x, now.y - y], moved: false };
  }

  startPan(event, deselect = false) {
    this.drag = { kind: "pan", from: [event.clientX, event.clientY], center: [...this.center], deselect, moved: false };
  }

  startPinch() {
    const [a, b] = [...this.pointers.values()];
    this.drag = { kind: "pinch", distance: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY), zoom: this.view.scale / this.view.ratio };
  }

  move(event) {
    if (!store.info) return;
    if (this.pointers.has(event.pointerId)) this.pointers.set(event.pointerId, event);
    const kind = this.drag?.kind;
    if (kind === "pan") this.pan(event);
    else if (kind === "pinch") this.pinch();
    else if (kind === "place") this.drag.at = this.clamped(this.position(event));
    else if (kind === "correct") this.pull(event);
    else if (kind === "region") this.extend(event);
    else this.hover(event);
    this.updateLoupe(event);
    this.draw();
  }

  pan(event) {
    const { ratio, scale } = this.view;
    const [dx, dy] = [event.clientX - this.drag.from[0], event.clientY - this.drag.from[1]];
    this.drag.moved ||= Math.hypot(dx, dy) > 4;
    if (!this.drag.moved) return;
    this.zoom ||= scale / ratio;
    this.center = [this.drag.center[0] - (dx * ratio) / scale, this.drag.center[1] - (dy * ratio) / scale];
  }

  pinch() {
    if (this.pointers.size < 2) return;
    const [a, b] = [...this.pointers.values()];
    const distance = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
    this.zoomTo((this.drag.zoom * distance) / Math.max(this.drag.distance, 1), (a.clientX + b.clientX) / 2, (a.clientY + b.clientY) / 2);
  }

  pull(event) {
    const distance = Math.hypot(event.clientX - this.drag.from[0], event.clientY - this.drag.from[1]);
    this.drag.moved ||= distance > 3;
    const [x, y] = this.position(event);
    [this.drag.x, this.drag.y] = this.clamped([x + this.drag.offset[0], y + this.drag.offset[1]]);
  }

  extend(event) {
    for (const e of event.getCoalescedEvents?.() ?? [event]) this.drag.path.push(this.position(e));
    if (store.tool === "mask") {
      this.region.paint(this.drag.path, this.brush, this.drag.erase);
      this.drag.path = this.drag.path.slice(-1);
    }
  }

  get brush() {
    return 14 * this.view.ratio / this.view.scale;
  }

  hover(event) {
    const point = this.hit(event);
    this.hovered = point?.id ?? null;
    const grabbing = store.tool === "select" || (store.tool === "point" && point);
    this.canvas.style.cursor = point && grabbing ? "grab" : store.tool === "select" ? "default" : "crosshair";
  }

  up(event) {
    this.pointers.delete(event.pointerId);
    const drag = this.drag;
    if (drag?.kind === "pinch" && this.pointers.size) return;
    this.drag = null;
    $("loupe").hidden = true;
    if (!drag) return;
    if (drag.kind === "place" && this.inside(drag.at)) store.add([drag.at]);
    if (drag.kind === "correct" && drag.moved) this.correct(drag);
    if (drag.kind === "pan" && drag.deselect && !drag.moved) store.select([]);
    if (drag.kind === "region") this.finishRegion(drag);
    this.draw();
  }

  /** The dragged dot stays where it was dropped until the server has said so. */
  async correct(drag) {
    this.dropped = drag;
    await store.correct(drag.id, store.frame, drag.x, drag.y);
    this.dropped = null;
    this.draw();
  }

  finishRegion(drag) {
    if (store.tool === "mask") return this.toolChanged();
    const [first, last] = [drag.path[0], drag.path.at(-1)];
    const outline = store.tool === "box" ? [first, [last[0], first[1]], last, [first[0], last[1]]] : drag.path;
    this.region.clear();
    this.region.fill(outline);
    this.trackRegion();
  }

  trackRegion() {
    const runs = this.region.runs();
    this.region.clear();
    this.toolChanged();
    if (!runs.length) return;
    const amount = Math.max(1, Math.round(Number($("region-amount").value) || 1));
    store.addRegion(runs, { [$("region-kind").value]: amount });
  }

  clearRegion() {
    this.region.clear();
    this.toolChanged();
    this.draw();
  }

  cancel(event) {
    this.pointers.delete(event.pointerId);
    this.drag = null;
    $("loupe").hidden = true;
    this.draw();
  }

  leave() {
    this.hovered = null;
    if (!this.drag) $("loupe").hidden = true;
    this.draw();
  }

  menu(event) {
    event.preventDefault();
  }

  double() {
    if (store.tool === "select" && !this.hovered) this.fit();
  }

  wheel(event) {
    event.preventDefault();
    if (!store.info) return;
    if (event.shiftKey) return store.seek(store.frame + Math.sign(event.deltaY || event.deltaX));
    const now = this.view.scale / this.view.ratio;
    this.zoomTo(now * Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0016)), event.clientX, event.clientY);
  }

  /** Zoom so that what is under a position of the page stays there. */
  zoomTo(zoom, clientX, clientY) {
    const box = this.canvas.getBoundingClientRect();
    const before = this.position({ clientX, clientY });
    const ratio = window.devicePixelRatio || 1;
    this.zoom = Math.max(0.05, Math.min(40, zoom));
    const scale = this.zoom * ratio;
    this.center = [
      before[0] + 0.5 - ((clientX - box.left) * ratio - this.canvas.width / 2) / scale,
      before[1] + 0.5 - ((clientY - box.top) * ratio - this.canvas.height / 2) / scale,
    ];
    this.draw();
  }

  zoomBy(factor) {
    const box = this.canvas.getBoundingClientRect();
    this.zoomTo((this.view.scale / this.view.ratio) * factor, box.left + box.width / 2, box.top + box.height / 2);
  }

  // Drawing

  toolChanged() {
    const isRegion = ["box", "lasso", "mask"].includes(store.tool);
    $("region-options").hidden = !isRegion;
    $("mask-apply").hidden = $("mask-clear").hidden = !(store.tool === "mask" && !this.region.isEmpty);
    $("hint").textContent = HINTS[store.tool];
    this.canvas.style.cursor = store.tool === "select" ? "default" : "crosshair";
    if (store.tool !== "mask") this.region.clear();
    this.draw();
  }

  draw() {
    if (this.#pending) return;
    this.#pending = true;
    requestAnimationFrame(() => {
      this.#pending = false;
      if (store.info && !this.canvas.closest("[hidden]")) this.#draw();
    });
  }

  #draw() {
    const ratio = window.devicePixelRatio || 1;
    const [W, H] = [Math.round(this.canvas.clientWidth * ratio), Math.round(this.canvas.clientHeight * ratio)];
    if (this.canvas.width !== W || this.canvas.height !== H) Object.assign(this.canvas, { width: W, height: H });
    const view = this.view;
    this.context.setTransform(1, 0, 0, 1, 0, 0);
    this.context.clearRect(0, 0, W, H);
    if (this.#picture) this.#drawFrame(this.context, view);
    if (this.shown >= 0) {
      const held = this.drag?.kind === "correct" && this.drag.moved ? this.drag : this.dropped;
      paintTracks(this.context, view, this.shown, this.hovered, held);
    }
    this.region.draw(this.context, view);
    this.#drawDrag(view);
    $("zoom").textContent = `${Math.round((100 * view.scale) / view.ratio)} %`;
    this.canvas.dataset.frame = this.shown;
  }

  #drawFrame(context, view) {
    const [width, height] = store.info.size;
    context.imageSmoothingEnabled = view.scale < 4 * view.ratio;
    context.imageSmoothingQuality = "high";
    context.filter = FOOTAGE[store.look.background] ?? "none";
    context.drawImage(this.#picture, view.left, view.top, width * view.scale, height * view.scale);
    context.filter = "none";
  }

  #drawDrag(view) {
    const drag = this.drag;
    if (drag?.kind === "region" && store.tool !== "mask") this.#drawOutline(view, drag.path);
    if (drag?.kind === "place") {
      const [x, y] = [(drag.at[0] + 0.5) * view.scale + view.left, (drag.at[1] + 0.5) * view.scale + view.top];
      crosshair(this.context, x, y, 9 * view.ratio, view.ratio);
    }
  }

  #drawOutline(view, path) {
    const place = ([x, y]) => [(x + 0.5) * view.scale + view.left, (y + 0.5) * view.scale + view.top];
    const context = this.context;
    context.beginPath();
    if (store.tool === "box") {
      const [[x0, y0], [x1, y1]] = [place(path[0]), place(path.at(-1))];
      context.rect(x0, y0, x1 - x0, y1 - y0);
    } else {
      path.forEach((p) => context.lineTo(...place(p)));
      context.closePath();
    }
    context.fillStyle = "rgb(123 155 255 / .16)";
    context.fill();
    context.lineWidth = 1.5 * view.ratio;
    context.strokeStyle = "#9db4ff";
    context.setLineDash([5 * view.ratio, 4 * view.ratio]);
    context.stroke();
    context.setLineDash([]);
  }

  /** A magnified part of the frame around the pointer, for precise positions. */
  updateLoupe(event) {
    const drag = this.drag;
    const precise = drag?.kind === "place" || (drag?.kind === "correct" && drag.moved);
    const loupe = $("loupe");
    loupe.hidden = !precise || !this.#picture;
    if (loupe.hidden) return;
    const [x, y] = drag.kind === "place" ? drag.at : [drag.x, drag.y];
    const ratio = window.devicePixelRatio || 1;
    const side = LOUPE.size * ratio;
    if (loupe.width !== side) loupe.width = loupe.height = side;
    const scale = Math.max(LOUPE.zoom * ratio, this.view.scale * 2);
    const context = loupe.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.fillStyle = "#000";
    context.fillRect(0, 0, side, side);
    const [width, height] = store.info.size;
    context.drawImage(this.#picture, side / 2 - (x + 0.5) * scale, side / 2 - (y + 0.5) * scale, width * scale, height * scale);
    crosshair(context, side / 2, side / 2, 16 * ratio, ratio);
    const box = this.canvas.getBoundingClientRect();
    loupe.style.left = event.clientX - box.left > box.width / 2 ? "14px" : "auto";
    loupe.style.right = event.clientX - box.left > box.width / 2 ? "auto" : "14px";
  }
}

function crosshair(context, x, y, size, ratio) {
  for (const [color, width] of [["rgb(0 0 0 / .7)", 3], ["#fff", 1.25]]) {
    context.strokeStyle = color;
    context.lineWidth = width * ratio;
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + dx * size * 0.3, y + dy * size * 0.3);
      context.lineTo(x + dx * size, y + dy * size);
    }
    context.stroke();
  }
}

export const stage = new Stage();
