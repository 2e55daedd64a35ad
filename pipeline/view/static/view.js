// The page of `muse-batch view`. Texts of the corpus reach the page as text alone, never as markup.
"use strict";

const PAGE = 200;
let maxHeight = 15e6; // pixels; browsers draw no element much higher than that
const CAPTION = 4.2 * parseFloat(getComputedStyle(document.documentElement).fontSize);
const $ = (id) => document.getElementById(id);

const state = {
  corpus: null, answer: 0, total: 0, version: 0,
  items: new Map(), // position in the answer -> item
  pages: new Map(), // number of a page -> promise of its items
  tiles: new Map(), // position in the answer -> element
  current: 0, side: 140, columns: 1, row: 200, asked: 0, sample: null,
};

async function api(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" },
  };
  const response = await fetch(path, options);
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value; else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function report(error) { $("problem").textContent = error ? String(error.message || error) : ""; }

// ---- what is asked

function conditions() {
  const found = [];
  const add = (column, operator, value) => found.push({ column, operator, value });
  if ($("emotion").value === " mixtures") add("mixture", "is not empty", "");
  else if ($("emotion").value) add("emotion", "is", $("emotion").value);
  for (const name of ["status", "task", "flag"]) if ($(name).value) add(name, "is", $(name).value);
  if ($("low").value) add("judge_confidence", "at least", $("low").value);
  if ($("high").value) add("judge_confidence", "at most", $("high").value);
  if ($("prompt").value) add("prompt", "contains", $("prompt").value);
  const operator = $("operator").value;
  const complete = operator.endsWith("empty") || $("value").value;
  if ($("column").value && complete) add($("column").value, operator, $("value").value);
  return found;
}

async function ask() {
  const asked = ++state.asked;
  try {
    const answer = await api("api/query", {
      conditions: conditions(), sort: $("sort").value, descending: $("descending").checked,
    });
    if (asked !== state.asked) return;
    Object.assign(state, { answer: answer.id, total: answer.total, version: answer.version, current: 0 });
    state.items.clear(); state.pages.clear(); clearTiles();
    $("grid").scrollTop = 0;
    report(null); layout(); say();
    $("none").hidden = state.total > 0;
  } catch (error) { if (asked === state.asked) report(error); }
}

let waiting = 0;
function askSoon() { clearTimeout(waiting); waiting = setTimeout(ask, 200); }

function say() {
  const { corpus, total } = state;
  const progress = corpus.complete ? "" : `, run in progress: ${corpus.finished} of ${corpus.requests} finished`;
  const flags = `${corpus.flags.accept} flagged to accept, ${corpus.flags.reject} to reject`;
  $("state").textContent = `${total.toLocaleString()} of ${corpus.finished.toLocaleString()} samples${progress}; ${flags}`;
}

// ---- the grid: only what is in view has elements

function layout() {
  const grid = $("grid");
  const width = grid.clientWidth;
  state.columns = Math.max(width < 480 ? 3 : 1, Math.floor(width / state.side));
  const tile = Math.floor(width / state.columns);
  state.tile = Math.min(tile, state.side * 1.6);
  state.row = Math.round(state.tile + CAPTION);
  state.rows = Math.ceil(state.total / state.columns);
  state.height = Math.min(state.rows * state.row, maxHeight);
  $("height").style.height = `${Math.max(0, state.height - 1)}px`;
  clearTiles(); draw();
}

function clearTiles() { for (const tile of state.tiles.values()) tile.remove(); state.tiles.clear(); }

// The row at the top of the view, with a fraction. Where the whole is too high for an element, the
// scroll bar stands for a share of it.
function topRow() {
  const grid = $("grid");
  const real = state.rows * state.row;
  if (real <= maxHeight) return grid.scrollTop / state.row;
  const share = grid.scrollTop / Math.max(1, state.height - grid.clientHeight);
  return share * Math.max(0, state.rows - grid.clientHeight / state.row);
}

