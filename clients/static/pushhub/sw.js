// pushhub's service worker: shows what arrives for this installation's present user, and drops the rest.
// Serve it from your own origin beside store.js; its folder is its scope. docs/web-client.md explains it.

importScripts("store.js");

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(Promise.all([self.clients.claim(), renewal()])));

self.addEventListener("push", (event) => event.waitUntil(Promise.all([receive(event.data), renewal()])));

async function receive(data) {
  const message = read(data);
  const { mappingId } = await pushhubStore.read();
  // The vendor may have held this message since before somebody else signed in here (docs/guarantees.md): not theirs to see.
  if (!mappingId || message?.pushhub?.mapping !== mappingId) return;
  const { notification = {} } = message;
  if (notification.title) await self.registration.showNotification(notification.title, options(message));
  if (notification.app_badge !== undefined) await self.navigator.setAppBadge?.(notification.app_badge);
  await Promise.all([tellPages(message), receipt(message, { event: "displayed" })]);
}

function read(data) {
  try {
    return data?.json();
  } catch {
    return undefined; // not ours
  }
}

function options(message) {
  const { body, icon, image, tag, lang, dir, silent, actions = [] } = message.notification;
  const buttons = actions.map(({ action, title, icon: picture }) => ({ action, title, icon: picture }));
  return { body, icon, image, tag, lang, dir, silent, actions: buttons, data: message };
}

async function tellPages(message) {
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  for (const page of pages) page.postMessage({ type: "pushhub:received", message });
}

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const message = event.notification.data;
  const chosen = message.notification.actions?.find(({ action }) => action === event.action);
  const target = chosen?.navigate || message.notification.navigate;
  const said = chosen ? { event: "action", action: chosen.action } : { event: "opened" };
  event.waitUntil(Promise.all([receipt(message, said), target ? self.clients.openWindow(target) : undefined]));
});

self.addEventListener("notificationclose", (event) =>
  event.waitUntil(receipt(event.notification.data, { event: "dismissed" })),
);

// The browser made a new subscription, or took the old one away. No page need be open: the device's secret is proof enough.
self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(renew(event)));

const RENEWAL_WAITS = [2, 10, 40]; // seconds between tries: browsers let a worker run for a minute or so

// Noted first: the worker may be stopped, or pushhub be away for longer. What is noted is tried again at the next push or
// activation; a page that registers meanwhile takes the note away.
async function renew({ oldSubscription, newSubscription }) {
  const applicationServerKey = oldSubscription?.options?.applicationServerKey;
  const note = { subscription: newSubscription?.toJSON(), applicationServerKey };
  await pushhubStore.alone(async () => pushhubStore.write({ ...(await pushhubStore.read()), renewal: note }));
  for (const wait of RENEWAL_WAITS) {
    if (await renewal()) return;
    await new Promise((done) => setTimeout(done, wait * 1000 * (0.5 + Math.random())));
  }
  await renewal();
}

// One try at what is noted; whether nothing is left to do.
async function renewal() {
  if (!(await pushhubStore.read()).renewal) return true;
  return pushhubStore.alone(registerRenewed).catch(() => false); // no network, or no push service
}

async function registerRenewed() {
  const { renewal: note, api, deviceId, deviceSecret, applicationServerKey: key } = await pushhubStore.read();
  if (!note) return true;
  if (deviceId) {
    const subscription = note.subscription || (await subscribe(key || note.applicationServerKey)).toJSON();
    const body = { platform: "web", subscription, device_secret: deviceSecret };
    const answer = await call("PUT", `${api}/v1/devices/${deviceId}`, body);
    if (answer.status === 408 || answer.status === 429 || answer.status >= 500) return false;
    // Refused for good (the device was removed, say): the page registers anew when it next opens.
    if (answer.ok) await remember(await answer.json());
  }
  await pushhubStore.write({ ...(await pushhubStore.read()), renewal: undefined });
  return true;
}

function subscribe(applicationServerKey) {
  return self.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey });
}

// Without a mapping somebody signed out here, and pushhub may not have heard of it yet: that stays so.
async function remember({ mapping_id: mappingId }) {
  const known = await pushhubStore.read();
  if (known.mappingId) await pushhubStore.write({ ...known, mappingId });
}

async function receipt(message, said) {
  const { api } = await pushhubStore.read();
  const token = message.pushhub?.receipt;
  if (!api || !token) return;
  // A lost receipt is only a missing figure: never an error on somebody's phone.
  await call("POST", `${api}/v1/receipts`, { receipts: [{ token, ...said }] }).catch(() => undefined);
}

function call(method, url, body) {
  return fetch(url, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}
