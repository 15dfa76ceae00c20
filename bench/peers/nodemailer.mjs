// Sends with nodemailer's pool, which keeps its connections.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

import nodemailer from "nodemailer";

const names = ["host", "port", "ca", "message", "from", "to", "name", "connections", "warm-up", "count"];
const options = Object.fromEntries(names.map((name) => [name, { type: "string" }]));
const { values } = parseArgs({ options });
const connections = Number(values.connections);

const transport = nodemailer.createTransport({
  host: values.host,
  port: Number(values.port),
  name: values.name,
  requireTLS: true,
  tls: { ca: readFileSync(values.ca) },
  pool: true,
  maxConnections: connections,
  maxMessages: Infinity,
});
const mail = {
  envelope: { from: values.from, to: values.to },
  raw: readFileSync(values.message),
};

/** As many senders as connections, each of which waits for its mail to go. */
async function send(count) {
  const times = [];
  const worker = async () => {
    for (let number = 0; number < count; number += 1) {
      const began = performance.now();
      await transport.sendMail(mail);
      times.push(performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  return times;
}

await send(Number(values["warm-up"]));
const started = performance.now();
const times = await send(Number(values.count));
const seconds = (performance.now() - started) / 1000;
transport.close();
console.log(JSON.stringify({ seconds, times_ms: times }));
