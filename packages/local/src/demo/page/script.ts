/**
 * What runs in the browser, as text: the project keeps no JavaScript files, and this one needs no types of a browser in the
 * whole project. It only reads the API and never writes HTML from answers.
 */
export const SCRIPT = `"use strict";
const PAGE = 12;
const $ = (id) => document.getElementById(id);
const state = { offset: 0, chosen: undefined, token: undefined };

async function ask(path, options) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(8000), ...options });
  if (!answer.ok) throw new Error(path + " answered " + answer.status);
  return answer.json();
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function pill(good, text) {
  $("health").textContent = text;
  $("health").className = "pill " + (good ? "good" : "bad");
}

function ago(seconds) {
  if (seconds < 60) return Math.floor(seconds) + " s";
  if (seconds < 3600) return Math.floor(seconds / 60) + " min";
  return Math.floor(seconds / 3600) + " h " + Math.floor((seconds % 3600) / 60) + " min";
}

async function showHealth() {
  const started = performance.now();
  try {
    const health = await ask("/health", { cache: "no-store" });
    pill(true, "healthy · " + Math.round(performance.now() - started) + " ms");
    $("uptime").textContent = ago(health.uptimeSeconds);
    $("memory").textContent = Math.round(health.memory.rssBytes / 1048576) + " MB";
    $("lag").textContent = health.database.lagMs + " ms";
  } catch (error) {
    pill(false, error.name === "TimeoutError" ? "does not answer" : "unhealthy");
  }
}

async function showItems() {
  const form = new FormData($("filter"));
  const query = new URLSearchParams({ limit: PAGE, offset: state.offset });
  for (const [name, value] of form) if (value) query.set(name, value);
  const page = await ask("/api/items?" + query);
  $("items").replaceChildren(...page.items.map(row));
  $("range").textContent = page.total === 0 ? "nothing found"
    : page.offset + 1 + "–" + (page.offset + page.items.length) + " of " + page.total;
  $("back").disabled = page.offset === 0;
  $("next").disabled = page.nextOffset === null;
  if (state.chosen === undefined && page.items.length > 0) await choose(page.items[0].id);
}

function row(item) {
  const line = element("tr", undefined, item.id === state.chosen ? "chosen" : "");
  line.dataset.id = item.id;
  const name = element("td");
  const button = element("button", item.name);
  button.type = "button";
  button.addEventListener("click", () => attempt(() => choose(item.id)));
  name.append(button);
  const low = item.stock <= item.reorderAt;
  line.append(name, element("td", item.category), element("td", String(item.stock), low ? "number low" : "number"),
    element("td", (item.priceCents / 100).toFixed(2), "number"));
  return line;
}

async function choose(id) {
  state.chosen = id;
  for (const line of $("items").children) line.className = line.dataset.id === id ? "chosen" : "";
  const answer = await ask("/api/forecast?days=14&item=" + encodeURIComponent(id));
  $("forecast-title").textContent = "Forecast · " + answer.name;
  draw(answer.history.slice(-42), answer.forecast.days);
  $("advice").textContent = (answer.orderUnits > 0
    ? "Order " + answer.orderUnits + " to get through the next 14 days."
    : "The stock of " + answer.stock + " lasts for the next 14 days.")
    + " Mean error " + answer.forecast.meanAbsoluteError.toFixed(1) + " units a day.";
}

function draw(past, days) {
  const width = 420, height = 190, bottom = 22;
  const count = past.length + days.length - 1;
  const top = Math.max(1, ...past, ...days.map((day) => day.high));
  const x = (index) => ((index / count) * width).toFixed(1);
  const y = (units) => (height - bottom - (units / top) * (height - bottom - 8)).toFixed(1);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const add = (name, attributes, text) => {
    const made = document.createElementNS(svg.namespaceURI, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    svg.append(made);
  };
  svg.setAttribute("viewBox", "0 0 " + width + " " + height);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "Units sold a day, and the forecast with its band");
  const ahead = (pick) => days.map((day, index) => x(past.length + index) + "," + y(pick(day)));
  const now = x(past.length - 0.5);
  add("polygon", { class: "band", points: [...ahead((d) => d.high), ...ahead((d) => d.low).reverse()].join(" ") });
  add("line", { class: "now", x1: now, x2: now, y1: 0, y2: height - bottom });
  add("polyline", { class: "past", points: past.map((units, index) => x(index) + "," + y(units)).join(" ") });
  add("polyline", { class: "ahead", points: ahead((d) => d.units).join(" ") });
  add("text", { x: 0, y: height - 5 }, "6 weeks ago");
  add("text", { x: now, y: height - 5, "text-anchor": "middle" }, "today");
  add("text", { x: width, y: height - 5, "text-anchor": "end" }, "in 14 days");
  $("chart").replaceChildren(svg);
}

async function showGovernance() {
  const report = await ask("/api/governance", state.token ? { headers: { authorization: "Bearer " + state.token } } : {});
  $("sign-in").hidden = report.signedIn;
  $("policies").replaceChildren(...report.policies.map((policy) => pair(policy.title, policy.owner)));
  $("audit").replaceChildren(...report.audit.slice(0, 5).map((entry) =>
    pair(entry.action.replaceAll("-", " ") + (entry.actor ? " · " + entry.actor : ""), new Date(entry.at).toLocaleTimeString())));
}

function pair(left, right) {
  const line = element("li");
  line.append(element("span", left), element("span", right));
  return line;
}

async function signIn() {
  const session = await ask("/api/login", { method: "POST", body: JSON.stringify({ user: "demo", password: "demo" }) });
  state.token = session.token;
  await showGovernance();
}

async function showFigures() {
  $("total").textContent = (await ask("/api/items?limit=1")).total;
  $("low").textContent = (await ask("/api/items?limit=1&lowStock=true")).total;
}

async function attempt(work) {
  try {
    await work();
    return true;
  } catch (error) {
    pill(false, "unhealthy");
    return false;
  }
}

async function showAll() {
  const done = await Promise.all([showItems, showFigures, showGovernance].map(attempt));
  // What could not be shown yet is asked for again: the service may be healed by then.
  if (done.includes(false)) setTimeout(showAll, 5000);
}

$("filter").addEventListener("input", () => { state.offset = 0; attempt(showItems); });
$("filter").addEventListener("submit", (event) => event.preventDefault());
$("back").addEventListener("click", () => { state.offset = Math.max(0, state.offset - PAGE); attempt(showItems); });
$("next").addEventListener("click", () => { state.offset += PAGE; attempt(showItems); });
$("sign-in").addEventListener("click", () => attempt(signIn));
showHealth();
setInterval(showHealth, 5000);
showAll();
`;
