// Line icons, drawn on a grid of 24.

const PATHS = {
  select: "M5 4l6 15 2.2-6.3L19.5 10.5z",
  point: "M12 3v5M12 16v5M3 12h5M16 12h5M12 11.9v.2",
  box: "M5 5h4M15 5h4v4M19 15v4h-4M9 19H5v-4M5 9V5M12 5h.1M5 12v.1M19 12v.1M12 19h.1",
  lasso: "M8 18c-3-1-4.5-3-4.5-6C3.5 7.5 7.5 5 12 5s8.5 2.5 8.5 6-3.5 5.5-8 5.5c-2 0-4 .5-4 2s1 2 1.5 2.5",
  brush: "M14 6l4 4M4 20c0-3 1-4.5 3-5 1.5-.3 3 1 2.7 2.7C9.3 19.5 7 20 4 20zM9 14l8.5-9.5c1-1 3.5 1 2.5 2.5L11 16",
  fit: "M4 9V5h4M16 5h4v4M20 15v4h-4M8 19H4v-4M9 9h6v6H9z",
  undo: "M8 5L4 9l4 4M4.5 9H14c3 0 5 2 5 5s-2 5-5 5h-3",
  redo: "M16 5l4 4-4 4M19.5 9H10c-3 0-5 2-5 5s2 5 5 5h3",
  look: "M4 8h10M18 8h2M4 16h2M10 16h10M16 5.8a2.2 2.2 0 100 4.4 2.2 2.2 0 000-4.400zM8 13.8a2.2 2.2 0 100 4.4 2.2 2.2 0 000-4.400z",
  theme: "M12 4a8 8 0 100 16 8 8 0 000-16zM12 4v16M12 8l5-2M12 12h8M12 16l5 2",
  help: "M9 9.5C9 7.5 10.3 6 12 6s3 1.3 3 3-1.5 2.3-2.3 3c-.5.5-.7 1-.7 2M12 17.5v.1",
  close: "M6 6l12 12M18 6L6 18",
  film: "M4 5h16v14H4zM8 5v14M16 5v14M4 9.5h4M4 14.5h4M16 9.5h4M16 14.5h4",
  folder: "M3.5 6.5h6l2 2h9v10h-17z",
  images: "M4 7h13v12H4zM7 4h13v12M4 16l4-4 4 4 2-2 3 3",
  project: "M6 3.5h8l4 4v13H6zM14 3.5v4h4M9.5 13a1 1 0 100 .1M14 16a1 1 0 100 .1",
  eye: "M2.5 12C5 7.5 8.3 5.5 12 5.5S19 7.5 21.5 12c-2.5 4.5-5.8 6.5-9.5 6.5S5 16.5 2.5 12zM12 9.3a2.7 2.7 0 100 5.4 2.7 2.7 0 000-5.400z",
  closed: "M4 4l16 16M9.5 5.9A9 9 0 0112 5.5c3.7 0 7 2 9.5 6.5a15 15 0 01-2.8 3.7M6 7.5A14 14 0 002.5 12c2.5 4.5 5.8 6.5 9.5 6.5a9 9 0 004-.9M10 10.2a2.7 2.7 0 003.8 3.8",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l1 12.5h8L17 7M10.5 10.5v6M13.5 10.5v6",
  first: "M6 6v12M18 6l-8 6 8 6z",
  last: "M18 6v12M6 6l8 6-8 6z",
  back: "M15 6l-8 6 8 6z",
  forward: "M9 6l8 6-8 6z",
  play: "M8 5l11 7-11 7z",
  pause: "M8.5 5.5v13M15.5 5.5v13",
  up: "M14 6l-6 6 6 6",
  down: "M10 6l6 6-6 6",
};

const SPACE = "http://www.w3.org/2000/svg";

/** An `<svg>` element of this name. */
export function icon(name) {
  const svg = document.createElementNS(SPACE, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon-svg");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SPACE, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** Put an icon into an element, in place of the one before. */
export function setIcon(element, name) {
  element.querySelector("svg")?.remove();
  element.prepend(icon(name));
}

/** Fill every element that names an icon, and label buttons that have no text. */
export function fillIcons() {
  for (const element of document.querySelectorAll("[data-icon]")) {
    setIcon(element, element.dataset.icon);
    if (element.title && !element.ariaLabel) element.ariaLabel = element.title;
  }
}
