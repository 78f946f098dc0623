// The client of Node `ws`, with the face of clients.py: it prints "ready", and answers each line of JSON with one.
"use strict";

const readline = require("node:readline");
const { WebSocket } = require("ws");

function messageOf(size) {
  const message = Buffer.alloc(size);
  for (let index = 0; index < size; index++) message[index] = 32 + (index % 95);
  return message;
}

function talk({ port, size, window, seconds }, tell) {
  const message = messageOf(size);
  const step = size < 4096 ? 16 : 1;
  const now = () => performance.now() / 1000;
  const began = now();
  let answered = 0;
  let look = step;
  let until = now() + seconds / 5;
  let start = null;
  let over = false;
  const ws = new WebSocket(`ws://127.0.0.1:${port}/${size}`, { perMessageDeflate: false, maxPayload: 16 * 1024 * 1024 });
  ws.on("error", (error) => tell({ error: String(error) }));
  ws.on("open", () => {
    for (let count = 0; count < window; count++) ws.send(message);
  });
  ws.on("message", (data) => {
    if (over) return;
    if (!message.equals(data)) {
      over = true;
      return tell({ error: "the server answered something else than it was asked" });
    }
    if (++answered >= look) {
      look = answered + step;
      if (now() >= until) {
        if (start) {
          over = true;
          const messages = answered - start.answered;
          const cpu = process.cpuUsage(start.cpu);
          tell({ cpu: (cpu.user + cpu.system) / messages, wall: ((now() - start.now) / messages) * 1e6, messages, seconds: now() - began });
          return ws.terminate();
        }
        start = { answered, cpu: process.cpuUsage(), now: now() };
        until = now() + seconds;
      }
    }
    ws.send(message);
  });
}

console.log("ready");
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  talk(JSON.parse(line), (answer) => console.log(JSON.stringify(answer)));
});
