// Starts the page and connects its parts.

import { call } from "./api.js";
import { startChart } from "./chart.js";
import { startDialogs } from "./dialogs.js";
import { ask, showHome, startHome } from "./home.js";
import { fillIcons } from "./icons.js";
import { nextDoubt, startKeyboard } from "./keyboard.js";
import { startLive } from "./live.js";
import { startPanel } from "./panel.js";
import { player } from "./player.js";
import { stage } from "./stage.js";
import { store } from "./store.js";
import { timeline } from "./timeline.js";

const $ = (id) => document.getElementById(id);
const VIEWS = ["home", "editor", "live"];
const THEME_KEY = "motes.theme";

function show(view) {
  for (const name of VIEWS) $(name).hidden = name !== view;
  document.title = "motes";
}

function home() {
  player.pause();
  store.close();
  stage.close();
  history.replaceState(null, "", "/");
  show("home");
  showHome();
}

function open(state) {
  show("editor");
  const [width, height] = state.size;
  $("name").textContent = state.name;
  $("facts").textContent = `${width}×${height} · ${Number(state.fps.toFixed(3))} fps · ${state.frames} frames`;
  store.open(state);
  document.title = `${state.name} – motes`;
  history.replaceState(null, "", `/#${state.id}`);
  stage.canvas.focus({ preventScroll: true });
}

let toastTimer = 0;

/** One line for people, for a while. */
function toast(message, good = false) {
  const box = $("toast");
  if (store.info) $("stage").append(box);
  else $("home").append(box);
  box.textContent = message;
  box.classList.toggle("good", good);
  box.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { box.hidden = true; }, 6000);
}

function showJobs() {
  const [done, total] = ["done", "total"].map((name) => store.jobs.reduce((sum, job) => sum + job[name], 0));
  const points = store.jobs.reduce((sum, job) => sum + job.points, 0);
  const left = store.jobs.reduce((sum, job) => sum + (job.left ?? 0), 0);
  $("job").hidden = !store.jobs.length;
  $("job-progress").value = total ? done / total : 0;
  const time = done && left >= 0.5 ? ` · ${left < 90 ? `${Math.ceil(left)} s` : `${Math.ceil(left / 60)} min`} left` : "";
  $("job-text").textContent = `Tracking ${points} ${points === 1 ? "point" : "points"} · ${Math.round((100 * done) / Math.max(total, 1))} %${time}`;
  document.body.dataset.busy = store.jobs.length;
}

function showTools() {
  for (const button of document.querySelectorAll("[data-tool]")) button.ariaPressed = button.dataset.tool === store.tool;
  for (const button of document.querySelectorAll("[data-direction]")) button.ariaChecked = button.dataset.direction === store.direction;
}

function showPoints() {
  $("undo").disabled = !store.undo;
  $("redo").disabled = !store.redo;
  const doubts = store.doubts.length;
  $("doubts").textContent = doubts ? `${doubts} to check` : "";
  $("doubt-back").disabled = $("doubt-on").disabled = !doubts;
  const complete = [...store.points.values()].filter((p) => p.complete).length;
  $("status").textContent = store.points.size ? `${complete} of ${store.points.size} points tracked` : "";
}

async function save() {
  const answer = await store.command("POST", "project", {});
  if (answer) toast(`Saved as ${answer.path}`, true);
}

function startTheme() {
  const set = (theme) => {
    document.documentElement.dataset.theme = theme;
    stage.draw();
    timeline.draw();
    store.emit("look");
  };
  set(localStorage.getItem(THEME_KEY) ?? "dark");
  $("theme").onclick = () => {
    const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem(THEME_KEY, next);
    set(next);
  };
}

function connect() {
  store.on("jobs", showJobs);
  store.on("tool", showTools);
  store.on("points", showPoints);
  store.on("problem", ({ message }) => toast(message));
  store.on("lost", (lost) => lost && toast("The connection to the server is lost; trying again …"));
  store.on("closed", () => { home(); toast("This video is not open any more."); });
  $("undo").onclick = () => store.command("POST", "undo");
  $("redo").onclick = () => store.command("POST", "redo");
  $("cancel").onclick = () => store.command("POST", "cancel");
  $("save").onclick = save;
  $("to-home").onclick = home;
  $("doubt-back").onclick = () => nextDoubt(-1);
  $("doubt-on").onclick = () => nextDoubt(1);
  $("mask-apply").onclick = () => stage.trackRegion();
  $("mask-clear").onclick = () => stage.clearRegion();
  $("region-kind").onchange = (e) => {
    const isGrid = e.target.value === "spacing";
    $("region-amount-label").firstChild.textContent = isGrid ? "every " : "at most ";
    $("region-amount-label").lastChild.textContent = isGrid ? " px" : "";
    $("region-amount").value = isGrid ? 24 : 50;
  };
  for (const button of document.querySelectorAll("[data-tool]")) button.onclick = () => store.setTool(button.dataset.tool);
  for (const button of document.querySelectorAll("[data-direction]")) button.onclick = () => store.setDirection(button.dataset.direction);
  document.querySelector("[data-action=fit]").onclick = () => stage.fit();
}

/** What the address asks for: `#open=PATH`, or the `#ID` of a video that is open on the server. */
async function openAddress() {
  const wish = decodeURIComponent(location.hash.slice(1));
  if (wish.startsWith("open=")) {
    home();
    return ask({ path: wish.slice(5) });
  }
  if (wish) {
    try {
      return open(await call("GET", `documents/${wish}`));
    } catch {
      // it was closed, or the server was restarted
    }
  }
  home();
}

async function start() {
  fillIcons();
  startTheme();
  const hello = await call("GET", "hello");
  startDialogs(hello.choices);
  startPanel();
  startChart();
  stage.start();
  timeline.start();
  player.start();
  connect();
  startKeyboard({ save });
  startHome({ open, fail: toast });
  startLive({ show, home, fail: toast });
  showTools();
  showJobs();
  addEventListener("hashchange", openAddress);
  await openAddress();
}

start().catch((error) => toast(error.message));
