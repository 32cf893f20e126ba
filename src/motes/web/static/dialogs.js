// Export, look and help.

import { call } from "./api.js";
import { store } from "./store.js";

const $ = (id) => document.getElementById(id);

const KEYS = [
  ["Space", "Play or pause"], ["J  K  L", "Play back, pause, play; again: faster"],
  ["← →", "One frame"], ["Shift ← →", "Ten frames"],
  ["Home  End", "First, last frame"], ["[  ]", "Doubtful frame before, after"],
  ["↑ ↓", "Point before, after"], ["Delete", "Delete the selected points"],
  ["V", "Select and correct"], ["P", "Add a point"],
  ["B", "Points in a box"], ["O", "Points in a lasso"],
  ["M", "Points in a painted mask"], ["Enter", "Track the mask"],
  ["F", "Fit the picture"], ["+  −", "Zoom"],
  ["H", "Hide or show points"], ["Esc", "Deselect"],
  ["Alt ← → ↑ ↓", "Correct by half a pixel"], ["Ctrl A", "Select all points"],
  ["Ctrl Z", "Undo"], ["Ctrl Shift Z", "Redo"],
  ["Ctrl S", "Save the project"], ["E", "Export"],
];

export function startDialogs(choices) {
  $("show-help").onclick = () => $("help-dialog").showModal();
  $("show-look").onclick = () => $("look-dialog").showModal();
  $("show-export").onclick = showExport;
  for (const dialog of document.querySelectorAll("dialog")) dialog.addEventListener("click", (e) => e.target === dialog && dialog.close());
  $("help").replaceChildren(...KEYS.map(([keys, text]) => {
    const row = document.createElement("div");
    const key = document.createElement("kbd");
    key.textContent = keys;
    row.append(text, key);
    return row;
  }));
  startLook(choices);
  startExport(choices);
}

function startLook(choices) {
  fillSelect($("look"), choices.looks.map((l) => [l.name, l.name, l.summary]));
  fillSelect($("background"), choices.backgrounds.map((b) => [b, b]));
  const fields = { look: "value", background: "value", tail: "valueAsNumber", occluded: "checked", loop: "checked" };
  for (const [name, property] of Object.entries(fields)) {
    $(name)[property] = store.look[name];
    $(name).oninput = () => store.setLook({ [name]: $(name)[property] });
  }
  const tell = () => { $("tail-value").textContent = `${store.look.tail} frames`; };
  store.on("look", tell);
  tell();
}

function fillSelect(select, options) {
  select.replaceChildren(...options.map(([value, text, title]) => {
    const option = new Option(text[0].toUpperCase() + text.slice(1), value);
    option.title = title ?? "";
    return option;
  }));
}

function startExport(choices) {
  const names = { video: "Video", gif: "GIF", sheet: "Contact sheet" };
  $("export-pictures").replaceChildren(...choices.pictures.map((p) => exportButton(p.kind, names[p.kind] ?? p.kind, p.summary)));
  $("export-files").replaceChildren(...choices.files.map((f) => exportButton(f.kind, f.kind, f.summary)));
  files = choices.files;
  $("filter").oninput = filterFiles;
  store.on("export", ({ done, total }) => progress(done / total));
}

let files = []; // formats that the server offers

/** Show the formats whose suffix or program contains what was typed. */
function filterFiles() {
  const wanted = $("filter").value.trim().toLowerCase();
  for (const button of $("export-files").children) button.hidden = !button.textContent.toLowerCase().includes(wanted);
}

/** Say why a format cannot be used for so many points. */
function checkFiles(count) {
  for (const { kind, available, points, summary } of files) {
    const button = $("export-files").querySelector(`[data-kind="${kind}"]`);
    const fits = points === null || points === count;
    button.disabled = !available || !fits;
    const reason = available ? `for exactly ${points} selected ${points === 1 ? "point" : "points"}` : "needs a package that is not installed";
    button.lastChild.textContent = button.disabled ? `${summary} (${reason})` : summary;
  }
}

function exportButton(kind, title, summary) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "export";
  button.dataset.kind = kind;
  const [name, text] = [document.createElement("strong"), document.createElement("span")];
  name.textContent = title;
  text.textContent = summary;
  button.append(name, text);
  button.onclick = () => run(kind);
  return button;
}

/** The selected points, if there are several; else all that are shown. */
function chosen() {
  return store.selection.size > 1 ? [...store.selection] : null;
}

export function showExport() {
  const ids = chosen();
  const shown = [...store.points.values()].filter((p) => !p.hidden).length;
  $("export-what").textContent = ids ? `The ${ids.length} selected points` : `The ${shown} points that are shown`;
  $("export-project").href = `/api/documents/${store.info.id}/project`;
  checkFiles(ids?.length ?? shown);
  progress(null);
  $("export-dialog").showModal();
}

async function run(kind) {
  const { look, background, tail, occluded } = store.look;
  const scale = Math.max(...store.info.size) < 640 ? 2 : 1;
  progress(0);
  try {
    const body = { kind, ids: chosen(), look, background, tail, occluded, scale };
    const { url, name } = await call("POST", `documents/${store.info.id}/exports`, body);
    const link = Object.assign(document.createElement("a"), { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    say(`Wrote ${name}`);
  } catch (error) {
    say(error.message);
  }
}

function progress(share) {
  const box = $("export-progress");
  box.hidden = share === null;
  const [bar, text] = box.children;
  bar.hidden = false;
  share ? (bar.value = share) : bar.removeAttribute("value");
  text.textContent = share ? `${Math.round(100 * share)} %` : "Writing …";
}

function say(message) {
  const [bar, text] = $("export-progress").children;
  bar.hidden = true;
  text.textContent = message;
}

