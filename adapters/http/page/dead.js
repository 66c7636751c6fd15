/* Dead letters: why each was given up, and asking it again. */
import { ask } from "./feed.js";
import { Table } from "./table.js";
import { count, cut, gist, node, plain, queryLink, say, theirs, time } from "./words.js";

const find = (id) => document.getElementById(id);

/* Asks in a dialog; true for yes. */
function confirmed(title, text) {
  const dialog = find("confirm");
  say(find("confirm-title"), title);
  say(find("confirm-text"), text);
  return new Promise((resolve) => {
    const end = (answer) => {
      dialog.close();
      resolve(answer);
    };
    find("confirm-yes").onclick = () => end(true);
    find("confirm-no").onclick = () => end(false);
    dialog.oncancel = () => resolve(false);
    dialog.showModal();
    find("confirm-no").focus();
  });
}

export class Dead {
  /* MAY(): whether who looks is an operator. */
  constructor(may) {
    this.may = may;
    this.rows = [];
    this.failed = false; // what is said is why there is no list
    this.timer = 0;
    this.more = find("dead-more");
    this.said = find("dead-said");
    this.table = new Table(find("dead-table"), {
      caption: "Dead letters, newest first",
      titled: true,
      columns: this.columns(),
      none: "Which queries are dead is not known yet.",
      key: (row) => row.message_id,
    });
    this.more.addEventListener("click", () => this.load(this.rows.at(-1)?.message_id));
  }

  columns() {
    return [
      {
        id: "id",
        title: "Query",
        number: true,
        text: (row) => row.message_id,
        show: (row) => queryLink(row.message_id),
      },
      { id: "when", title: "Given up", text: (row) => row.at, show: (row) => time(row.at) },
      { id: "service", title: "Service", text: (row) => row.service, show: (row) => theirs(row.service) },
      { id: "attempts", title: "Attempts", number: true, show: (row) => count(row.attempts) },
      { id: "reason", title: "Why", text: (row) => row.reason, show: (row) => theirs(cut(row.reason ?? "", 300)) },
      {
        id: "question",
        title: "Question",
        text: (row) => row.question,
        show: (row) => theirs(cut(gist(row.question ?? ""), 200)),
      },
      {
        id: "again",
        title: "Asked again",
        text: (row) => `${row.redriven} ${row.expired} ${this.may()}`,
        show: (row) => this.again(row),
      },
    ];
  }

  again(row) {
    if (row.redriven) {
      return queryLink(row.redriven, `as #${row.redriven}`);
    }
    if (row.expired) {
      return node("span", { class: "soft" }, "its conversation is over");
    }
    if (!this.may()) {
      return node("span", { class: "soft" }, "not yet");
    }
    const button = node("button", { type: "button", "aria-label": `Ask query ${row.message_id} again` }, "Ask again");
    button.addEventListener("click", () => this.redrive(row, button));
    return button;
  }

  async redrive(row, button) {
    const question = cut(plain(gist(row.question ?? "")), 200);
    const text = `${question} — it becomes a new query in the same conversation, for ${plain(row.service)}.`;
    if (!(await confirmed(`Ask query ${row.message_id} again?`, text))) {
      button.focus();
      return;
    }
    button.disabled = true;
    const done = await ask(`/page/dead/${row.message_id}/redrive`, "POST");
    if (done.ok) {
      this.tell(
        `Query ${row.message_id} is asked again: `,
        queryLink(done.value.new_message_id, `query ${done.value.new_message_id}`),
      );
      row.redriven = done.value.new_message_id;
      this.draw();
      this.said.querySelector("a").focus(); // the button is gone
    } else {
      this.tell(`Query ${row.message_id} was not asked again: ${plain(done.why)}`);
      button.disabled = false;
      button.focus();
    }
  }

  tell(...words) {
    this.said.replaceChildren(...words);
  }

  /* There is another one: they are asked for again soon, once for many. */
  stir() {
    this.timer = this.timer || setTimeout(() => this.load(), 300);
  }

  /* The newest, or those before the id BEFORE. */
  async load(before) {
    clearTimeout(this.timer);
    this.timer = 0;
    const done = await ask(before ? `/page/dead?before=${before}` : "/page/dead");
    if (!done.ok) {
      this.failed = true;
      this.tell(`The list is not to be had: ${plain(done.why)}`);
      return;
    }
    if (this.failed) {
      this.failed = false;
      this.tell("");
    }
    this.rows = before ? [...this.rows, ...done.value.dead] : done.value.dead;
    this.table.none.textContent = "No query is dead.";
    this.more.hidden = !done.value.more;
    this.draw();
  }

  draw() {
    this.table.update(this.rows);
  }
}
