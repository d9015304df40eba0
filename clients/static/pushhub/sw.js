// pushhub's service worker: shows what arrives for this installation's present user, and drops the rest.
// Serve it from your own origin beside store.js; its folder is its scope. docs/web-client.md explains it.

importScripts("store.js");

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => event.waitUntil(receive(event.data)));

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

async function renew({ oldSubscription, newSubscription }) {
  const fresh = newSubscription || (oldSubscription && (await self.registration.pushManager.subscribe(oldSubscription.options)));
  if (!fresh) return; // the page registers again when it next opens
  await pushhubStore.alone(async () => {
    const { api, deviceId, deviceSecret } = await pushhubStore.read();
    if (!deviceId) return;
    const body = { platform: "web", subscription: fresh.toJSON(), device_secret: deviceSecret };
    await call("PUT", `${api}/v1/devices/${deviceId}`, body);
  });
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