function scrollToRow(row) {
  const grid = $("grid");
  const real = state.rows * state.row;
  if (real <= maxHeight) { grid.scrollTop = row * state.row; return; }
  const share = row / Math.max(1, state.rows - grid.clientHeight / state.row);
  grid.scrollTop = share * (state.height - grid.clientHeight);
}

let drawing = false;
function drawSoon() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; draw(); });
}

// Tiles lie at their place in the element of full height, so that the browser scrolls them by
// itself. Where that element is too short, their place depends on where the reader is.
function draw() {
  const grid = $("grid");
  const width = Math.floor(grid.clientWidth / state.columns);
  const top = topRow();
  const offset = Math.round(grid.scrollTop - top * state.row);
  const first = Math.max(0, Math.floor(top) - 1);
  const last = Math.min(state.rows - 1, Math.ceil(top + grid.clientHeight / state.row) + 1);
  const from = first * state.columns;
  const to = Math.min(state.total, (last + 1) * state.columns);
  for (const [place, tile] of state.tiles) {
    if (place < from || place >= to) { tile.remove(); state.tiles.delete(place); }
  }
  const added = document.createDocumentFragment();
  for (let place = from; place < to; place++) {
    let tile = state.tiles.get(place);
    if (!tile) { tile = makeTile(place); state.tiles.set(place, tile); added.append(tile); }
    const x = (place % state.columns) * width;
    const y = offset + Math.floor(place / state.columns) * state.row;
    const where = `translate(${x}px, ${y}px)`;
    if (tile.style.transform !== where) tile.style.transform = where;
  }
  $("height").append(added);
  markCurrent();
  if (to > from) for (let page = Math.floor(from / PAGE); page <= Math.floor((to - 1) / PAGE); page++) loadSoon(page);
}

function makeTile(place) {
  const tile = element("div", { id: `tile-${place}`, role: "option", className: "tile" });
  tile.setAttribute("aria-posinset", place + 1);
  tile.setAttribute("aria-setsize", state.total);
  tile.style.width = `${state.tile}px`;
  tile.append(element("div", { className: "frame" }), element("div", { className: "line" }), element("div", { className: "line soft" }), element("div", { className: "lines soft" }));
  tile.addEventListener("click", () => { select(place); open(place); });
  fill(place, tile);
  return tile;
}

function fill(place, tile = state.tiles.get(place)) {
  const item = state.items.get(place);
  if (!tile) return;
  tile.setAttribute("aria-label", item ? label(item) : "loading");
  tile.setAttribute("aria-selected", String(place === state.current));
  if (!item) return;
  const [frame, target, score, prompt] = tile.children;
  frame.replaceChildren();
  if (!item.pictured) frame.append(item.status === "failed" ? "failed" : "not kept");
  else {
    const image = element("img", { alt: "", decoding: "async" });
    image.addEventListener("error", () => frame.replaceChildren("no picture"));
    // Tiles that only fly by load nothing.
    setTimeout(() => { if (tile.isConnected) image.src = `thumbnail/${item.position}?side=${side()}&v=${state.version}`; }, 60);
    frame.append(image);
  }
  if (item.flag) frame.append(element("span", { className: `mark ${item.flag}` }, item.flag));
  if (item.status === "rejected" && item.pictured) frame.append(element("span", { className: "status" }, "rejected"));
  tile.classList.toggle("rejected", item.status === "rejected");
  target.replaceChildren(element("bdi", {}, item.target));
  score.textContent = item.confidence === null ? "" : `judge ${item.confidence.toFixed(2)}`;
  prompt.dir = "auto";
  prompt.textContent = item.prompt;
  tile.title = `${item.target}: ${item.prompt.slice(0, 300)}`;
}

function side() { return state.tile * devicePixelRatio > 180 ? 320 : 160; }

function label(item) {
  const score = item.confidence === null ? "" : `, judge ${item.confidence.toFixed(2)}`;
  const flag = item.flag ? `, flagged to ${item.flag}` : "";
  return `${item.key}, ${item.target}, ${item.status}${score}${flag}: ${item.prompt}`;
}

