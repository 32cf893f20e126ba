// The start page: open a video, a project, or a live source.

import { call, upload } from "./api.js";
import { icon } from "./icons.js";

const $ = (id) => document.getElementById(id);

let opened = () => {};
let failed = () => {};
let folder = ".";

/** Connect the start page; `open` gets the state of a video, `fail` one line. */
export function startHome({ open, fail }) {
  opened = open;
  failed = fail;
  $("choose").onclick = () => $("file").click();
  $("file").onchange = () => $("file").files[0] && send($("file").files[0]);
  $("demo").onclick = () => ask({ demo: true });
  for (const event of ["dragenter", "dragover"]) addEventListener(event, (e) => { e.preventDefault(); document.body.classList.add("dragging"); });
  for (const event of ["dragleave", "drop"]) addEventListener(event, (e) => { e.preventDefault(); if (event === "drop" || !e.relatedTarget) document.body.classList.remove("dragging"); });
  addEventListener("drop", (e) => e.dataTransfer?.files[0] && send(e.dataTransfer.files[0]));
}

/** Open by path, or the demo. */
export async function ask(what) {
  try {
    opened(await call("POST", "open", what));
  } catch (error) {
    failed(error.message);
  }
}

async function send(file) {
  const bar = $("upload");
  bar.hidden = false;
  try {
    opened(await upload(file, (share) => { bar.value = share; }));
  } catch (error) {
    failed(error.message);
  } finally {
    bar.hidden = true;
    $("file").value = "";
  }
}

/** Show what can be opened. */
export async function showHome() {
  try {
    const hello = await call("GET", "hello");
    $("opened").hidden = !hello.open.length;
    $("opened-list").replaceChildren(...hello.open.map((d) => line("film", d.name, `${d.points} points${d.changed ? ", not saved" : ""}`, async () => opened(await call("GET", `documents/${d.id}`)))));
    await showFolder(folder, hello.folder);
  } catch (error) {
    failed(error.message);
  }
}

async function showFolder(path, name) {
  const { entries } = await call("GET", `files?path=${encodeURIComponent(path)}`);
  folder = path;
  $("folder-name").textContent = `In ${path === "." ? `the folder “${name}”` : path}`;
  const up = path === "." ? [] : [line("folder", "..", "", () => showFolder(path.includes("/") ? path.replace(/\/[^/]*$/, "") : ".", name))];
  const icons = { video: "film", folder: "folder", images: "images", project: "project" };
  const lines = entries.map((e) => line(icons[e.kind], e.name, size(e), () => (e.kind === "folder" ? showFolder(e.path, name) : ask({ path: e.path }))));
  if (!lines.length && !up.length) lines.push(empty("No videos in this folder. Start motes serve where yours are, or drop one above."));
  $("files").replaceChildren(...up, ...lines);
}

function line(name, title, detail, action) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  const [text, dim] = [document.createElement("span"), document.createElement("span")];
  text.textContent = title;
  dim.textContent = detail;
  dim.className = "dim";
  button.append(icon(name), text, dim);
  button.onclick = action;
  item.append(button);
  return item;
}

function empty(text) {
  const item = document.createElement("li");
  item.className = "dim";
  item.textContent = text;
  return item;
}

function size({ kind, size }) {
  if (kind === "images") return "images";
  if (kind === "folder" || !size) return "";
  const units = ["B", "KB", "MB", "GB"];
  const power = Math.min(3, Math.floor(Math.log10(size) / 3));
  return `${(size / 1000 ** power).toFixed(power ? 1 : 0)} ${units[power]}`;
}
