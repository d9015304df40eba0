// pushhub's service worker: shows what arrives for this installation's present user, and drops the rest.
// Serve it from your own origin beside store.js; its folder is its scope.

importScripts("store.js");

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => event.waitUntil(receive(event.data)));

async function receive(data) {
  if (!data) return;
  const message = data.json();
  const { mappingId } = await pushhubStore.read();
  // The vendor may have held this message since before somebody else signed in here (docs/guarantees.md): not theirs to see.
  if (!message.pushhub || message.pushhub.mapping !== mappingId) return;
  const shown = message.notification || {};
  if (shown.title && !shown.data?.silent) {
    await self.registration.showNotification(shown.title, options(message));
  }
  await Promise.all([tellPages(message), receipt(message, "displayed")]);
}

function options(message) {
  const { body, icon, image, tag, lang, dir, silent, actions } = message.notification;
  return { body, icon, image, tag, lang, dir, silent, actions: (actions || []).map(({ action, title }) => ({ action, title })), data: message };
}

async function tellPages(message) {
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  for (const page of pages) page.postMessage({ type: "pushhub:received", message });
}

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const message = event.notification.data;
  const chosen = (message.notification.actions || []).find(({ action }) => action === event.action);
  const target = chosen?.navigate || message.notification.navigate;
  event.waitUntil(Promise.all([receipt(message, "opened"), target ? self.clients.openWindow(target) : undefined]));
});

self.addEventListener("notificationclose", (event) => event.waitUntil(receipt(event.notification.data, "dismissed")));

// The page registers again when it next opens: only it can ask the app for a fresh user token.
self.addEventListener("pushsubscriptionchange", (event) =>
  event.waitUntil(pushhubStore.read().then((known) => pushhubStore.write({ ...known, stale: true }))),
);

async function receipt(message, event) {
  const { api } = await pushhubStore.read();
  const token = message.pushhub?.receipt;
  if (!api || !token) return;
  const body = JSON.stringify({ receipts: [{ token, event }] });
  // A lost receipt is only a missing figure: never an error on somebody's phone.
  await fetch(`${api}/v1/receipts`, { method: "POST", headers: { "Content-Type": "application/json" }, body }).catch(() => undefined);
}
