// Data of this installation that the page and the service worker share. It is in IndexedDB, because a service worker has no
// localStorage. One record: {api, deviceId, deviceSecret, mappingId, applicationServerKey}. While a new subscription is not yet
// registered, also renewal: {subscription, applicationServerKey}, as far as the browser reported them.

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
    // One registration at a time, in all tabs and the worker: two at once would make two devices and store only one.
    alone: (work) => navigator.locks.request(DATABASE, work),
  };
})();
