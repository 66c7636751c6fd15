/* The page: one view at a time, chosen by the address (#workers, #query/17), all fed by one connection. */
import { Dead } from "./dead.js";
import { Events, line, queryOf, kindOf } from "./events.js";
import { Feed, ask, token, tokenSet } from "./feed.js";
import { Overview } from "./overview.js";
import { Story } from "./story.js";
import { Workers } from "./workers.js";
import { duration, instant, plain, say } from "./words.js";

const DRAW_MS = 200;
const HIDDEN_MS = 30000;
const LATEST = 12;
const VIEWS = ["overview", "workers", "events", "dead", "query"];

const find = (id) => document.getElementById(id);
const roles = new Set(); // empty while the helper has not said hello
const events = new Events();
const overview = new Overview();
const workers = new Workers();
const story = new Story();
const dead = new Dead(() => roles.has("operator"));
let view = "overview";
let drawing = 0;
let latest = "";
let needsToken = false;
let away = "";

function drawLatest() {
  const shown = events.last(LATEST);
  const text = shown.map((event) => event.drawn).join();
  if (text !== latest) {
    latest = text;
    find("latest").replaceChildren(...shown.map(line));
    find("latest-none").hidden = shown.length > 0;
  }
}

/* Draws what is looked at, at most five times a second. */
function draw() {
  drawing = 0;
  if (view === "overview") {
    overview.draw();
    drawLatest();
  } else if (view === "workers") {
    workers.draw();
  } else if (view === "events") {
    events.draw();
  }
}

function drawSoon() {
  drawing = drawing || setTimeout(draw, DRAW_MS);
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function go() {
  const [name, ...rest] = location.hash.slice(1).split("/");
  const what = decoded(rest.join("/"));
  view = VIEWS.includes(name) ? name : "overview";
  for (const one of VIEWS) {
    find(one).hidden = one !== view;
    const link = document.querySelector(`nav a[href="#${one}"]`);
    if (one === view) {
      link.setAttribute("aria-current", "page");
    } else {
      link.removeAttribute("aria-current");
    }
  }
  if (view === "query") {
    story.show(/^[0-9]{1,15}$/.test(what) ? Number(what) : 0, roles.size > 0);
  } else if (view === "dead" && roles.size > 0) {
    dead.load();
  } else if (view === "events" && what) {
    events.conversation.value = what;
  }
  document.title = view === "overview" ? "Tailgate" : `${find(`${view}-title`).textContent} – Tailgate`;
  draw();
}

/* --- the connection --- */

const LINKS = { look: "connecting", live: "live", wait: "reconnecting", token: "token needed", away: "gateway away" };

function link(state, why) {
  const text = why ? `${LINKS[state]}: ${plain(why).replace(/\.$/, "")}` : LINKS[state];
  find("link").dataset.state = state;
  say(find("link-text"), LINKS[state]);
  const notice = find("notice");
  const fine = state === "live" || state === "look";
  notice.hidden = fine;
  const last = overview.run ? " What stands below is what was known last." : "";
  say(notice, fine ? "" : `${text[0].toUpperCase()}${text.slice(1)}.${last}`);
}

/* At once with what the feed says, then with all reasons. */
async function takeAway({ reason }) {
  const first = !away;
  away = reason;
  if (first) {
    link("away", reason);
    const ready = await ask("/readyz");
    if (away && !ready.ok) {
      link("away", ready.why);
    }
  }
}

function takeStatus({ at, observing, status }) {
  if (away && view === "dead") {
    dead.load(); // what could not be had meanwhile
  }
  away = "";
  link("live", "");
  const { gateway } = status;
  say(find("place"), plain(gateway.db.split("/").pop()));
  find("place").title = plain(gateway.db);
  const up = (Date.now() - instant(gateway.since)) / 1000;
  say(
    find("about"),
    `Tailgate ${plain(gateway.version)}, process ${gateway.pid}, up ${duration(Math.max(up, 1))}` +
      `, SQLite ${plain(gateway.sqlite)}, ${plain(gateway.db)}`,
  );
  overview.take(at, status, observing);
  workers.take(status);
  drawSoon();
}

function takeEvent(event) {
  events.add(event);
  const id = queryOf(event);
  if (id && view === "query") {
    story.stir(id);
  }
  if (kindOf(event) === "dead" && view === "dead") {
    dead.stir();
  }
  drawSoon();
}

function takeHello(hello) {
  roles.clear();
  hello.roles.forEach((role) => roles.add(role));
  find("token-button").hidden = !hello.tokens;
  needsToken = false;
  away = "";
  events.clear(); // the helper tells its last ones anew
  go();
}

const feed = new Feed({
  hello: takeHello,
  event: takeEvent,
  status: takeStatus,
  skipped: ({ count }) => {
    events.skipped += count;
    drawSoon();
  },
  away: takeAway,
  link: (state, why) => {
    link(state, state === "token" ? "nothing is shown without it" : why);
    if (state === "token") {
      needsToken = true;
      roles.clear();
      find("token-button").hidden = false;
      openToken(token() ? "That is no token of an observer or an operator." : "This gateway wants a token.");
    }
  },
});

/* --- the token --- */

function openToken(why) {
  say(find("token-why"), plain(why));
  find("token-forget").hidden = !token();
  find("token-input").value = "";
  if (!find("token").open) {
    find("token").showModal();
  }
  find("token-input").focus();
}

find("token-button").addEventListener("click", () =>
  openToken(needsToken ? "This gateway wants a token." : "Another token than the one in use:"),
);
find("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  tokenSet(find("token-input").value.trim());
  find("token-input").value = "";
  find("token").close();
  feed.again();
});
find("token-forget").addEventListener("click", () => {
  tokenSet("");
  find("token").close();
  feed.again();
});

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address says which view it is
  find("main").focus();
});
window.addEventListener("hashchange", go);
/* A browser has six connections to one host, for all its tabs: who does not look lets go of the feed. */
let hidden = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hidden);
  if (document.hidden) {
    hidden = setTimeout(() => feed.pause(), HIDDEN_MS);
  } else if (!feed.runs() && !needsToken) {
    feed.again();
  }
});
window.addEventListener("pagehide", () => feed.pause());
window.addEventListener("pageshow", () => feed.again());
go();
