// The list of points, and the details of the selected one.

import { setIcon } from "./icons.js";
import { store } from "./store.js";

const $ = (id) => document.getElementById(id);
const list = $("points");

export function startPanel() {
  store.on("points", drawList);
  store.on("selection", () => { drawSelection(); drawDetail(); });
  store.on("points", drawDetail);
  store.on("frame", markKey);
  list.addEventListener("click", clicked);
  list.addEventListener("dblclick", (e) => { const row = e.target.closest("li"); if (row && !e.target.closest("button")) rename(row); });
  list.addEventListener("keydown", keyed);
  $("hide-points").onclick = hideSelected;
  $("delete-points").onclick = deleteSelected;
  for (const button of $("again").children) button.onclick = () => trackAgain(button.dataset.again);
}

function drawList() {
  const before = new Map([...list.children].map((row) => [Number(row.dataset.id), row]));
  const rows = [...store.points.values()].map((p) => update(before.get(p.id) ?? newRow(p.id), p));
  for (const [id, row] of before) if (!store.points.has(id)) row.remove();
  rows.forEach((row, i) => { if (list.children[i] !== row) list.insertBefore(row, list.children[i] ?? null); });
  $("count").textContent = rows.length || "";
  $("no-points").hidden = rows.length > 0;
}

function newRow(id) {
  const row = document.createElement("li");
  row.dataset.id = id;
  row.id = `point-${id}`;
  row.role = "option";
  const [dot, name, flag, eye] = ["span", "span", "span", "button"].map((tag) => document.createElement(tag));
  dot.className = "dot";
  name.className = "name";
  flag.className = "flag";
  eye.className = "icon small";
  eye.type = "button";
  eye.dataset.eye = "";
  row.append(dot, name, flag, eye);
  return row;
}

function update(row, point) {
  const [dot, name, flag, eye] = row.children;
  dot.style.background = point.color;
  if (!name.querySelector("input")) name.textContent = point.name;
  const doubts = point.doubts.length;
  flag.textContent = point.complete ? (doubts ? `▾ ${doubts}` : "") : "…";
  flag.title = point.complete ? (doubts ? `${doubts} doubtful frames` : "") : "Not tracked to the end";
  flag.classList.toggle("busy", !point.complete);
  row.classList.toggle("hidden-point", point.hidden);
  eye.title = point.hidden ? "Show" : "Hide";
  eye.ariaLabel = `${eye.title} point ${point.name}`;
  if (eye.dataset.eye !== String(point.hidden)) {
    eye.dataset.eye = point.hidden;
    setIcon(eye, point.hidden ? "closed" : "eye");
  }
  return row;
}

function drawSelection() {
  for (const row of list.children) row.ariaSelected = store.selection.has(Number(row.dataset.id));
  const first = store.selected && document.getElementById(`point-${store.selected.id}`);
  list.setAttribute("aria-activedescendant", first?.id ?? "");
  first?.scrollIntoView({ block: "nearest" });
  $("hide-points").disabled = $("delete-points").disabled = !store.selection.size;
}

function clicked(event) {
  const row = event.target.closest("li");
  if (!row) return;
  const id = Number(row.dataset.id);
  if (event.target.closest("button")) return void store.command("PATCH", "points", { ids: [id], hidden: !store.points.get(id).hidden });
  if (event.shiftKey && store.selection.size) return selectTo(id);
  if (event.ctrlKey || event.metaKey) {
    const chosen = new Set(store.selection);
    chosen.has(id) ? chosen.delete(id) : chosen.add(id);
    return store.select(chosen);
  }
  store.select([id]);
}

function selectTo(id) {
  const ids = [...store.points.keys()];
  const [a, b] = [ids.indexOf([...store.selection][0]), ids.indexOf(id)].sort((u, v) => u - v);
  store.select(ids.slice(a, b + 1));
}

function keyed(event) {
  if (event.target.tagName === "INPUT") return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    event.stopPropagation();
    selectNext(event.key === "ArrowDown" ? 1 : -1);
  }
  if (event.key === "F2" || event.key === "Enter") {
    const row = store.selected && document.getElementById(`point-${store.selected.id}`);
    if (row) { event.preventDefault(); rename(row); }
  }
}

export function selectNext(step) {
  const ids = [...store.points.keys()];
  if (!ids.length) return;
  const now = ids.indexOf([...store.selection][0]);
  store.select([ids[Math.max(0, Math.min(ids.length - 1, now < 0 ? 0 : now + step))]]);
}

function rename(row) {
  const point = store.points.get(Number(row.dataset.id));
  const name = row.querySelector(".name");
  const input = document.createElement("input");
  input.value = point.name;
  input.maxLength = 60;
  input.ariaLabel = "Name";
  name.replaceChildren(input);
  input.select();
  let done = false;
  const finish = (keep) => {
    if (done) return;
    done = true;
    const text = input.value.trim();
    name.textContent = point.name;
    if (keep && text && text !== point.name) store.command("PATCH", "points", { ids: [point.id], name: text });
    list.focus();
  };
  input.onblur = () => finish(true);
  input.onkeydown = (e) => {
    e.stopPropagation();
    if (e.key === "Enter") finish(true);
    if (e.key === "Escape") finish(false);
  };
}

export function hideSelected() {
  const ids = [...store.selection];
  if (ids.length) store.command("PATCH", "points", { ids, hidden: !ids.every((i) => store.points.get(i).hidden) });
}

export function deleteSelected() {
  const ids = [...store.selection];
  if (ids.length) store.command("POST", "delete", { ids });
}

function trackAgain(direction) {
  store.command("POST", "track", { ids: [...store.selection], direction });
}

function drawDetail() {
  const point = store.selected;
  $("detail").hidden = !point;
  if (!point) return;
  $("detail-name").textContent = point.name;
  $("detail-dot").style.background = point.color;
  for (const button of $("again").children) button.ariaPressed = button.dataset.again === point.direction;
  $("keys").replaceChildren(...point.keys.map(([frame], i) => keyChip(point, frame, i)));
  markKey();
}

function keyChip(point, frame, i) {
  const chip = document.createElement("span");
  chip.className = "key";
  chip.dataset.frame = frame;
  const go = document.createElement("button");
  go.type = "button";
  go.textContent = `◆ ${frame}`;
  go.title = `${i === 0 ? "Placed" : "Corrected"} in frame ${frame}`;
  go.onclick = () => store.seek(frame);
  chip.append(go);
  if (point.keys.length > 1) {
    const remove = document.createElement("button");
    remove.type = "button";
    remove.title = remove.ariaLabel = `Take back what was said about frame ${frame}`;
    remove.textContent = "×";
    remove.onclick = () => store.command("DELETE", `points/${point.id}/key/${frame}`);
    chip.append(remove);
  }
  return chip;
}

function markKey() {
  for (const chip of $("keys").children) chip.classList.toggle("here", Number(chip.dataset.frame) === store.frame);
}
