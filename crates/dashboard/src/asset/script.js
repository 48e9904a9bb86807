// Makes pages better where scripts run: times stay true, new events appear by themselves, long texts are copied at a click.
// Whatever comes from a payload is set as text, never as markup.
"use strict";

const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

function rough(seconds) {
  const found = units.find(([length]) => seconds >= length * (length === 1 ? 1 : 1.5));
  return found ? `${Math.round(seconds / found[0])} ${found[1]}` : "under a second";
}

function refreshTimes() {
  for (const element of document.querySelectorAll("time[datetime]")) {
    const seconds = (Date.now() - Date.parse(element.dateTime)) / 1000;
    element.textContent = seconds < 0 ? `in ${rough(-seconds)}` : `${rough(seconds)} ago`;
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
    while (table.tBodies[0].rows.length > 200) table.tBodies[0].deleteRow(-1);
    document.querySelector("[data-empty]")?.remove();
    table.closest("[hidden]")?.removeAttribute("hidden");
    refreshTimes();
  });
  addEventListener("pagehide", () => source.close());
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  });
}

const live = document.querySelector("table[data-live]");
if (live) followEvents(live);
setInterval(refreshTimes, 5000);