const wanted = new Set();
let loading = 0;
function loadSoon(page) {
  if (state.pages.has(page)) return;
  wanted.add(page);
  clearTimeout(loading);
  loading = setTimeout(() => {
    const pages = [...wanted].slice(-4);
    wanted.clear();
    pages.forEach(load);
  }, 40);
}

function load(page) {
  if (state.pages.has(page)) return state.pages.get(page);
  const answer = state.answer;
  const asked = api(`api/items?answer=${answer}&start=${page * PAGE}&count=${PAGE}`).then((items) => {
    if (answer !== state.answer) return;
    items.forEach((item, index) => { state.items.set(page * PAGE + index, item); fill(page * PAGE + index); });
  }).catch((error) => { state.pages.delete(page); if (answer === state.answer) report(error); });
  state.pages.set(page, asked);
  return asked;
}

// ---- the keyboard

function markCurrent() {
  const old = $("height").querySelector(".current");
  const now = state.tiles.get(state.current);
  if (old !== now) for (const tile of [old, now]) if (tile) {
    tile.classList.toggle("current", tile === now);
    tile.setAttribute("aria-selected", String(tile === now));
  }
  if (now) $("grid").setAttribute("aria-activedescendant", now.id);
  else $("grid").removeAttribute("aria-activedescendant");
}

function select(place) {
  if (!state.total) return;
  state.current = Math.max(0, Math.min(state.total - 1, place));
  const row = Math.floor(state.current / state.columns);
  const top = topRow();
  const shown = $("grid").clientHeight / state.row;
  if (row < top) scrollToRow(row);
  else if (row + 1 > top + shown) scrollToRow(row + 1 - shown);
  draw();
}

function onGridKey(event) {
  const page = Math.max(1, Math.floor($("grid").clientHeight / state.row)) * state.columns;
  const moves = {
    ArrowLeft: -1, ArrowRight: 1, ArrowUp: -state.columns, ArrowDown: state.columns,
    PageUp: -page, PageDown: page, Home: -state.total, End: state.total,
  };
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key in moves) { event.preventDefault(); select(state.current + moves[event.key]); }
  else if (event.key === "Enter") { event.preventDefault(); open(state.current); }
  else flagByKey(event);
}

const FLAG_KEYS = { a: "accept", x: "reject", u: null };
function flagByKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in FLAG_KEYS)) return;
  event.preventDefault();
  flag(FLAG_KEYS[event.key]);
}

async function flag(value) {
  const place = state.current;
  await load(Math.floor(place / PAGE));
  const item = state.items.get(place);
  if (!item) return;
  try {
    state.corpus.flags = await api("api/flag", { keys: [item.key], flag: value });
    item.flag = value;
    fill(place); say(); report(null);
    if (state.sample) pressed(value);
  } catch (error) { report(error); }
}

// ---- one sample

async function open(place) {
  if (!state.total) return;
  await load(Math.floor(place / PAGE));
  const item = state.items.get(place);
  if (!item) return;
  try {
    const sample = await api(`api/sample/${item.position}`);
    state.sample = sample;
    showSample(sample);
    // Not `disabled`, which would take the focus away from the one that was just used.
    $("previous").setAttribute("aria-disabled", String(place === 0));
    $("next").setAttribute("aria-disabled", String(place === state.total - 1));
    if (!$("sample").open) $("sample").showModal();
  } catch (error) { report(error); }
}

function step(by) {
  const next = state.current + by;
  if (next < 0 || next >= state.total) return;
  select(next); open(next);
}

function pressed(value) {
  $("accept").setAttribute("aria-pressed", String(value === "accept"));
  $("reject").setAttribute("aria-pressed", String(value === "reject"));
}

