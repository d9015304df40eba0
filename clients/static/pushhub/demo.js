const page = document.querySelector("main");
const csrf = page.dataset.csrf;
const select = document.querySelector("#user");
const status = document.querySelector("#status");
const list = document.querySelector("#sent");

async function post(path, body = {}) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": csrf },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}

const push = new Pushhub({
  api: location.origin,
  worker: "/demo/sw.js",
  token: async () => (await post("/demo/token", { user: select.value })).token,
});

function say(text, isError = false) {
  status.textContent = text;
  status.className = isError ? "error" : "";
}

function on(id, work) {
  const button = document.querySelector(id);
  button?.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await work();
    } catch (error) {
      say(error.message, true);
    }
    button.disabled = false;
  });
}

function registered(device) {
  say(`Registered for ${device.user_id}: the endpoint is ${device.endpoint.state}.`);
}

on("#subscribe", async () => registered(await push.register()));
on("#simulate", async () => registered(await push.registerSubscription(await sandboxSubscription())));
on("#sign-out", async () => {
  await push.signOut();
  say("Signed out: this browser shows nobody's messages now.");
});
on("#send", async () => {
  const { id } = await post("/demo/send", { user: select.value });
  const item = document.createElement("li");
  list.prepend(item);
  await watch(id, item);
});

async function sandboxSubscription() {
  const { application_server_key } = await (
    await fetch("/v1/webpush/config", { headers: { Authorization: `Bearer ${await push.token()}` } })
  ).json();
  const answer = await fetch(`${page.dataset.sandbox}/sandbox/devices/web`, {
    method: "POST",
    headers: { "Content-Type": "text/plain" },
    body: JSON.stringify({ application_server_key }),
  });
  if (!answer.ok) throw new Error("The sandbox is not running: start it with `manage.py sandbox`.");
  const minted = await answer.json();
  return minted.subscriptions?.[0] ?? minted;
}

// Asks until nothing but a receipt can change any more, or the person has had time to look: at most a minute.
async function watch(id, item) {
  for (let tries = 0; tries < 120; tries += 1) {
    const seen = await (await fetch(`/demo/notifications/${id}`)).json();
    draw(item, seen);
    const open = seen.deliveries.some(({ state }) => ["queued", "sending"].includes(state));
    if (!open && (seen.state === "completed" || tries > 6) && tries > 6) return;
    await new Promise((done) => setTimeout(done, 500));
  }
}

function draw(item, { id, state, deliveries }) {
  const name = Object.assign(document.createElement("code"), { textContent: id });
  const states = document.createElement("span");
  for (const delivery of deliveries) {
    states.append(Object.assign(document.createElement("span"), { className: `state ${delivery.state}`, textContent: `${delivery.state} ` }));
  }
  if (!deliveries.length) states.textContent = `${state}: no device of this user is registered`;
  item.replaceChildren(name, states);
}

navigator.serviceWorker?.addEventListener("message", ({ data }) => {
  if (data.type === "pushhub:received") say(`Received: ${data.message.notification.title}`);
});
