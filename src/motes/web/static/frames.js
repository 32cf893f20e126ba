// Decoded frames: loaded when wanted, a bounded number is kept.

const MOST_BYTES = 256 * 2 ** 20;
const PARALLEL = 4;
const AHEAD = 24;

export class Frames {
  #kept = new Map(); // number -> ImageBitmap, the oldest first
  #loading = new Map(); // number -> AbortController
  #wanted = [];
  #closed = false;

  constructor(info, loaded) {
    this.info = info;
    this.loaded = loaded;
    const [width, height] = info.size;
    this.capacity = Math.max(12, Math.min(600, Math.floor(MOST_BYTES / (width * height * 4))));
  }

  /** The picture of a frame, or undefined while it is being loaded. */
  get(number) {
    const picture = this.#kept.get(number);
    if (picture) {
      this.#kept.delete(number);
      this.#kept.set(number, picture);
    }
    return picture;
  }

  /** Load a frame, then its neighbours in the direction of play. */
  want(number, direction = 1) {
    const count = Math.min(AHEAD, this.capacity - 4, this.info.frames);
    this.#wanted = [];
    for (let i = 0; i < count; i++) {
      const next = number + i * direction;
      const inside = ((next % this.info.frames) + this.info.frames) % this.info.frames;
      if (!this.#kept.has(inside) && !this.#loading.has(inside)) this.#wanted.push(inside);
    }
    const near = new Set(this.#wanted.slice(0, PARALLEL)).add(number);
    for (const [other, controller] of this.#loading) if (!near.has(other) && this.#wanted[0] === number) controller.abort();
    this.#next();
  }

  #next() {
    while (!this.#closed && this.#loading.size < PARALLEL && this.#wanted.length) this.#load(this.#wanted.shift());
  }

  async #load(number) {
    const controller = new AbortController();
    this.#loading.set(number, controller);
    try {
      const answer = await fetch(`/api/documents/${this.info.id}/frames/${number}`, { signal: controller.signal });
      if (answer.ok) this.#keep(number, await createImageBitmap(await answer.blob()));
    } catch {
      // aborted, or the server has ended: the frame is asked for again when it is wanted
    }
    this.#loading.delete(number);
    this.#next();
  }

  #keep(number, picture) {
    if (this.#closed) return picture.close();
    this.#kept.set(number, picture);
    while (this.#kept.size > this.capacity) {
      const [oldest, old] = this.#kept.entries().next().value;
      this.#kept.delete(oldest);
      old.close();
    }
    this.loaded(number);
  }

  close() {
    this.#closed = true;
    for (const controller of this.#loading.values()) controller.abort();
    for (const picture of this.#kept.values()) picture.close();
    this.#kept.clear();
  }
}
