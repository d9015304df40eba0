const page = document.querySelector("main");
const select = document.querySelector("#user");
const status = document.querySelector("#status");
const list = document.querySelector("#sent");

const SUBSCRIBE_SECONDS = 20;
const FOLLOW_SECONDS = 60;
const ENDS = ["opened", "undelivered", "rejected", "gone", "expired", "cancelled", "suppressed", "dead"];

async function post(path, body = {}) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": page.dataset.csrf },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return response.json();
}

const push = new Pushhub({
  api: location.origin,
  worker: "/demo/sw.js",
  token: async () => (await post("/demo/token", { user: select.value })).token,
});

function showStatus(text, isError = false) {
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
      showStatus(error.message, true);
    }
    button.disabled = false;
  });
}

function registered(device) {
  showStatus(`This browser is ${select.value}'s now: its endpoint is ${device.endpoint.state}.`);
}

const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

// A browser that cannot reach its vendor's push service fails or waits forever.
async function subscribed() {
  const silence = "This browser's push service does not answer. Is there an internet connection?";
  const late = sleep(SUBSCRIBE_SECONDS).then(() => Promise.reject(new Error(silence)));
  return Promise.race([push.register(), late]).catch((error) => {
    const hint = error instanceof DOMException ? ". Private windows cannot subscribe, nor can browsers without a push service." : "";
    throw new Error(error.message + hint);
  });
}

on("#subscribe", async () => registered(await subscribed()));
on("#simulate", async () => {
  const key = await push.applicationServerKey();
  registered(await push.registerSubscription(await sandboxSubscription(key), key));
});
on("#sign-out", async () => {
  await push.signOut();
  showStatus("Signed out: this browser shows no messages now.");
});
on("#send", async () => {
  const { id } = await post("/demo/send", { user: select.value });
  const item = document.createElement("li");
  list.prepend(item);
  follow(id, item, select.value).catch((error) => showStatus(error.message, true));
});

async function sandboxSubscription(key) {
  // text/plain needs no preflight request; the sandbox does not answer those.
  const response = await fetch(`${page.dataset.sandbox}/sandbox/devices/web`, {
    method: "POST",
    headers: { "Content-Type": "text/plain" },
    body: JSON.stringify({ application_server_key: key, user: select.value }),
  }).catch(() => Promise.reject(new Error("The sandbox does not answer.")));
  return (await response.json()).subscriptions[0];
}

// Follows a notification for a minute, or until no state can change any more: a receipt may come long after acceptance.
async function follow(id, item, user) {
  const { deviceId } = await pushhubStore.read();
  for (let waited = 0; waited < FOLLOW_SECONDS; waited += 0.5) {
    const response = await fetch(`/demo/notifications/${id}`);
    if (!response.ok) throw new Error(`The states of the notification could not be read: ${response.status}`);
    const { state, deliveries } = await response.json();
    draw(item, { user, state, deliveries, deviceId });
    if (state === "completed" && deliveries.every((delivery) => ENDS.includes(delivery.state))) return;
    await sleep(0.5);
  }
}

function text(tag, className, content) {
  return Object.assign(document.createElement(tag), { className, textContent: content });
}

function draw(item, { user, state, deliveries, deviceId }) {
  const rows = deliveries.map((delivery) => {
    const row = text("div", "delivery", "");
    const name = delivery.device_id === deviceId ? "this browser" : `device ${delivery.device_id.slice(0, 8)}…`;
    const reason = delivery.reason ? ` (${delivery.reason})` : "";
    const label = text("span", `state ${delivery.state}`, delivery.state + reason);
    label.title = delivery.explanation;
    row.append(text("span", "", name), label);
    return row;
  });
  const empty = state === "completed" ? "no device of this user is registered" : state;
  item.replaceChildren(text("span", "to", `To ${user}`), ...(rows.length ? rows : [text("div", "delivery", empty)]));
}

navigator.serviceWorker?.addEventListener("message", ({ data }) => {
  if (data.type === "pushhub:received") showStatus(`Received: ${data.message.notification.title ?? "a silent message"}`);
});
