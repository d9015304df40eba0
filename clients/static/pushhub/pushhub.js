// The page's side: registers this browser with pushhub and keeps the registration true.
//
//   const push = new Pushhub({ api: "https://push.example.com", worker: "/sw.js", token: async () => userToken });
//   await push.register();      // asks for permission when needed
//   await push.signOut();       // this installation shows nobody's messages any more
//
// Load store.js first. `token` answers a user token minted by your backend (POST /v1/users/{user_id}/tokens).

class PushhubError extends Error {
  constructor(problem) {
    super(problem.detail || problem.title);
    this.problem = problem;
  }
}

class Pushhub {
  constructor({ api, worker, token }) {
    Object.assign(this, { api, worker, token });
  }

  async register() {
    if ((await Notification.requestPermission()) !== "granted") throw new Error("Notifications are not allowed for this site.");
    return this.registerSubscription(await this.#subscribe());
  }

  // Also for a subscription that another push client holds (UnifiedPush, the sandbox).
  async registerSubscription(subscription) {
    const known = await pushhubStore.read();
    const deviceId = known.deviceId || crypto.randomUUID();
    const device = await this.#call("PUT", `/v1/devices/${deviceId}`, {
      platform: "web",
      subscription,
      ...(known.deviceSecret ? { device_secret: known.deviceSecret } : {}),
    });
    await pushhubStore.write({
      api: this.api,
      deviceId,
      deviceSecret: device.device_secret || known.deviceSecret,
      mappingId: device.mapping_id,
    });
    return device;
  }

  async signOut() {
    const { deviceId, deviceSecret, ...known } = await pushhubStore.read();
    if (!deviceId) return;
    // Forgotten first: even if the network fails now, nothing more is shown here.
    await pushhubStore.write({ ...known, deviceId, deviceSecret, mappingId: null });
    await this.#call("PATCH", `/v1/devices/${deviceId}`, { user_id: null, device_secret: deviceSecret });
  }

  async #subscribe() {
    const registration = await navigator.serviceWorker.register(this.worker);
    await navigator.serviceWorker.ready;
    const { application_server_key } = await this.#call("GET", "/v1/webpush/config");
    const applicationServerKey = bytes(application_server_key);
    const current = await registration.pushManager.getSubscription();
    // After a key rotation the old subscription cannot be renewed under the new key: it has to go first (Push API §5).
    if (current && !same(current.options.applicationServerKey, applicationServerKey)) await current.unsubscribe();
    const subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey });
    return subscription.toJSON();
  }

  async #call(method, path, body) {
    const headers = { Authorization: `Bearer ${await this.token()}` };
    if (body) headers["Content-Type"] = "application/json";
    const answer = await fetch(this.api + path, { method, headers, body: body && JSON.stringify(body) });
    const json = answer.status === 204 ? {} : await answer.json();
    if (!answer.ok) throw new PushhubError(json);
    return json;
  }
}

function bytes(base64url) {
  const binary = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

function same(buffer, expected) {
  const actual = new Uint8Array(buffer || []);
  return actual.length === expected.length && actual.every((value, index) => value === expected[index]);
}

self.Pushhub = Pushhub;
