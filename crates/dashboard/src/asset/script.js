// Makes pages better where scripts run: times stay true, new events appear by themselves, lists go on by themselves,
// and a tried route is tried again while one writes. Whatever comes from a payload is set as text, never as markup;
// markup is only ever taken from pages of our own.
"use strict";

const ROWS_MAX = 1000;
const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

function rough(seconds) {
  const found = units.find(([length]) => seconds >= length * (length === 1 ? 1 : 1.5));
  return found ? `${Math.round(seconds / found[0])} ${found[1]}` : "under a second";
}

function refreshTimes() {
  for (const element of document.querySelectorAll("time[datetime]")) {
    const seconds = (Date.now() - Date.parse(element.dateTime)) / 1000;
    element.textContent = seconds < 0 ? `in ${rough(-seconds)}` : `${rough(seconds)} ago`;
    element.title = element.dateTime;
  }
}

function followEvents(table) {
  const status = document.querySelector("[data-live-status]");
  const template = document.querySelector("template[data-row]");
  const source = new EventSource(table.dataset.live);
  const say = (text, on) => {
    status.textContent = text;
    status.classList.toggle("live-on", on);
  };
  say("connecting", false);
  source.addEventListener("open", () => say("live", true));
  source.addEventListener("error", () => say("reconnecting", false));
  source.addEventListener("event", (message) => {
    const event = JSON.parse(message.data);
    const row = template.content.cloneNode(true).firstElementChild;
    for (const cell of row.querySelectorAll("[data-text]")) cell.textContent = event[cell.dataset.text] ?? "";
    for (const tag of row.querySelectorAll("[data-tone]")) tag.classList.add(event[tag.dataset.tone]);
    row.querySelector("a").href = `/events/${encodeURIComponent(event.id)}`;
    row.querySelector("time").dateTime = event.received_at;
    table.tBodies[0].prepend(row);
    while (table.tBodies[0].rows.length > ROWS_MAX) table.tBodies[0].deleteRow(-1);
    document.querySelector("[data-empty]")?.remove();
    table.closest("[hidden]")?.removeAttribute("hidden");
    refreshTimes();
  });
  addEventListener("pagehide", () => source.close());
}

// What is no page, and a page other than the one that was asked for, such as the login, says nothing of it.
async function pageOf(address, options) {
  const answer = await fetch(address, options);
  if (!answer.ok || new URL(answer.url).pathname !== new URL(address, location).pathname) throw new Error(answer.url);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// The next page's rows come below these, and its way on takes the place of this one.
async function goOn(link) {
  const pager = link.closest(".pager");
  const body = [...document.querySelectorAll("main tbody")].at(-1);
  link.setAttribute("aria-busy", "true");
  const next = await pageOf(link.href);
  const rows = [...next.querySelectorAll("main tbody")].at(-1)?.rows ?? [];
  if (rows.length > 0 && body) {
    body.append(...rows);
    document.querySelector("[data-empty]")?.remove();
    body.closest("[hidden]")?.removeAttribute("hidden");
  }
  const later = next.querySelector(".pager");
  later ? pager.replaceWith(later) : pager.remove();
  if (later && (body?.rows.length ?? 0) < ROWS_MAX) watchPager();
}

// A list goes on when its end comes into sight; a search that ran out of its time does so at once.
function watchPager() {
  const link = document.querySelector(".pager a[rel=next]");
  if (!link || !document.querySelector("main tbody")) return;
  const seen = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    seen.disconnect();
    goOn(link).catch(() => link.removeAttribute("aria-busy"));
  });
  seen.observe(link);
}

// Tries again a moment after the last key: only the newest answer counts.
function tryWhileWriting(form) {
  let timer, newest = 0;
  const again = async () => {
    const mine = ++newest;
    const body = new URLSearchParams(new FormData(form));
    const next = await pageOf(form.action, { method: "POST", body });
    if (mine !== newest) return;
    for (const part of ["data-result", "data-root", "data-definition"]) {
      const [old, now] = [document, next].map((page) => page.querySelector(`[${part}]`));
      if (old && now) {
        if (old.open) now.open = true;
        old.replaceWith(now);
      }
    }
    offerCopies();
  };
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => again().catch(() => {}), 300);
  });
}

function offerCopies() {
  for (const button of document.querySelectorAll("button[data-copy][hidden]")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 2000);
    });
  }
}

const live = document.querySelector("table[data-live]");
if (live) followEvents(live);
const panel = document.querySelector("form[data-try]");
if (panel) tryWhileWriting(panel);
const going = document.querySelector("[data-refresh]");
if (going) setTimeout(() => location.reload(), going.dataset.refresh * 1000);
// Where the menu is wider than a phone, the page that one is on stands in it; the focus stays at the top.
for (const link of document.querySelectorAll("nav a[aria-current]")) {
  const menu = link.closest("nav");
  menu.scrollLeft = link.offsetLeft - menu.offsetLeft - 48;
}
watchPager();
offerCopies();
setInterval(refreshTimes, 5000);
