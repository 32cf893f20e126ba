// A set of pixels of the video: filled outlines and brush strokes.

export class Region {
  #canvas = new OffscreenCanvas(1, 1);
  #context = this.#canvas.getContext("2d", { willReadFrequently: true });
  isEmpty = true;

  resize([width, height]) {
    Object.assign(this.#canvas, { width, height });
    this.isEmpty = true;
  }

  clear() {
    this.#context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    this.isEmpty = true;
  }

  /** Add the inside of an outline of positions; whole numbers are centres of pixels. */
  fill(outline) {
    this.#context.fillStyle = "#7b9bff";
    this.#context.beginPath();
    for (const [x, y] of outline) this.#context.lineTo(x + 0.5, y + 0.5);
    this.#context.fill();
    this.isEmpty = false;
  }

  /** Add a stroke, or erase it. */
  paint(path, radius, erase) {
    const context = this.#context;
    context.globalCompositeOperation = erase ? "destination-out" : "source-over";
    context.strokeStyle = "#7b9bff";
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = 2 * radius;
    context.beginPath();
    const [first] = path;
    context.moveTo(first[0] + 0.5, first[1] + 0.5);
    for (const [x, y] of path) context.lineTo(x + 0.5, y + 0.501);
    context.stroke();
    context.globalCompositeOperation = "source-over";
    this.isEmpty = false;
  }

  /** Pairs (first pixel, count), pixels numbered row by row. */
  runs() {
    const { width, height } = this.#canvas;
    const { data } = this.#context.getImageData(0, 0, width, height);
    const found = [];
    for (let i = 0, start = -1; i <= width * height; i++) {
      const inside = i < width * height && data[4 * i + 3] > 127;
      if (inside && start < 0) start = i;
      if (!inside && start >= 0) {
        found.push([start, i - start]);
        start = -1;
      }
    }
    return found;
  }

  draw(context, view) {
    if (this.isEmpty) return;
    context.globalAlpha = 0.45;
    context.imageSmoothingEnabled = true;
    context.drawImage(this.#canvas, view.left, view.top, this.#canvas.width * view.scale, this.#canvas.height * view.scale);
    context.globalAlpha = 1;
  }
}
