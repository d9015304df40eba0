// npm web-push with a keep-alive agent, 64 at once. Node reads its trusted authorities at the start; NODE_EXTRA_CA_CERTS adds the
// benchmark's own.
import { readFileSync } from "node:fs";
import https from "node:https";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.PEERS}/node_modules/`);
const webpush = require("web-push");
const workload = JSON.parse(readFileSync(0, "utf8"));
const agent = new https.Agent({ keepAlive: true, maxSockets: 64 });
const options = { agent, TTL: 60, vapidDetails: { subject: workload.sub, publicKey: workload.vapid_public, privateKey: workload.vapid_private } };

async function send(count) {
  let next = 0;
  const one = async () => {
    while (next < count) {
      const subscription = workload.subscriptions[next++ % workload.subscriptions.length];
      await webpush.sendNotification(subscription, workload.payload, options);
    }
  };
  await Promise.all(Array.from({ length: 64 }, one));
}

await send(workload.count / 10);
const wall = performance.now();
const cpu = process.cpuUsage();
await send(workload.count);
const used = process.cpuUsage(cpu);
console.log(JSON.stringify({ messages: workload.count, seconds: (performance.now() - wall) / 1000, cpu_seconds: (used.user + used.system) / 1e6 }));
process.exit(0);
