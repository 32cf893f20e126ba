// What the page knows of the open video: a copy of the server's state, and what only this page has.

import { call, listen } from "./api.js";

const LOOK_KEY = "motes.look";
const DEFAULT_LOOK = { look: "trails", background: "normal", tail: 20, occluded: true, loop: true };

/** The open video. Events: `points`, `tracks`, `frame`, `selection`, `jobs`, `tool`, `look`, `closed`, `problem`, `lost`, `export`. */
class Store extends EventTarget {
  info = null;
  points = new Map(); // id -> what the server says of it
  tracks = new Map(); // id -> Float32Array of [x, y, visible, confidence] for every frame
  jobs = [];
  frame = 0;
  selection = new Set();
  tool = "point";
  direction = "forward";
  look = { ...DEFAULT_LOOK, ...JSON.parse(localStorage.getItem(LOOK_KEY) ?? "{}") };
  undo = false;
  redo = false;
  #connection = null;
  #sent = Promise.resolve();

  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  on(types, handler) {
    for (const type of types.split(" ")) this.addEventListener(type, (event) => handler(event.detail));
  }

  /** Show a video. */
  open(state) {
    this.close();
    this.info = state;
    this.frame = 0;
    this.#points(state);
    this.#connection = listen(`documents/${state.id}/events`, {
      text: (message) => this.#receive(message),
      binary: (message) => this.#tracks(message),
      gone: () => this.emit("closed"),
      lost: (lost) => this.emit("lost", lost),
    });
    this.emit("open");
    this.emit("frame");
  }

  close() {
    this.#connection?.close();
    this.#connection = null;
    this.info = null;
    this.points.clear();
    this.tracks.clear();
    this.selection.clear();
    this.jobs = [];
  }

  #receive(message) {
    if (message.type === "state") {
      this.tracks.clear();
      this.#points(message);
      this.jobs = message.jobs;
      this.emit("jobs");
    } else if (message.type === "points") this.#points(message);
    else if (message.type === "jobs") { this.jobs = message.jobs; this.emit("jobs"); }
    else if (message.type === "saved") { this.info.savedAs = message.path; this.emit("saved", message.path); }
    else if (message.type === "closed") this.emit("closed");
    else this.emit(message.type, message);
  }

  #points({ points, undo, redo }) {
    Object.assign(this, { undo, redo, points: new Map(points.map((p) => [p.id, p])) });
    for (const id of this.tracks.keys()) if (!this.points.has(id)) this.tracks.delete(id);
    for (const p of points) if (!this.tracks.has(p.id)) this.tracks.set(p.id, this.#untracked(p));
    for (const id of this.selection) if (!this.points.has(id)) this.selection.delete(id);
    this.emit("points");
    this.emit("selection");
  }

  #untracked(point) {
    const table = new Float32Array(this.info.frames * 4);
    for (const [t, x, y] of point.keys) table.set([x, y, 1, 1], t * 4);
    return table;
  }

  #tracks({ header, start, buffer }) {
    const size = header.frames * 4;
    header.ids.forEach((id, row) => {
      const part = new Float32Array(buffer, start + row * size * 4, size);
      this.tracks.get(id)?.set(part, header.start * 4);
    });
    this.emit("tracks", header);
  }

  /** Show a frame; numbers beyond the ends are those of the ends. */
  seek(frame) {
    if (!this.info) return;
    const next = Math.max(0, Math.min(this.info.frames - 1, Math.round(frame)));
    if (next === this.frame) return;
    this.frame = next;
    this.emit("frame");
  }

  select(ids) {
    this.selection = new Set(ids);
    this.emit("selection");
  }

  /** The one selected point, or null. */
  get selected() {
    return this.selection.size === 1 ? this.points.get([...this.selection][0]) : null;
  }

  setTool(tool) {
    this.tool = tool;
    this.emit("tool");
  }

  setDirection(direction) {
    this.direction = direction;
    this.emit("tool");
  }

  setLook(changes) {
    Object.assign(this.look, changes);
    localStorage.setItem(LOOK_KEY, JSON.stringify(this.look));
    this.emit("look");
  }

  /** Send a command of the open video, after those before it; a refusal is shown. */
  command(method, path, body) {
    this.#sent = this.#sent.then(() => this.#send(method, path, body));
    return this.#sent;
  }

  async #send(method, path, body) {
    try {
      return await call(method, `documents/${this.info.id}/${path}`, body);
    } catch (error) {
      this.emit("problem", { message: error.message });
      return null;
    }
  }

  async add(xy) {
    const answer = await this.command("POST", "points", { at: this.frame, xy, direction: this.direction });
    if (answer) this.select(answer.ids);
  }

  async addRegion(runs, how) {
    const answer = await this.command("POST", "region", { at: this.frame, runs, direction: this.direction, ...how });
    if (answer) this.select(answer.ids);
  }

  correct(id, t, x, y) {
    return this.command("PUT", `points/${id}/key`, { t, x, y });
  }

  /** All doubtful frames of the points that are shown, in order. */
  get doubts() {
    const found = [];
    for (const p of this.points.values()) if (!p.hidden) for (const [frame, kind] of p.doubts) found.push({ id: p.id, frame, kind });
    return found.sort((a, b) => a.frame - b.frame || a.id - b.id);
  }
}

export const store = new Store();

/** Position of a point in a frame. */
export function at(id, frame) {
  const table = store.tracks.get(id);
  const i = frame * 4;
  return { x: table[i], y: table[i + 1], visible: table[i + 2] > 0.5, confidence: table[i + 3] };
}

/** Whether a point was tracked to a frame; while it is being tracked, what has not come yet has no confidence. */
export function isPresent(point, frame) {
  const isEarly = frame < point.keys[0][0];
  const isLate = frame > point.keys.at(-1)[0];
  if (!isEarly && !isLate) return true;
  if (point.direction === (isEarly ? "forward" : "backward")) return false;
  const table = store.tracks.get(point.id);
  return point.complete || table[frame * 4 + 2] > 0.5 || table[frame * 4 + 3] > 0;
}
