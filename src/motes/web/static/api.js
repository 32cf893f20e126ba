// Requests to the server, and its messages.

/** An answer of the server that is an error; its message is one line for people. */
export class Refused extends Error {}

/** Send a request; the answer is JSON. */
export async function call(method, path, body) {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["content-type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(`/api/${path}`, options);
  } catch {
    throw new Refused("The server cannot be reached. Is motes serve still running?");
  }
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(content.error ?? `The server answered ${answer.status}.`);
  return content;
}

/** Upload a file; `progress` gets the share that was sent. */
export function upload(file, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", `/api/uploads?name=${encodeURIComponent(file.name)}`);
    request.upload.onprogress = (event) => progress(event.loaded / event.total);
    request.onerror = () => reject(new Refused("The upload was refused: the file is too large, or the server has ended."));
    request.onload = () => {
      const content = JSON.parse(request.responseText || "{}");
      if (request.status === 200) resolve(content);
      else reject(new Refused(content.error ?? `The server answered ${request.status}.`));
    };
    request.send(file);
  });
}

/** Read a binary message: JSON of a length that comes first, then float32 numbers. */
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  return { header, start: 4 + length, buffer };
}

/** Listen to a path; reconnects until `close` is called. `gone` is called when the server refuses. */
export function listen(path, { text, binary, gone, lost }) {
  const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/${path}`;
  let socket = null;
  let closed = false;
  let wait = 300;
  let opened = false;

  function connect() {
    socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    opened = false;
    socket.onopen = () => { opened = true; wait = 300; lost?.(false); };
    socket.onmessage = ({ data }) => (typeof data === "string" ? text(JSON.parse(data)) : binary(unpack(data)));
    socket.onclose = async () => {
      if (closed) return;
      lost?.(true);
      if (!opened && (await isRefused(path))) return gone?.();
      wait = Math.min(wait * 1.7, 5000);
      setTimeout(() => closed || connect(), wait);
    };
  }
  connect();
  return { close() { closed = true; socket.close(); }, send: (message) => socket.readyState === 1 && socket.send(message) };
}

/** Whether the server answers, and has no such document any more. */
async function isRefused(path) {
  try {
    return (await fetch(`/api/${path.replace(/\/events$/, "")}`)).status === 404;
  } catch {
    return false;
  }
}