function showSample(sample) {
  const { row } = sample;
  $("sample-title").replaceChildren(`${row.key}: `, element("bdi", {}, sample.target), `, ${row.status}`);
  pressed(sample.flag);
  const pictures = element("div", { className: "pictures" });
  if (sample.source) pictures.append(sourceFigure(sample));
  pictures.append(pictureFigure(sample));
  const body = $("body");
  const columns = element("div", { className: "columns" });
  for (const name of ["judge", "guide"]) columns.append(scores(name, sample.groups[name]));
  // On wide screens the scores stand beside the pictures.
  const why = row.reason ? [element("p", { dir: "auto", className: "prompt why" }, `${row.status}: ${row.reason}`)] : [];
  body.replaceChildren(...why, element("div", { className: sample.source ? "top edit" : "top" }, pictures, columns));
  body.append(element("h3", {}, "Prompt"), element("p", { className: "prompt", dir: "auto", tabIndex: 0, role: "region", "aria-label": "Prompt" }, row.prompt));
  body.append(traces(sample.traces), element("h3", {}, "Metadata"), metadata(sample));
  body.parentElement.scrollTop = 0;
}

function pictureFigure(sample) {
  if (!sample.pictured) return element("figure", {}, element("p", { className: "soft" }, `There is no picture: ${sample.place}.`));
  const { similarity } = sample.row;
  const likeness = typeof similarity === "number" ? `like its prompt: ${similarity.toFixed(2)}; ` : "";
  const image = element("img", { alt: `${sample.target}: ${sample.row.prompt.slice(0, 200)}` });
  const figure = element("figure", {}, image, element("figcaption", {}, `${likeness}${sample.place}`));
  image.addEventListener("error", () => image.replaceWith(element("p", { className: "soft" }, "There is no picture.")));
  image.src = `picture/${sample.position}?v=${state.version}`;
  return figure;
}

function sourceFigure(sample) {
  if (!sample.source.found) return element("figure", {}, element("p", { className: "soft" }, `The source image cannot be shown: ${sample.source.reason}`));
  const image = element("img", { alt: `source image of ${sample.row.key}`, src: `source/${sample.position}?v=${state.version}` });
  const { source_similarity: likeness, source_ssim: ssim } = sample.row;
  let text = likeness === null ? "source" : `source; the edit resembles it at ${likeness.toFixed(2)}`;
  if (likeness !== null && ssim !== null) text += `, SSIM ${ssim.toFixed(2)}`;
  if (typeof sample.row.mask_share === "number") text += `; mask: ${Math.round(100 * sample.row.mask_share)}% of the picture${sample.source.outlined ? ", outlined" : ""}`;
  return element("figure", {}, image, element("figcaption", {}, text));
}

function scores(name, values) {
  const section = element("section", {}, element("h3", {}, name === "judge" ? "Judge" : "Guide"));
  const known = Object.entries(values).filter(([, value]) => value !== null);
  known.sort((one, other) => other[1] - one[1]);
  for (const [emotion, value] of known) {
    const meter = element("meter", { min: 0, max: 1, value });
    meter.setAttribute("aria-label", `${name}: ${emotion}`);
    section.append(element("div", { className: "score" }, element("bdi", { className: "name" }, emotion), meter, element("span", {}, value.toFixed(2))));
  }
  if (!known.length) section.append(element("p", { className: "soft" }, "no scores"));
  // A multi-label classifier judges each emotion by itself.
  const sum = known.reduce((total, [, value]) => total + value, 0);
  if (known.length && Math.abs(sum - 1) > 0.02) section.append(element("p", { className: "soft" }, "Each emotion by itself: they need not sum to 1."));
  return section;
}

function traces(all) {
  const box = element("div", { className: "columns" });
  for (const [name, values] of Object.entries(all)) {
    if (values.length < 2 || typeof values[0] !== "number") continue;
    const title = name.replace("trace_", "").replace("_", " ");
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const points = values.map((value, index) => `${(index / (values.length - 1)) * 100},${38 - ((value - low) / (high - low || 1)) * 36}`);
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "trace"); svg.setAttribute("viewBox", "0 0 100 40"); svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("role", "img"); svg.setAttribute("aria-label", `${title}: ${values.length} values from ${values[0]} to ${values.at(-1)}`);
    const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    line.setAttribute("points", points.join(" "));
    svg.append(line);
    box.append(element("section", {}, element("h3", {}, `${title}, ${values.length} evaluations`), svg, element("p", { className: "soft" }, `from ${values[0]} to ${values.at(-1)}; lowest ${low}, highest ${high}`)));
  }
  return box;
}

