// Draws tracks as `motes render` does: tails that taper and fade, dots, hollow rings when hidden.

import { at, isPresent, store } from "./store.js";

const THINNEST = 0.4;
const RADIUS = 1.35;
const RING = 1.5;
const FAINTEST = 0.25;
const STEPS = 6; // brightnesses of a tail

/** Width of a tail at its head in pixels of the video, as `Style.width_on` has it. */
export function widthOn([width, height]) {
  return 2 * ((width * height) / (640 * 480)) ** 0.25;
}

/** Draw all points of a frame.
 *
 * `view` maps pixels of the video to those of the canvas: scale, left, top.
 */
export function paintTracks(context, view, frame, hovered, dragged) {
  const shown = [...store.points.values()].filter((p) => !p.hidden && isPresent(p, frame));
  const width = Math.max(widthOn(store.info.size) * view.scale, 1.6 * view.ratio);
  const look = store.look.look;
  context.lineCap = context.lineJoin = "round";
  if (look === "trails" || look === "labels") for (const p of shown) paintTail(context, view, p, frame, width);
  if (look === "arrows") for (const p of shown) paintArrow(context, view, p, frame, width);
  for (const p of shown) if (p.id !== dragged?.id) paintDot(context, view, p, frame, width, p.id === hovered);
  const named = shown.filter((p) => look === "labels" || store.selection.has(p.id) || p.id === hovered);
  if (named.length <= 60 || look === "labels") for (const p of named) paintName(context, view, p, frame, width);
  if (dragged) paintDragged(context, view, dragged, width);
}

function place(view, x, y) {
  return [(x + 0.5) * view.scale + view.left, (y + 0.5) * view.scale + view.top];
}

function paintTail(context, view, point, frame, width) {
  const tail = store.look.tail;
  const first = Math.max(0, frame - tail);
  for (let step = 0; step < STEPS; step++) {
    const from = Math.max(first, Math.floor(frame - tail * (1 - step / STEPS)));
    const to = Math.min(frame, Math.ceil(frame - tail * (1 - (step + 1) / STEPS)));
    const freshness = (step + 0.7) / STEPS;
    const path = tailPath(view, point, from, to);
    if (!path) continue;
    context.globalAlpha = 0.35 * freshness;
    context.strokeStyle = "#000";
    context.lineWidth = width * (THINNEST + (1 - THINNEST) * freshness) + 2 * view.ratio;
    context.stroke(path);
    context.globalAlpha = freshness;
    context.strokeStyle = point.color;
    context.lineWidth = width * (THINNEST + (1 - THINNEST) * freshness);
    context.stroke(path);
  }
  context.globalAlpha = 1;
}

/** The visible legs between two frames as a path; null if there are none. */
function tailPath(view, point, from, to) {
  const path = new Path2D();
  let drawn = false;
  let before = null;
  for (let f = from; f <= to; f++) {
    const now = at(point.id, f);
    const here = now.visible && isPresent(point, f) ? place(view, now.x, now.y) : null;
    if (here && before) {
      path.lineTo(...here);
      drawn = true;
    } else if (here) path.moveTo(...here);
    before = here;
  }
  return drawn ? path : null;
}

function paintArrow(context, view, point, frame, width) {
  const now = at(point.id, frame);
  if (!now.visible) return;
  const [, x, y] = point.keys[0];
  context.globalAlpha = 0.75;
  context.strokeStyle = point.color;
  context.lineWidth = 0.6 * width;
  context.beginPath();
  context.moveTo(...place(view, x, y));
  context.lineTo(...place(view, now.x, now.y));
  context.stroke();
  context.globalAlpha = 1;
}

function paintDot(context, view, point, frame, width, isHovered) {
  const now = at(point.id, frame);
  if (!now.visible && !store.look.occluded) return;
  const [x, y] = place(view, now.x, now.y);
  const radius = Math.max(RADIUS * width, 3 * view.ratio) * (isHovered ? 1.25 : 1);
  const isSelected = store.selection.has(point.id);
  if (isSelected || isHovered) ring(context, x, y, radius + 3.5 * view.ratio, 1.5 * view.ratio, isSelected ? "#fff" : point.color);
  if (now.visible) {
    disc(context, x, y, radius + view.ratio, "rgb(0 0 0 / .55)");
    disc(context, x, y, radius, point.color);
  } else {
    context.globalAlpha = Math.max(FAINTEST, 1 - sinceSeen(point, frame) / Math.max(store.look.tail, 1));
    ring(context, x, y, RING * radius * 0.9, 0.45 * width + 1.5 * view.ratio, "rgb(0 0 0 / .4)");
    ring(context, x, y, RING * radius * 0.9, 0.45 * width, point.color);
    context.globalAlpha = 1;
  }
  if (point.keys.some(([t]) => t === frame)) diamond(context, x, y, radius + 2 * view.ratio, view.ratio);
}

function sinceSeen(point, frame) {
  let count = 0;
  while (count < store.look.tail && frame - count > 0 && !at(point.id, frame - count).visible) count++;
  return count;
}

function disc(context, x, y, radius, color) {
  context.fillStyle = color;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

function ring(context, x, y, radius, width, color) {
  context.strokeStyle = color;
  context.lineWidth = width;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.stroke();
}

function diamond(context, x, y, radius, ratio) {
  context.strokeStyle = "#fff";
  context.lineWidth = 1.5 * ratio;
  context.beginPath();
  context.moveTo(x, y - radius * 1.5);
  context.lineTo(x + radius * 1.5, y);
  context.lineTo(x, y + radius * 1.5);
  context.lineTo(x - radius * 1.5, y);
  context.closePath();
  context.stroke();
}

function paintName(context, view, point, frame, width) {
  const now = at(point.id, frame);
  const [x, y] = place(view, now.x, now.y);
  label(context, point.name, x + RADIUS * width + 8 * view.ratio, y, point.color, view.ratio);
}

function label(context, text, x, y, color, ratio) {
  context.font = `600 ${12 * ratio}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  const wide = context.measureText(text).width;
  context.fillStyle = "rgb(8 10 14 / .72)";
  context.beginPath();
  context.roundRect(x - 4 * ratio, y - 9 * ratio, wide + 8 * ratio, 18 * ratio, 5 * ratio);
  context.fill();
  context.fillStyle = color;
  context.fillText(text, x, y + 0.5 * ratio);
}

function paintDragged(context, view, { x, y, color }, width) {
  const [px, py] = place(view, x, y);
  const r = Math.max(RADIUS * width, 3 * view.ratio);
  ring(context, px, py, r + 4 * view.ratio, 2 * view.ratio, "#fff");
  disc(context, px, py, r, color);
}
