// What the page and the service worker both need to know about this installation, kept in IndexedDB because a service worker
// has no localStorage. One record: {api, deviceId, deviceSecret, mappingId, applicationServerKey}; while the worker owes pushhub
// a new subscription, also renewal: {subscription, applicationServerKey}, what the browser said of either.

(() => {
  const DATABASE = "pushhub";
  const STORE = "installation";

  function open() {
    return new Promise((resolve, reject) => {
      const request = indexedDB.open(DATABASE, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  }

  async function run(mode, work) {
    const database = await open();
    try {
      return await new Promise((resolve, reject) => {
        const transaction = database.transaction(STORE, mode);
        const request = work(transaction.objectStore(STORE));
        transaction.oncomplete = () => resolve(request.result);
        transaction.onabort = () => reject(transaction.error);
      });
    } finally {
      database.close();
    }
  }

  self.pushhubStore = {
    read: async () => (await run("readonly", (store) => store.get("current"))) || {},
    write: (value) => run("readwrite", (store) => store.put(value, "current")),
    // One registration at a time, in all tabs and the worker: two would make two devices, and remember either.
    alone: (work) => navigator.locks.request(DATABASE, work),
  };
})();
