// The client for the page: registers this browser with pushhub and keeps the registration up to date. See docs/web-client.md.
//
//   const push = new Pushhub({ api: "https://push.example.com", worker: "/sw.js", token: async () => userToken });
//   await push.register();      // asks for permission when needed; once allowed, call it at every start of the page
//   await push.signOut();       // this installation shows no messages any more, and closes those it shows
//
// Load store.js first. `token` returns a user token minted by your backend (POST /v1/users/{user_id}/tokens).

(() => {
  class PushhubError extends Error {
    // `problem` is the API's problem document: {type, title, status, code, detail, errors, request_id}.
    constructor(problem) {
      super(problem.detail || problem.title);
      this.problem = problem;
    }
  }

  class Pushhub {
    constructor({ api, worker, token }) {
      Object.assign(this, { api: api.replace(/\/$/, ""), worker, token });
    }

    async register() {
      if ((await Notification.requestPermission()) !== "granted") throw new Error("Notifications are not allowed for this site.");
      const { subscription, applicationServerKey } = await this.#subscribe();
      return this.registerSubscription(subscription, applicationServerKey);
    }

    // Also for a subscription of another push client (UnifiedPush, the sandbox).
    async registerSubscription(subscription, applicationServerKey) {
      const body = { platform: "web", subscription };
      if (applicationServerKey) body.application_server_key = applicationServerKey;
      return pushhubStore.alone(async () => {
        const known = await pushhubStore.read();
        const deviceId = known.deviceId || crypto.randomUUID();
        if (known.deviceSecret) body.device_secret = known.deviceSecret;
        const device = await this.#call("PUT", `/v1/devices/${deviceId}`, body);
        const deviceSecret = device.device_secret || known.deviceSecret;
        const mappingId = device.mapping_id;
        await pushhubStore.write({ api: this.api, deviceId, deviceSecret, mappingId, applicationServerKey });
        await this.#closeOthers(mappingId);
        return device;
      });
    }

    // Needs only the device's secret: the user's session may have ended already.
    async signOut() {
      await this.#forgetUser(); // first: no message is shown any more, even if a registration is under way or the network fails
      await pushhubStore.alone(async () => {
        const { deviceId, deviceSecret } = await this.#forgetUser();
        if (!deviceId) return;
        await request(this.api, "PATCH", `/v1/devices/${deviceId}`, { body: { user_id: null, device_secret: deviceSecret } });
      });
    }

    // The tenant's current application server key, base64url.
    async applicationServerKey() {
      return (await this.#call("GET", "/v1/webpush/config")).application_server_key;
    }

    async #subscribe() {
      const registration = await navigator.serviceWorker.register(this.worker);
      await activated(registration);
      const applicationServerKey = await this.applicationServerKey();
      const current = await registration.pushManager.getSubscription();
      // After a key rotation the old subscription cannot be renewed with the new key. It must be removed first (Push API §5).
      if (current && base64url(current.options.applicationServerKey) !== applicationServerKey) await current.unsubscribe();
      const options = { userVisibleOnly: true, applicationServerKey };
      const subscription = await registration.pushManager.subscribe(options);
      return { subscription: subscription.toJSON(), applicationServerKey };
    }

    async #forgetUser() {
      const known = await pushhubStore.read();
      if (known.mappingId) await pushhubStore.write({ ...known, mappingId: null });
      await this.#closeOthers(null);
      return known;
    }

    // The previous user's notifications are not for the next user. Notifications of other code stay open.
    async #closeOthers(mappingId) {
      const registration = await navigator.serviceWorker?.getRegistration(this.worker);
      for (const shown of (await registration?.getNotifications()) || []) {
        if (shown.data?.pushhub && shown.data.pushhub.mapping !== mappingId) shown.close();
      }
    }

    async #call(method, path, body) {
      return request(this.api, method, path, { body, headers: { Authorization: `Bearer ${await this.token()}` } });
    }
  }

  async function request(api, method, path, { body, headers = {} }) {
    const json = body ? { "Content-Type": "application/json" } : {};
    const response = await fetch(api + path, { method, headers: { ...json, ...headers }, body: body && JSON.stringify(body) });
    const result = await response.json().catch(() => ({ title: `${method} ${path} answered ${response.status}` }));
    if (!response.ok) throw new PushhubError(result);
    return result;
  }

  // Not navigator.serviceWorker.ready: it waits forever when the page is outside the worker's scope.
  function activated(registration) {
    const worker = registration.installing || registration.waiting;
    if (registration.active || !worker) return undefined;
    return new Promise((resolve, reject) => {
      worker.addEventListener("statechange", () => {
        if (worker.state === "activated") resolve();
        if (worker.state === "redundant") reject(new Error("The service worker could not be installed."));
      });
    });
  }

  function base64url(buffer) {
    const binary = String.fromCharCode(...new Uint8Array(buffer || []));
    return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  }

  Object.assign(self, { Pushhub, PushhubError });
})();