// Columns beside the name of the strongest emotion, of which they do not speak.
const TARGETED = new Set(["judge_confidence", "guide_confidence"]);

function metadata(sample) {
  const body = element("tbody");
  for (const [name, value] of Object.entries(sample.row)) {
    if (value === null || value === "" || name === "prompt" || name === "reason") continue;
    const text = typeof value === "object" ? JSON.stringify(value) : String(value);
    const of = TARGETED.has(name) ? ` (of the target, ${sample.target})` : "";
    body.append(element("tr", {}, element("th", { scope: "row", dir: "auto" }, name), element("td", { dir: "auto" }, text + of)));
  }
  return element("table", {}, body);
}

// ---- the start

function options(select, values) { for (const [value, text] of values) select.append(element("option", { value }, text)); }

function operators() {
  const kind = state.corpus.columns[$("column").value];
  $("operator").replaceChildren();
  options($("operator"), (state.corpus.operators[kind] || []).map((name) => [name, name]));
  $("operator").disabled = $("value").disabled = !kind;
}

function showCorpus() {
  const { corpus } = state;
  $("name").textContent = corpus.output;
  document.title = `${corpus.output}: muse-batch view`;
  $("flags-path").textContent = corpus.flags_path;
  $("command").textContent = corpus.command;
}

async function start() {
  state.corpus = await api("api/corpus");
  showCorpus();
  options($("emotion"), [["", "all"], ...state.corpus.emotions.map((name) => [name, name]), [" mixtures", "mixtures"]]);
  const names = Object.keys(state.corpus.columns).map((name) => [name, name]);
  options($("column"), names);
  options($("sort"), names.filter(([name]) => state.corpus.columns[name] !== "other"));
  operators();
  await ask();
  // The keys of the grid work from the start, unless the reader has gone elsewhere meanwhile.
  if (document.activeElement === document.body) $("grid").focus({ preventScroll: true });
}

$("filters").addEventListener("submit", (event) => event.preventDefault());
$("filters").addEventListener("input", (event) => { if (event.target.id !== "size") askSoon(); });
// Enter and Escape lead back to the samples.
$("filters").addEventListener("keydown", (event) => {
  if (event.key !== "Escape" && !(event.key === "Enter" && event.target.matches("input, select"))) return;
  event.preventDefault(); $("grid").focus();
});
$("filters").addEventListener("reset", () => setTimeout(() => { state.side = Number($("size").value); operators(); ask(); }));
$("column").addEventListener("change", operators);
$("size").addEventListener("input", () => { state.side = Number($("size").value); layout(); });
$("grid").addEventListener("scroll", drawSoon, { passive: true });
$("grid").addEventListener("keydown", onGridKey);
$("sample").addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea")) return;
  if (event.key === "ArrowLeft") step(-1);
  else if (event.key === "ArrowRight") step(1);
  else flagByKey(event);
});
$("sample").addEventListener("close", () => { state.sample = null; $("grid").focus(); });
$("close").addEventListener("click", () => $("sample").close());
$("previous").addEventListener("click", () => step(-1));
$("next").addEventListener("click", () => step(1));
$("accept").addEventListener("click", () => flag("accept"));
$("reject").addEventListener("click", () => flag("reject"));
$("clear").addEventListener("click", () => flag(null));
$("help-button").addEventListener("click", () => $("help").showModal());
$("help-close").addEventListener("click", () => $("help").close());
$("reload").addEventListener("click", async () => {
  try { state.corpus = await api("api/reload", {}); showCorpus(); await ask(); } catch (error) { report(error); }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.closest("input, select, dialog")) return;
  event.preventDefault(); $("box").open = true; $("prompt").focus();
});
new ResizeObserver(() => { if (state.corpus) layout(); }).observe($("grid"));
if (innerWidth < 550) $("box").open = false;
if (innerWidth > 2400) { $("size").value = "260"; $("size").defaultValue = "260"; state.side = 260; }
start().catch(report);
