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
  const from = new URL(table.dataset.live, location);
  let source;
  const say = (text, on) => {
    status.textContent = text;
    status.classList.toggle("live-on", on);
  };
  const close = () => {
    source?.close();
    source = undefined;
    say("not while the page is out of sight", false);
  };
  const open = () => {
    const mine = (source = new EventSource(from));
    say("connecting", false);
    mine.addEventListener("open", () => say("live", true));
    // A browser gives up for good where it is told that it may not, or that its place is none.
    const gone = () => mine.readyState === EventSource.CLOSED;
    mine.addEventListener("error", () => say(gone() ? "load the page again to see them" : "reconnecting", false));
    mine.addEventListener("event", (message) => showEvent(table, JSON.parse(message.data)));
    for (const kind of ["event", "sign"]) {
      mine.addEventListener(kind, (message) => from.searchParams.set("from", message.lastEventId));
    }
  };
  // A browser has few connections to a host, for all its tabs together: those in the background leave theirs to others.
  const look = () => (document.hidden ? close() : source ?? open());
  addEventListener("pagehide", close);
  addEventListener("pageshow", look);
  document.addEventListener("visibilitychange", look);
  look();
}

function showEvent(table, event) {
  const row = document.querySelector("template[data-row]").content.cloneNode(true).firstElementChild;
  for (const cell of row.querySelectorAll("[data-text]")) cell.textContent = event[cell.dataset.text] ?? "";
  for (const tag of row.querySelectorAll("[data-tone]")) tag.classList.add(event[tag.dataset.tone]);
  row.querySelector("a").href = `/events/${encodeURIComponent(event.id)}`;
  row.querySelector("time").dateTime = event.received_at;
  table.tBodies[0].prepend(row);
  dropOldest(table);
  document.querySelector("[data-empty]")?.remove();
  table.closest("[hidden]")?.removeAttribute("hidden");
  refreshTimes();
}

// The way on then begins with what was dropped: what was the next page may lie far below it.
function dropOldest(table) {
  const rows = table.tBodies[0].rows;
  if (rows.length <= ROWS_MAX) return;
  let newest = Number(table.dataset.dropped ?? 0);
  while (rows.length > ROWS_MAX) {
    newest = Math.max(newest, Date.parse(rows[rows.length - 1].querySelector("time").dateTime));
    table.tBodies[0].deleteRow(-1);
  }
  table.dataset.dropped = newest;
  const older = new URL(table.dataset.live, location);
  older.pathname = "/events";
  older.searchParams.delete("from");
  // A millisecond later, because a date has no parts of one.
  older.searchParams.set("until", new Date(newest + 1).toISOString());
  const pager = document.createElement("p");
  pager.className = "pager";
  const link = pager.appendChild(document.createElement("a"));
  [link.className, link.rel, link.href, link.textContent] = ["button", "next", older, "More"];
  document.querySelector(".pager")?.remove();
  table.closest(".sheet").after(pager);
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
  // Live rows have put another way on in its place meanwhile.
  if (!pager.isConnected) return;
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
  // Another source has other events, and one of them is tried; those of the same are left, somebody may be choosing.
  const offerEvents = (next) => {
    const [old, now] = [document, next].map((page) => page.querySelector("[data-events]"));
    if (old && now && old.dataset.events !== now.dataset.events) old.replaceWith(now);
  };
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
      } else if (old) {
        old.hidden = true;
      }
    }
    offerEvents(next);
    offerCopies();
  };
  form.addEventListener("input", () => {
    // What is on its way answers what stands there no more.
    newest += 1;
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
