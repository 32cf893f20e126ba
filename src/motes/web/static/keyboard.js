// Keys; they do nothing while text is being typed or a dialog is open.

import { showExport } from "./dialogs.js";
import { deleteSelected, hideSelected, selectNext } from "./panel.js";
import { player } from "./player.js";
import { stage } from "./stage.js";
import { at, store } from "./store.js";

const STEP = 0.5; // pixels of the video
const NUDGES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const TOOLS = { v: "select", p: "point", b: "box", o: "lasso", m: "mask" };

export function startKeyboard({ save }) {
  addEventListener("keydown", (event) => {
    if (!store.info || document.querySelector("dialog[open]")) return;
    if (event.target.closest("input:not([type=range]):not([type=checkbox]), select, textarea")) return;
    const action = event.ctrlKey || event.metaKey ? command(event, save) : plain(event);
    if (!action) return;
    event.preventDefault();
    action();
  });
}

function command(event, save) {
  const key = event.key.toLowerCase();
  if (key === "z") return () => store.command("POST", event.shiftKey ? "redo" : "undo");
  if (key === "y") return () => store.command("POST", "redo");
  if (key === "s") return save;
  if (key === "a") return () => store.select(store.points.keys());
  return null;
}

function plain(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const isButton = event.target.closest("button, a");
  if (TOOLS[key]) return () => store.setTool(TOOLS[key]);
  if (event.altKey) return NUDGES[key] ? () => nudge(...NUDGES[key]) : null;
  const far = event.shiftKey ? 10 : 1;
  const actions = {
    ArrowLeft: () => player.step(-far),
    ArrowRight: () => player.step(far),
    ArrowUp: () => selectNext(-1),
    ArrowDown: () => selectNext(1),
    Home: () => player.go(0),
    End: () => player.go(Infinity),
    j: () => player.play(-1),
    k: () => player.pause(),
    l: () => player.play(1),
    f: () => stage.fit(),
    h: hideSelected,
    e: showExport,
    "+": () => stage.zoomBy(1.25),
    "=": () => stage.zoomBy(1.25),
    "-": () => stage.zoomBy(0.8),
    "[": () => nextDoubt(-1),
    "]": () => nextDoubt(1),
    "?": () => document.getElementById("help-dialog").showModal(),
    Delete: deleteSelected,
    Backspace: deleteSelected,
    Escape: () => store.select([]),
    " ": isButton ? null : () => player.toggle(),
    Enter: isButton || store.tool !== "mask" ? null : () => stage.trackRegion(),
  };
  return actions[key] ?? null;
}

/** Correct the selected point by a small step. */
function nudge(dx, dy) {
  const point = store.selected;
  if (!point) return;
  const now = at(point.id, store.frame);
  store.correct(point.id, store.frame, now.x + dx * STEP, now.y + dy * STEP);
}

/** Go to the next doubtful frame, or the one before, and select its point. */
export function nextDoubt(direction) {
  const chosen = store.selected;
  const doubts = store.doubts.filter((d) => !chosen || !chosen.doubts.length || d.id === chosen.id);
  const found = direction > 0 ? doubts.find((d) => d.frame > store.frame) : doubts.findLast((d) => d.frame < store.frame);
  if (!found) return;
  player.pause();
  store.seek(found.frame);
  store.select([found.id]);
}
