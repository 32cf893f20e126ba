// A camera or a stream: points are clicked while it runs.

import { call, listen } from "./api.js";

const $ = (id) => document.getElementById(id);
const TAIL = 40;
const MARGIN = 20;

/** Connect the live view; `show` changes views, `home` goes back, `fail` tells one line. */
export function startLive({ show, home, fail }) {
  let live = null;

  $("live-form").onsubmit = async (event) => {
    event.preventDefault();
    const button = $("live-form").querySelector("button");
    button.disabled = true;
    try {
      const info = await call("POST", "live", { source: $("live-source").value });
      show("live");
      live = new Live(info, (reason) => { stop(); fail(reason); }, fail);
    } catch (error) {
      fail(error.message);
    } finally {
      button.disabled = false;
    }
  };

  const stop = () => {
    live?.close();
    live = null;
    home();
  };
  $("live-stop").onclick = $("live-home").onclick = stop;
  $("live-clear").onclick = () => live?.clear();
  $("live-picture").addEventListener("pointerdown", (event) => live?.click(event));
}

class Live {
  canvas = $("live-picture");
  tails = new Map(); // id -> positions, the newest last
  number = -1;
  picture = null;

  constructor(info, ended, fail) {
    this.info = info;
    this.fail = fail;
    const [width, height] = info.size;
    $("live-name").textContent = info.name;
    $("live-facts").textContent = `${width}×${height}`;
    $("live-latency").textContent = "";
    this.connection = listen(`live/${info.id}/events`, {
      text() {},
      binary: (message) => this.receive(message),
      gone: () => ended("The source has ended."),
    });
  }

  close() {
    this.connection.close();
    call("DELETE", `live/${this.info.id}`).catch(() => {});
  }

  clear() {
    this.tails.clear();
    this.command("clear");
  }

  click(event) {
    const [x, y] = this.position(event);
    this.command("points", { x, y, number: this.number });
  }

  async command(path, body) {
    try {
      await call("POST", `live/${this.info.id}/${path}`, body);
    } catch (error) {
      this.fail(error.message);
    }
  }

  /** Draw a frame, and say so: the server measures the time until then, and sends the next one. */
  async receive({ header, start, buffer }) {
    const picture = await createImageBitmap(new Blob([new Uint8Array(buffer, start)], { type: "image/jpeg" }));
    this.picture?.close();
    this.picture = picture;
    this.number = header.number;
    this.remember(header.points);
    requestAnimationFrame(() => {
      this.draw(header.points);
      this.connection.send("shown");
    });
    this.tell(header);
  }

  remember(points) {
    const here = new Set(points.map(([id]) => id));
    for (const id of this.tails.keys()) if (!here.has(id)) this.tails.delete(id);
    for (const [id, , x, y, visible] of points) {
      const tail = this.tails.get(id) ?? [];
      tail.push(visible ? [x, y] : null);
      this.tails.set(id, tail.slice(-TAIL));
    }
  }

  tell({ latency, tracking, points }) {
    const [text, number] = [document.createTextNode(""), document.createElement("strong")];
    number.textContent = latency === null ? "…" : `${Math.round(latency)} ms`;
    text.data = ` from camera to screen · ${Math.round(tracking)} ms tracking · ${points.length} points`;
    $("live-latency").replaceChildren(number, text);
    this.canvas.dataset.frame = this.number;
    this.canvas.dataset.points = points.length;
  }

  get view() {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = this.info.size;
    const [W, H] = [this.canvas.width, this.canvas.height];
    const scale = Math.min((W - 2 * MARGIN * ratio) / width, (H - 2 * MARGIN * ratio) / height);
    return { ratio, scale, left: (W - width * scale) / 2, top: (H - height * scale) / 2 };
  }

  position(event) {
    const box = this.canvas.getBoundingClientRect();
    const { ratio, scale, left, top } = this.view;
    return [((event.clientX - box.left) * ratio - left) / scale - 0.5, ((event.clientY - box.top) * ratio - top) / scale - 0.5];
  }

  draw(points) {
    const ratio = window.devicePixelRatio || 1;
    const [W, H] = [Math.round(this.canvas.clientWidth * ratio), Math.round(this.canvas.clientHeight * ratio)];
    if (this.canvas.width !== W || this.canvas.height !== H) Object.assign(this.canvas, { width: W, height: H });
    const context = this.canvas.getContext("2d");
    const view = this.view;
    const [width, height] = this.info.size;
    context.clearRect(0, 0, W, H);
    context.drawImage(this.picture, view.left, view.top, width * view.scale, height * view.scale);
    const place = ([x, y]) => [(x + 0.5) * view.scale + view.left, (y + 0.5) * view.scale + view.top];
    context.lineCap = "round";
    for (const [id, color, x, y, visible] of points) {
      this.drawTail(context, place, color, this.tails.get(id), ratio);
      drawDot(context, place([x, y]), color, visible, ratio);
    }
  }

  drawTail(context, place, color, tail, ratio) {
    context.strokeStyle = color;
    for (let i = 1; i < tail.length; i++) {
      if (!tail[i] || !tail[i - 1]) continue;
      context.globalAlpha = i / tail.length;
      context.lineWidth = (1 + (2 * i) / tail.length) * ratio;
      context.beginPath();
      context.moveTo(...place(tail[i - 1]));
      context.lineTo(...place(tail[i]));
      context.stroke();
    }
    context.globalAlpha = 1;
  }
}

function drawDot(context, [x, y], color, visible, ratio) {
  context.beginPath();
  context.arc(x, y, 5 * ratio, 0, 2 * Math.PI);
  context.lineWidth = 1.5 * ratio;
  context.fillStyle = context.strokeStyle = color;
  visible ? context.fill() : context.stroke();
}
