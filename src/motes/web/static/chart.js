// x, y and confidence of the selected point over time.

import { isPresent, store } from "./store.js";
import { color } from "./timeline.js";

const canvas = document.getElementById("chart");
const ROWS = [["x", 0, 0.36], ["y", 0.38, 0.36], ["confidence", 0.76, 0.24]];
const LEFT = 4;

export function startChart() {
  new ResizeObserver(draw).observe(canvas);
  store.on("points tracks selection frame look", draw);
  const scrub = (event) => {
    const box = canvas.getBoundingClientRect();
    if (store.info) store.seek(Math.floor(((event.clientX - box.left - LEFT) / (box.width - 2 * LEFT)) * store.info.frames));
  };
  canvas.addEventListener("pointerdown", (e) => { canvas.setPointerCapture(e.pointerId); scrub(e); });
  canvas.addEventListener("pointermove", (e) => e.buttons && scrub(e));
}

function draw() {
  const point = store.selected;
  if (!point || !canvas.clientWidth) return;
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  Object.assign(canvas, { width: width * ratio, height: height * ratio });
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const table = store.tracks.get(point.id);
  const x = (frame) => LEFT + ((frame + 0.5) / store.info.frames) * (width - 2 * LEFT);
  ROWS.forEach(([name, top, share], row) => {
    const box = { top: top * height, height: share * height };
    if (row < 2) drawPosition(context, table, row, name, x, box, point);
    else drawConfidence(context, table, x, box, point);
  });
  context.fillStyle = color("--text");
  context.fillRect(x(store.frame) - 0.5, 0, 1, height);
}

function drawPosition(context, table, column, name, x, box, point) {
  let [low, high] = [Infinity, -Infinity];
  for (let f = 0; f < store.info.frames; f++) {
    if (!isPresent(point, f)) continue;
    low = Math.min(low, table[f * 4 + column]);
    high = Math.max(high, table[f * 4 + column]);
  }
  if (low > high) return;
  const span = Math.max(high - low, 2);
  const middle = (low + high) / 2;
  const down = column ? 1 : -1; // y of a picture points down, here too
  const y = (value) => box.top + 17 + (0.5 + (down * (value - middle)) / span) * (box.height - 24);
  context.lineWidth = 1.5;
  for (const visible of [false, true]) {
    context.strokeStyle = visible ? point.color : color("--faint");
    context.setLineDash(visible ? [] : [2, 3]);
    context.beginPath();
    for (let f = 0, pen = false; f < store.info.frames; f++) {
      const drawn = isPresent(point, f) && table[f * 4 + 2] > 0.5 === visible;
      if (drawn) context[pen ? "lineTo" : "moveTo"](x(f), y(table[f * 4 + column]));
      pen = drawn;
    }
    context.stroke();
  }
  context.setLineDash([]);
  text(context, `${name}  ${table[store.frame * 4 + column].toFixed(2)}`, box.top + 6);
}

function drawConfidence(context, table, x, box, point) {
  const bottom = box.top + box.height - 2;
  const wide = Math.max(1, x(1) - x(0));
  for (let f = 0; f < store.info.frames; f++) {
    if (!isPresent(point, f)) continue;
    const value = table[f * 4 + 3];
    context.fillStyle = value < 0.5 && table[f * 4 + 2] > 0.5 ? color("--doubt") : color("--faint");
    const tall = Math.max(1, value * (box.height - 16));
    context.fillRect(x(f) - wide / 2, bottom - tall, wide + 0.3, tall);
  }
  text(context, `confidence  ${table[store.frame * 4 + 3].toFixed(2)}`, box.top + 6);
}

function text(context, content, y) {
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.fillStyle = color("--dim");
  context.fillText(content, LEFT, y);
}
