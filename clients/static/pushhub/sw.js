// pushhub's service worker: shows messages for this installation's current user and drops all others.
// Serve it from your own origin, in the same folder as store.js. The folder is its scope. See docs/web-client.md.

importScripts("store.js");

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(Promise.all([self.clients.claim(), renewal()])));

self.addEventListener("push", (event) => event.waitUntil(Promise.all([receive(event.data), renewal()])));

async function receive(data) {
  const message = read(data);
  const { mappingId } = await pushhubStore.read();
  // The vendor may deliver a message for a previous user of this browser (docs/guarantees.md). The current user must not see it.
  if (!mappingId || message?.pushhub?.mapping !== mappingId) return;
  const { notification = {} } = message;
  if (notification.title) await self.registration.showNotification(notification.title, options(message));
  if (notification.app_badge !== undefined) await self.navigator.setAppBadge?.(notification.app_badge);
  await Promise.all([notifyPages(message), receipt(message, { event: "displayed" })]);
}

function read(data) {
  try {
    return data?.json();
  } catch {
    return undefined; // not sent by pushhub
  }
}

function options(message) {
  const { body, icon, image, tag, lang, dir, silent, actions = [] } = message.notification;
  const buttons = actions.map(({ action, title, icon: picture }) => ({ action, title, icon: picture }));
  return { body, icon, image, tag, lang, dir, silent, actions: buttons, data: message };
}

async function notifyPages(message) {
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  for (const page of pages) page.postMessage({ type: "pushhub:received", message });
}

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const message = event.notification.data;
  const chosen = message.notification.actions?.find(({ action }) => action === event.action);
  const target = chosen?.navigate || message.notification.navigate;
  const report = chosen ? { event: "action", action: chosen.action } : { event: "opened" };
  event.waitUntil(Promise.all([receipt(message, report), target ? self.clients.openWindow(target) : undefined]));
});

self.addEventListener("notificationclose", (event) =>
  event.waitUntil(receipt(event.notification.data, { event: "dismissed" })),
);

// The browser replaced or removed the subscription. No page needs to be open: the device's secret is sufficient proof.
self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(renew(event)));

const RENEWAL_WAITS = [2, 10, 40]; // seconds between tries: browsers let a worker run for a minute or so

// The renewal is stored first, because the worker may be stopped, or pushhub may be down for longer. A stored renewal is retried
// at the next push or activation. A page that registers in the meantime removes it.
async function renew({ oldSubscription, newSubscription }) {
  const applicationServerKey = oldSubscription?.options?.applicationServerKey;
  const stored = { subscription: newSubscription?.toJSON(), applicationServerKey };
  await pushhubStore.alone(async () => pushhubStore.write({ ...(await pushhubStore.read()), renewal: stored }));
  for (const wait of RENEWAL_WAITS) {
    if (await renewal()) return;
    await new Promise((done) => setTimeout(done, wait * 1000 * (0.5 + Math.random())));
  }
  await renewal();
}

// Try the stored renewal once. Returns whether nothing is left to do.
async function renewal() {
  if (!(await pushhubStore.read()).renewal) return true;
  return pushhubStore.alone(registerRenewed).catch(() => false); // no network, or no push service
}

async function registerRenewed() {
  const { renewal: stored, api, deviceId, deviceSecret, applicationServerKey: key } = await pushhubStore.read();
  if (!stored) return true;
  if (deviceId) {
    const subscription = stored.subscription || (await subscribe(key || stored.applicationServerKey)).toJSON();
    const body = { platform: "web", subscription, device_secret: deviceSecret };
    const response = await call("PUT", `${api}/v1/devices/${deviceId}`, body);
    if (response.status === 408 || response.status === 429 || response.status >= 500) return false;
    // A permanent refusal (for example: the device was removed). The page registers again when it is opened.
    if (response.ok) await remember(await response.json());
  }
  await pushhubStore.write({ ...(await pushhubStore.read()), renewal: undefined });
  return true;
}

function subscribe(applicationServerKey) {
  return self.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey });
}

// Without a mapping the user has signed out, and pushhub may not know it yet. Then the mapping stays empty.
async function remember({ mapping_id: mappingId }) {
  const known = await pushhubStore.read();
  if (known.mappingId) await pushhubStore.write({ ...known, mappingId });
}

async function receipt(message, report) {
  const { api } = await pushhubStore.read();
  const token = message.pushhub?.receipt;
  if (!api || !token) return;
  // A lost receipt is only missing in the statistics. It must not cause an error on the user's device.
  await call("POST", `${api}/v1/receipts`, { receipts: [{ token, ...report }] }).catch(() => undefined);
}

function call(method, url, body) {
  return fetch(url, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}
